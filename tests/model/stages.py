"""A database on which several actors work at once, each of them stopped and let go on by hand.

An actor is one piece of the product (a leg, ``place_call``, a callback, a sweep, a pause) on a task of its own. It
stops before any statement, before a commit, and before the carrier is asked or has answered; what it holds is then held
while others run. An actor that waits for another's lock counts as stopped too: PostgreSQL says so. Nothing depends on
how fast the machine is: time moves only when the model says so, and every statement sees another microsecond of it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import Database

BEGINNING = datetime(2027, 3, 2, 19, 40, tzinfo=UTC)
#: Run to the end, to the first or second commit (or what is said to the carrier), or so many statements.
THROUGH, TO_COMMIT, TO_SECOND_COMMIT = 0, -1, -2
PATIENCE_S = 30.0

_CLOCK = f"""
    CREATE SEQUENCE model_moments;
    CREATE OR REPLACE FUNCTION dialer_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT timestamptz '{BEGINNING.isoformat()}' + make_interval(secs =>
            coalesce(nullif(current_setting('dialer.clock_offset', true), ''), '0')::float8
            + nextval('model_moments') / 1e6)
    $$;"""
_SLOT, _SLOT_OF_ACTOR = "pg_backend_pid()", "coalesce(nullif(current_setting('model.slot', true), ''), '0')::int"

_acting: ContextVar["Actor | None"] = ContextVar("acting", default=None)


class Violation(AssertionError):
    """A promise is broken, or the product stumbled over itself."""


@dataclass(eq=False)
class Actor:
    """One piece of the product at work. ``parked`` are its stopped tasks: a sweep looks at several calls at a time."""

    name: str
    slot: int
    task: "asyncio.Task[Any] | None" = None
    grant: int = 0
    parked: "list[asyncio.Future[None]]" = field(default_factory=list["asyncio.Future[None]"])
    where: str = ""
    statements: int = 0
    at_work: list[int] = field(default_factory=list[int])
    backends: set[int] = field(default_factory=set[int])
    loses_commit: bool = False
    dead: bool = False

    @property
    def done(self) -> bool:
        return self.task is not None and self.task.done()


class StagedSession(AsyncSession):
    """A session whose actor may be stopped before every statement."""

    stage: "Stage"
    offset: float = 0.0
    backend: int = 0

    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        await self.stage.point("statement")
        if self.offset != self.stage.offset:
            self.offset = self.stage.offset
            await super().execute(text("SELECT set_config('dialer.clock_offset', :o, true)"), {"o": str(self.offset)})
        with self.stage.working(self.backend):
            return await super().execute(self.stage.edited(statement), params, **options)


class Stage(Database):
    """The product's door to PostgreSQL with a director behind it. ``after_commit`` looks at what is committed."""

    def __init__(self, database_url: str, admin_url: str) -> None:
        super().__init__(database_url, pool_size=24)
        self.offset = 0.0
        self.moments = 0
        self.actors: list[Actor] = []
        self.edits: Mapping[str, str] = {}
        self.used_edits: set[str] = set()
        self.violation: Violation | None = None
        self.after_commit: Callable[[Actor | None], Awaitable[None]] | None = None
        self._admin_url = admin_url
        self._tables: list[str] = []
        self._eye: psycopg.AsyncConnection[Any] | None = None
        self._moved = asyncio.Event()
        self._committing = asyncio.Lock()

    async def set_up(self) -> None:
        """Stop the machine's clock in this database, and spread tallies by actor instead of by process id."""
        self._eye = await psycopg.AsyncConnection.connect(self._admin_url, autocommit=True)
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            await connection.execute(_CLOCK)
            for function in ("tally_prospects", "tally_calls"):
                found = await connection.execute("SELECT pg_get_functiondef(%s::regproc)", (function,))
                (body,) = await found.fetchone() or ("",)
                assert _SLOT in body, "tallies are spread in another way now"
                await connection.execute(body.replace(_SLOT, _SLOT_OF_ACTOR))
        sql = "SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'workspace_id'"
        self._tables = [*sorted(name for (name,) in await self.ask(sql)), "workspaces"]

    async def tear_down(self) -> None:
        if self._eye is not None:
            await self._eye.close()
        await self.close()

    async def begin_example(self) -> None:
        """Nothing is left of the example before, which may have been broken off anywhere."""
        self.offset, self.moments, self.violation, self.actors = 0.0, 0, None, []
        await self._tell("SELECT setval('model_moments', 1)")
        await self._tell("SET session_replication_role = replica")
        for table in self._tables:
            await self._tell(f"DELETE FROM {table}")
        await self._tell("SET session_replication_role = origin")

    async def _tell(self, sql: str) -> None:
        assert self._eye is not None
        await self._eye.execute(sql)

    @property
    def now(self) -> datetime:
        """What a clock shows that nobody asks often: the moment of the last commit, or later."""
        return BEGINNING + timedelta(seconds=self.offset, microseconds=self.moments)

    def steady_seconds(self) -> float:
        """What a clock in a process shows that nobody sets."""
        return self.offset

    async def ask(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Rows that are committed, read from outside."""
        assert self._eye is not None
        return await (await self._eye.execute(sql, parameters)).fetchall()

    # -- what the product sees -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _transaction(self, scope: str, *, by_keys: bool = False) -> AsyncGenerator[AsyncSession]:
        # How statements are planned (``by_keys``) is no business of the model: it changes none of their rows.
        actor = _acting.get()
        session = StagedSession(self.engine, expire_on_commit=False)
        session.stage = self
        await self.point("begin")
        try:
            await self._open(session, scope, actor)
            yield session
            await self.point("commit")
            await self._commit(session, actor)
        except BaseException:
            # What went wrong is told, and not that a lost connection cannot be rolled back.
            with suppress(DBAPIError):
                await session.rollback()
            raise
        finally:
            if actor is not None:
                actor.backends.discard(session.backend)
            await session.close()

    async def _open(self, session: StagedSession, scope: str, actor: Actor | None) -> None:
        sql = """SELECT set_config('dialer.workspace', :scope, true), set_config('model.slot', :slot, true),
            set_config('dialer.clock_offset', :offset, true), set_config('lock_timeout', '0', true),
            set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
            pg_backend_pid() AS backend"""
        session.offset = self.offset
        slot = 0 if actor is None else actor.slot
        parameters = {"scope": scope, "slot": str(slot), "offset": str(self.offset)}
        row = (await AsyncSession.execute(session, text(sql), parameters)).one()
        session.backend = row.backend
        if actor is not None:
            actor.backends.add(session.backend)

    async def _commit(self, session: StagedSession, actor: Actor | None) -> None:
        async with self._committing:
            with self.working(session.backend):
                await session.commit()
            if self.after_commit is not None:
                try:
                    await self.after_commit(actor)
                except Violation as violation:
                    self.violation = self.violation or violation
        if actor is not None and actor.loses_commit:
            actor.loses_commit = False
            lost = psycopg.OperationalError("the connection was lost before the commit was confirmed")
            raise OperationalError("COMMIT", {}, lost, connection_invalidated=True)

    async def point(self, where: str) -> None:
        """A place where the acting actor may be stopped."""
        actor = _acting.get()
        if actor is None:
            return
        if actor.dead:
            raise asyncio.CancelledError
        if actor.grant == THROUGH:
            return
        if actor.grant < THROUGH:
            if where in ("begin", "statement"):
                return
            if where == "commit" and actor.grant < TO_COMMIT:
                actor.grant += 1
                return
        elif actor.grant > 1:
            actor.grant -= 1
            return
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        actor.parked.append(stopped)
        actor.where = where
        self._moved.set()
        await stopped

    @contextmanager
    def working(self, backend: int):  # noqa: ANN201
        actor = _acting.get()
        if actor is None:
            yield
            return
        actor.at_work.append(backend)
        try:
            yield
        finally:
            actor.at_work.remove(backend)
            actor.statements += 1

    def edited(self, statement: Any) -> Any:
        """The statement, or what a mutant makes of it."""
        sql = str(statement)
        changed = sql
        for old, new in self.edits.items():
            if old in changed:
                changed = changed.replace(old, new)
                self.used_edits.add(old)
        return statement if changed is sql else text(changed)

    # -- what the director does ------------------------------------------------------------------------------------

    async def start(self, name: str, work: Callable[[], Awaitable[Any]], grant: int) -> Actor:
        """Begin ``work`` as a new actor and return when nobody moves any more."""
        taken = {actor.slot for actor in self.actors}
        actor = Actor(name=name, slot=next(slot for slot in range(100) if slot not in taken), grant=grant)
        self.actors.append(actor)

        async def act() -> Any:
            _acting.set(actor)
            try:
                return await work()
            finally:
                self._moved.set()

        actor.task = asyncio.create_task(act(), name=name)
        await self.settle()
        return actor

    async def go(self, actor: Actor, grant: int) -> None:
        """Let a stopped actor go on."""
        actor.grant = grant
        stopped, actor.parked = actor.parked, []
        for each in stopped:
            if not each.done():
                each.set_result(None)
        await self.settle()

    async def cut(self, actor: Actor) -> None:
        """Its connections are lost; the process lives and finds out."""
        lost = sorted(actor.backends)
        await self.ask("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (lost,))
        gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ANY(%s)"
        while not (await self.ask(gone, (lost,)))[0][0]:
            pass

    async def kill(self, actor: Actor) -> None:
        """The process dies, and its connections with it."""
        await self.cut(actor)
        assert actor.task is not None
        actor.parked, actor.dead = [], True
        actor.task.cancel()
        await asyncio.wait([actor.task])
        await self.settle()

    async def settle(self) -> None:
        """Return once every actor is done, stopped, or waits for a lock that a stopped one holds."""
        ends = asyncio.get_running_loop().time() + PATIENCE_S
        while moving := [a for a in self.actors if not a.done and (a.at_work or not a.parked)]:
            assert asyncio.get_running_loop().time() < ends, f"{[actor.name for actor in moving]} do not come to rest"
            self._moved.clear()
            before = [(actor.statements, tuple(actor.at_work)) for actor in moving]
            try:
                await asyncio.wait_for(self._moved.wait(), 0.004)
            except TimeoutError:
                if await self._all_blocked(moving) and before == [(a.statements, tuple(a.at_work)) for a in moving]:
                    return

    async def _all_blocked(self, moving: list[Actor]) -> bool:
        backends = [backend for actor in moving for backend in actor.at_work]
        if not all(actor.at_work for actor in moving):
            return False
        sql = "SELECT pid, pg_blocking_pids(pid) AS by FROM unnest(%s::int[]) AS pid"
        found = {row[0]: row[1] for row in await self.ask(sql, (backends,))}
        if not all(found.values()):
            return False
        self._look_for_cycles(moving, found)
        return True

    def _look_for_cycles(self, moving: list[Actor], blocked_by: dict[int, list[int]]) -> None:
        for first in sorted(blocked_by):
            seen: set[int] = set()
            ahead = set(blocked_by[first])
            while ahead - seen:
                seen |= ahead
                ahead = {by for backend in ahead for by in blocked_by.get(backend, [])}
            if first in seen:
                names = [actor.name for actor in moving if seen & set(actor.at_work)]
                self.violation = self.violation or Violation(f"{names} wait for each other")
