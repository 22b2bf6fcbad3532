"""One embedded PostgreSQL per test session, and a migrated, empty database per test.

Everything runs as in production: the product's role is no superuser, so row-level security is in force.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dialer.stack import launch
from dialer.stack.placement import remove_data
from dialer.stack.ports import free_port
from dialer.stack.postgres import (
    ROLE,
    Cluster,
    await_answer,
    drop_database,
    ensure_database,
    ensure_role,
)
from dialer.store import migrate
from tests.databases import Lender

PASSWORD = "for-tests-only"  # of a server that lives as long as the tests
TEMPLATE = "migrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPostgres:
    """A running server. ``admin_url()`` is the superuser's: for looking, not for the code under test."""

    __test__ = False

    cluster: Cluster
    port: int
    log: Path
    numbers: "count[int]" = field(default_factory=count)

    def admin_url(self, database: str = "postgres") -> str:
        return self.cluster.url(self.port, database=database)

    def url(self, database: str) -> str:
        """What ``DIALER_DATABASE_URL`` would be."""
        return self.cluster.url(self.port, user=ROLE, password=PASSWORD, database=database)

    def create(self, *, template: str = "template1") -> str:
        """A new database's name. Nobody may be connected to the template meanwhile."""
        name = f"test_{next(self.numbers)}"
        # Files are copied in a tenth of the time in which their pages are written to the log.
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY")
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            connection.execute(create.format(*map(sql.Identifier, (name, ROLE, template))))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        return name

    def drop(self, name: str) -> None:
        drop_database(self.admin_url(), name)


@contextmanager
def running_postgres(home: Path, *, throw_away: bool = True) -> Iterator[TestPostgres]:
    """A server of its own in ``home``, with the product's role; gone at the end. ``throw_away`` spares the disk."""
    cluster = Cluster.in_home(home, admin_password=PASSWORD)
    port = free_port()
    log = home / "postgres.log"
    with log.open("wb") as output:
        server = _start(cluster, port, output.fileno(), throw_away)
        try:
            url = cluster.url(port)
            await_answer(url, seconds=30, is_alive=server)
            ensure_role(url, PASSWORD)
            yield TestPostgres(cluster=cluster, port=port, log=log)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
            remove_data(home)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestPostgres]:
    """The session's server."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


def _start(cluster: Cluster, port: int, log: int, throw_away: bool) -> "subprocess.Popen[bytes]":
    account = cluster.account
    who = ("-1", "-1") if account is None else (str(account.uid), str(account.gid))
    launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(int(signal.SIGINT)), str(os.getpid())]
    return subprocess.Popen(
        [*launcher, *who, "0", *cluster.command(port, throw_away=throw_away)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cluster.data.parent if account is None else "/",
        start_new_session=True,
    )


@pytest.fixture(scope="session")
def migrated_template(postgres: TestPostgres) -> str:
    """The name of a database that the migrations have made and nobody is connected to."""
    ensure_database(postgres.admin_url(), TEMPLATE)
    migrate.upgrade(postgres.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def databases(postgres: TestPostgres, migrated_template: str) -> Lender:
    """Migrated, empty databases for one test after the other."""
    return Lender(postgres.admin_url, lambda: postgres.create(template=migrated_template), postgres.drop)


@pytest.fixture
def database_url(postgres: TestPostgres, databases: Lender) -> Iterator[str]:
    """A migrated, empty database for one test: what ``DIALER_DATABASE_URL`` would be."""
    with databases.lent() as name:
        yield postgres.url(name)


@pytest.fixture(scope="module")
def module_database_url(postgres: TestPostgres, databases: Lender) -> Iterator[str]:
    """The same for all tests of a module, for those that empty it themselves or keep to a workspace."""
    with databases.lent() as name:
        yield postgres.url(name)
