"""Sessions that hand statements written as text to the driver at once, and begin a transaction in one round trip.

A callback or an attempt is a handful of small statements, whose cost is what lies between the code and the socket:
compiling text that is the same each time took as long as the database. What is not plain text goes SQLAlchemy's way,
over the same connection, and so do the pool, commits, savepoints and the handling of lost connections.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NoReturn

import psycopg
from psycopg import AsyncConnection as Driver
from sqlalchemy import Connection, Engine, Result, TextClause, event, text
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, AsyncTransaction
from sqlalchemy.util import await_only, greenlet_spawn

#: The execution option that says for which workspace a transaction works.
SCOPE = "dialer_scope"
#: The one that says that each statement is planned once for all values.
BY_KEYS = "dialer_by_keys"
#: A plan that was made while tables were small is kept until they are analyzed: so it goes by indexes from the start.
_PLAN_ONCE = ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in (
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
    )
)
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)(?!:)")
_SCOPES = re.compile(r"[0-9a-f-]{36}|\*")


@asynccontextmanager
async def opened(engine: AsyncEngine, scope: str, *, by_keys: bool = False) -> "AsyncGenerator[TextSession]":
    """A transaction to which row-level security shows ``scope``: a workspace's id or ``*``. Commits if all went well.

    The transaction is the connection's. A session of SQLAlchemy that has its own takes as long for its beginning and
    end as three statements, for a unit of work that nothing here has.
    """
    connection = await greenlet_spawn(_opened, engine.sync_engine, {SCOPE: scope, BY_KEYS: by_keys})
    try:
        yield TextSession(engine, connection)
        await greenlet_spawn(_committed, connection)
    except BaseException:
        # Whoever is cancelled, even twice, leaves no connection behind that nobody gives back.
        await asyncio.shield(greenlet_spawn(connection.close))
        raise


def _opened(engine: Engine, options: Mapping[str, Any]) -> Connection:
    connection = engine.connect()
    try:
        connection.execution_options(**options).begin()
    except BaseException as error:
        if not isinstance(error, Exception):
            connection.invalidate(error)  # nobody knows how far it came
        connection.close()
        raise
    return connection


def _committed(connection: Connection) -> None:
    connection.commit()
    connection.close()


class TextSession(AsyncSession):
    """What is said in one transaction of a connection."""

    def __init__(self, engine: AsyncEngine, connection: Connection) -> None:
        self._over = AsyncConnection(engine, connection)
        self._driver: Driver[Any] | None = connection.connection.driver_connection
        super().__init__(self._over, expire_on_commit=False)

    def begin_nested(self) -> AsyncTransaction:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A savepoint of the connection; a session makes one only for what it was told itself."""
        return self._over.begin_nested()

    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        driver = self._driver
        if driver is None or type(statement) is not TextClause or options or _are_many(params):
            return await super().execute(statement, params, **options)
        return await self._tell(driver, statement.text, params)

    async def _tell(self, driver: "Driver[Any]", sql: str, parameters: Mapping[str, Any] | None) -> Result[Any]:
        try:
            cursor = await driver.execute(*_for_driver(sql, parameters))  # pyright: ignore[reportArgumentType]
            told = cursor.pgresult
            if told is None or told.nfields == 0:
                return IteratorResult(_names(()), iter(()))
            # Not by way of the cursor's description, which makes an object of each column.
            names = _names(tuple([told.fname(column) for column in range(told.nfields)]))
            return IteratorResult(names, iter(await cursor.fetchall()))
        except psycopg.Error as error:
            await self._fail(driver, sql, error)
        except asyncio.CancelledError:
            # Nobody knows how far the statement came: the connection is not for others.
            await self._over.invalidate()
            raise

    async def _fail(self, driver: "Driver[Any]", sql: str, error: psycopg.Error) -> NoReturn:
        """As SQLAlchemy reports it, which also takes lost connections out of the pool."""
        if driver.closed:
            self._driver = None
            await super().execute(text("SELECT 1"))
        raise DBAPIError.instance(sql, None, error, psycopg.Error, hide_parameters=True) from error


def begin_in_one_trip(engine: AsyncEngine) -> None:
    """Let each transaction of an engine whose connections commit by themselves begin together with its scope.

    The driver would begin in a round trip of its own before the first statement.
    """
    event.listen(engine.sync_engine, "begin", _begin)


def _are_many(parameters: object) -> bool:
    """True for one statement with several sets of parameters."""
    return isinstance(parameters, list | tuple)


def _begin(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    options = connection.get_execution_options()
    scope = options.get(SCOPE)
    # One that was of another isolation level before is begun by the driver.
    words = ["BEGIN"] if driver.autocommit else []
    if scope is not None:
        if _SCOPES.fullmatch(scope) is None:
            raise ValueError("a transaction is for one workspace or for all")
        plans = f", {_PLAN_ONCE}" if options.get(BY_KEYS) else ""
        words.append(f"SELECT set_config('dialer.workspace', '{scope}', true){plans}")
    try:
        if words:
            await_only(driver.execute("; ".join(words), prepare=False))  # two commands cannot be prepared
    except psycopg.Error:
        if driver.closed:
            connection.exec_driver_sql("SELECT 1")  # says what is wrong, and empties the pool
        raise


@lru_cache(maxsize=2000)
def _converted(sql: str) -> tuple[str, bool]:
    """The statement with the driver's parameters for ``:name``, and whether there are any."""
    quoted, found = _PARAMETER.subn(r"%(\1)s", sql.replace("%", "%%"))
    return (quoted, True) if found else (sql, False)


def _for_driver(sql: str, parameters: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any] | None]:
    converted, has_parameters = _converted(sql)
    return converted, (parameters or {}) if has_parameters else None


@lru_cache(maxsize=2000)
def _names(names: tuple[bytes | None, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData([name.decode() if name is not None else "" for name in names])
