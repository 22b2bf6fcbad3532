"""Connections and transactions. One request or one activity is one transaction; query functions never commit.

Every transaction says for which workspace it works, and row-level security shows it that workspace only. A transaction
for all workspaces (sweep, callbacks before their call is known) asks for that by name.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg import errors
from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from dialer.store.sessions import begin_in_one_trip, opened

ALL_WORKSPACES = "*"
#: At most, of one process.
CONNECTIONS = 30

#: No answer at all; too many connections, shutting down, crashed, starting up; idle for too long.
_AWAY = (None, "53300", "57P01", "57P02", "57P03", "25P03")


class Database:
    """The door to PostgreSQL for one process."""

    def __init__(
        self, database_url: str, *, clock_offset: timedelta = timedelta(0), pool_size: int = CONNECTIONS
    ) -> None:
        self.url = database_url
        self.clock_offset = clock_offset
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(database_url),
            # One beyond the pool serves one transaction, and to prove its password costs as much as ten of them.
            pool_size=pool_size,
            max_overflow=max(CONNECTIONS - pool_size, 0),
            # Few of them are used again and again, and have their statements prepared.
            pool_use_lifo=True,
            pool_timeout=10,
            pool_pre_ping=False,
            hide_parameters=True,
            connect_args={
                "autocommit": True,  # as far as the driver is concerned
                "options": connection_options(clock_offset),
                "connect_timeout": 5,
                "prepare_threshold": 3,
            },
        )
        begin_in_one_trip(self.engine)

    @asynccontextmanager
    async def transaction(self, workspace_id: UUID, *, by_keys: bool = False) -> AsyncGenerator[AsyncSession]:
        """A transaction that sees one workspace; commits when the block ends well.

        ``by_keys``: all of its statements look up a few rows by their keys, so that each is planned once for all values
        (https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-PLAN-CACHE-MODE). Else PostgreSQL plans
        the larger ones anew each time, which takes longer than running them. Not for lists and claims, whose best plan
        depends on how many rows there are.
        """
        async with self._transaction(str(workspace_id), by_keys=by_keys) as session:
            yield session

    @asynccontextmanager
    async def transaction_over_all(self) -> AsyncGenerator[AsyncSession]:
        """A transaction that sees every workspace, for what is not asked by anybody in one of them."""
        async with self._transaction(ALL_WORKSPACES) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self, workspace_id: UUID, *, statement_s: int) -> AsyncGenerator[AsyncSession]:
        """A transaction that sees one workspace as it is now and changes nothing, for reading a great deal of it.

        One statement may take ``statement_s`` seconds. As long as it is open, vacuum keeps what it sees.
        """
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            sql = """SELECT set_config('dialer.workspace', :scope, true),
                            set_config('statement_timeout', :timeout, true)"""
            await session.execute(text(sql), {"scope": str(workspace_id), "timeout": f"{statement_s}s"})
            yield session

    @asynccontextmanager
    async def _transaction(self, scope: str, *, by_keys: bool = False) -> AsyncGenerator[AsyncSession]:
        async with opened(self.engine, scope, by_keys=by_keys) as session:
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def sqlalchemy_url(database_url: str) -> str:
    """The same address for SQLAlchemy's psycopg 3 dialect."""
    _, _, rest = database_url.partition("://")
    return f"postgresql+psycopg://{rest}"


def connection_options(clock_offset: timedelta) -> str:
    """Settings of every connection: UTC, the shifted clock, and limits so that nothing waits for ever."""
    return (
        f"-c timezone=UTC -c dialer.clock_offset={clock_offset.total_seconds()} "
        "-c lock_timeout=8000 -c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000"
    )


async def rows(session: AsyncSession, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row[Any]]:
    """Run one statement and read all of its rows."""
    return list((await session.execute(_statement(sql), parameters or {})).all())


async def one(session: AsyncSession, sql: str, parameters: Mapping[str, Any] | None = None) -> Row[Any] | None:
    """Run one statement and read its first row, if any."""
    return (await session.execute(_statement(sql), parameters or {})).first()


#: The same text is the same statement each time.
_statement = lru_cache(maxsize=2000)(text)


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint that a statement broke."""
    original = error.orig
    return original.diag.constraint_name if isinstance(original, errors.IntegrityError) else None


def is_lost(error: DBAPIError) -> bool:
    """True when there is no connection any more, or none is to be had: PostgreSQL ended it, or is away."""
    return error.connection_invalidated or (
        isinstance(error.orig, errors.OperationalError) and error.orig.sqlstate in _AWAY
    )


def is_transient(error: DBAPIError) -> bool:
    """True for what may succeed when the whole transaction is tried again.

    Deadlock, serialization, a lost connection; and a statement that was prepared before a migration added a column,
    which every connection meets once: the roll-back makes psycopg forget what it has prepared.
    """
    return error.connection_invalidated or isinstance(
        error.orig,
        errors.DeadlockDetected
        | errors.SerializationFailure
        | errors.LockNotAvailable
        | errors.OperationalError
        | errors.FeatureNotSupported,
    )
