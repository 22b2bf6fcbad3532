"""Brings a database to the schema of this code: ``python -m dialer.store.migrate``.

Several processes may start at once: one migrates under an advisory lock, the others wait for it.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from dialer.settings import Settings
from dialer.store.database import sqlalchemy_url

LOCK = 0x6469616C6572  # "dialer", so that no other program's lock is meant
ASK_AGAIN_S = 0.2
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to ``revision``. Raises sqlalchemy.exc.DBAPIError; run again, it goes on where it stopped."""
    _migrate(database_url, lambda config: command.upgrade(config, revision))


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to ``revision`` (``base`` removes everything)."""
    _migrate(database_url, lambda config: command.downgrade(config, revision))


def is_current(database_url: str) -> bool:
    """True when the database has the newest migration that this code knows."""
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return current == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _migrate(database_url: str, run: Callable[[Config], None]) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with engine.connect() as connection:
            _lock(connection)
            config.attributes["connection"] = connection
            run(config)
            connection.commit()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.commit()
    finally:
        engine.dispose()


def _lock(connection: Connection) -> None:
    """Asked for again and again: who waits inside a statement is waited for by an index that is built concurrently."""
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}).scalar_one():
        connection.commit()
        time.sleep(ASK_AGAIN_S)
    connection.commit()


if __name__ == "__main__":
    settings = Settings.or_leave()
    upgrade(settings.database_url)
    sys.stdout.write("the database is at the newest migration\n")
