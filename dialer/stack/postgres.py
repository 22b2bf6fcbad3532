"""PostgreSQL 18 as a child: its data, how it is started, and the role and database that the product uses.

It listens on 127.0.0.1 only and asks everybody for a password. The product's role owns its database and is no
superuser, because row-level security does not apply to one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from dialer.stack.placement import Account, data_folder, postgres_account, programs

ADMIN = "postgres"
ROLE = "dialer"
DATABASE = "dialer"
CONNECTIONS = 300

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a path in a deep folder would be too long for a socket
    "max_connections": str(CONNECTIONS),
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",  # queries are short: compiling one costs more than running it
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # Statements and details would put phone numbers into the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

_THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Whoever breaks off in the middle of connecting is waited for by whoever drops a database: a minute by default.
    "authentication_timeout": "5s",
    "scram_iterations": "1",  # every test signs in many times
}
"""For tests, whose data need not outlive a power cut and holds nobody's secrets."""


class PostgresError(Exception):
    """The server cannot be set up or does not answer; the message carries its own last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One data folder and what is needed to run a server on it."""

    bin: Path
    data: Path
    account: Account | None
    admin_password: str

    @classmethod
    def in_home(cls, home: Path, *, admin_password: str) -> "Cluster":
        """The cluster of ``home``, initialised on first use (about two seconds).

        Raises :class:`PostgresError` or ``PlacementError``.
        """
        account = postgres_account()
        cluster = cls(
            bin=programs(account),
            data=data_folder(home, account),
            account=account,
            admin_password=admin_password,
        )
        if not (cluster.data / "PG_VERSION").exists():
            cluster._initialise()
        return cluster

    def command(self, port: int, *, throw_away: bool = False) -> list[str]:
        """The server in the foreground. SIGINT is its fast shutdown: open transactions are rolled back."""
        settings = {**_SETTINGS, "port": str(port), **(_THROW_AWAY if throw_away else {})}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self.bin / "postgres"), "-D", str(self.data), *options]

    def url(self, port: int, *, user: str = ADMIN, password: str | None = None, database: str = ADMIN) -> str:
        """``postgresql://…`` of a database on this server; the superuser's unless a user is given."""
        secret = self.admin_password if password is None else password
        return f"postgresql://{user}:{quote(secret, safe='')}@127.0.0.1:{port}/{database}"

    def _initialise(self) -> None:
        # The password goes through a pipe, never through a command line or a file.
        reading, writing = os.pipe()
        if self.account is not None and sys.platform == "linux":
            os.fchown(reading, self.account.uid, self.account.gid)  # /dev/stdin opens it anew, with its rights
        try:
            os.write(writing, self.admin_password.encode() + b"\n")
        finally:
            os.close(writing)
        command: Sequence[str] = [
            str(self.bin / "initdb"),
            f"--pgdata={self.data}",
            f"--username={ADMIN}",
            "--pwfile=/dev/stdin",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ]
        with os.fdopen(reading) as password:
            done = subprocess.run(
                command,
                stdin=password,
                capture_output=True,
                text=True,
                check=False,
                cwd=self.data,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                user=None if self.account is None else self.account.uid,
                group=None if self.account is None else self.account.gid,
                extra_groups=None if self.account is None else [],
            )
        if done.returncode != 0:
            raise PostgresError(f"PostgreSQL's data folder could not be made: {done.stderr.strip()}")


def answers(url: str, *, seconds: float = 2.0) -> bool:
    """True when the server takes a connection and is not starting up or recovering."""
    try:
        with psycopg.connect(url, connect_timeout=max(2, int(seconds)), autocommit=True) as connection:
            row = connection.execute("SELECT NOT pg_is_in_recovery()").fetchone()
            return row is not None and bool(row[0])
    except psycopg.OperationalError:
        return False


def await_answer(url: str, *, seconds: float, is_alive: "subprocess.Popen[bytes]") -> None:
    """Waits until :func:`answers`. Raises :class:`PostgresError` when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        if is_alive.poll() is not None:
            raise PostgresError(f"PostgreSQL ended with code {is_alive.returncode}")
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL did not answer within {seconds:.0f} s")
        time.sleep(0.05)


def ensure_role(admin_url: str, password: str) -> None:
    """Makes sure of the product's role: it may log in, owns what it makes, and obeys row-level security."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone()
        statement = sql.SQL(
            "{verb} ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {password}"
        ).format(
            verb=sql.SQL("ALTER" if known else "CREATE"),
            role=sql.Identifier(ROLE),
            password=sql.Literal(password),
        )
        connection.execute(statement)


def ensure_database(admin_url: str, name: str = DATABASE, *, template: str | None = None) -> None:
    """Makes sure of a database that belongs to the product's role, copied from ``template`` if one is given.

    Nobody may be connected to the template meanwhile.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            return
        connection.execute(
            sql.SQL("CREATE DATABASE {name} OWNER {role} TEMPLATE {template}").format(
                name=sql.Identifier(name),
                role=sql.Identifier(ROLE),
                template=sql.Identifier(template or "template1"),
            )
        )
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def drop_database(admin_url: str, name: str) -> None:
    """Drops a database and throws out whoever is still connected to it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
