"""Brings a database to the schema of this code: ``python -m dialer.store.migrate``.

Several processes may start at once: one migrates under an advisory lock, the others wait for it.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from dialer.settings import Settings
from dialer.store.database import sqlalchemy_url

LOCK = 0x6469616C6572  # "dialer", so that no other program's lock is meant
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to ``revision``. Raises sqlalchemy.exc.DBAPIError; then nothing is changed."""
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
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            connection.commit()
            config.attributes["connection"] = connection
            run(config)
            connection.commit()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.commit()
    finally:
        engine.dispose()


if __name__ == "__main__":
    settings = Settings.from_env()
    upgrade(settings.database_url)
    sys.stdout.write("the database is at the newest migration\n")
