"""The doors between the product and the world, numbered as they are passed, any of which can be the last.

A process touches the world in three ways: it commits a transaction, it asks the carrier, it asks Temporal. Everything
else is gone when it dies. So the moments at which a crash can differ from another are the passages of these doors,
before and after, and trying each of them once tries every line between a claim and its recorded end.

The doors are the collaborators that the product is given by constructor. Nothing in the product knows of them.
"""

import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import CallToStart, Carriers
from dialer.carriers.base import Carrier, CarrierCall, DialOrder, Placed
from dialer.domain.call_results import CallEnded
from dialer.store.database import Database
from dialer.store.sealed_accounts import SealedAccount
from tests.faults.clocks import TestClock
from tests.faults.temporal import TemporalServer

COMMIT, CARRIER, TEMPORAL = "the commit", "the carrier's", "Temporal's"
#: What another process does while this one stands at a door.
Interruption = Callable[[], Awaitable[None]]


class Killed(BaseException):
    """The process is no more. Nothing in it may notice."""


class Fault(StrEnum):
    """What goes wrong at a door."""

    KILL = "the process is killed"
    DROP = "the connection is lost, nothing is committed"
    UNCONFIRMED = "the connection is lost, the commit is applied"
    UNREACHED = "Temporal does not hear the request"
    UNANSWERED = "Temporal hears the request, and its answer is lost"

    def fits(self, door: "Door") -> bool:
        """True when it can happen there."""
        match self:
            case Fault.KILL:
                return True
            case Fault.DROP:
                return door.what == COMMIT and not door.after
            case Fault.UNCONFIRMED:
                return door.what == COMMIT and door.after
            case Fault.UNREACHED:
                return door.what.startswith(TEMPORAL) and not door.after
            case Fault.UNANSWERED:
                return door.what.startswith(TEMPORAL) and door.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One passage: where in the product, what it touches, before or after, and the how-manieth of its kind."""

    where: str
    what: str
    after: bool
    nth: int

    @property
    def key(self) -> tuple[str, str, bool]:
        """Which line, however often it is passed."""
        return self.where, self.what, self.after

    def __str__(self) -> str:
        where = f" of {self.where}" if self.where else ""
        again = f", passage {self.nth}" if self.nth > 1 else ""
        return f"{'after' if self.after else 'before'} {self.what}{where}{again}"


@dataclass
class Doors:
    """Counts passages, and lets something happen at one of them. ``passed`` are those up to that moment."""

    at: Door | None = None
    fault: Fault | None = None
    interruption: Interruption | None = None
    #: Asked at every door what the world looks like from outside.
    look: Callable[[], Awaitable[tuple[str, str]]] | None = None
    passed: list[Door] = field(default_factory=list[Door])
    #: Commits of transactions that had written nothing.
    empty: set[Door] = field(default_factory=set[Door])
    sights: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    happened: bool = False
    _seen: Counter[tuple[str, str, bool]] = field(default_factory=Counter[tuple[str, str, bool]])

    def strike(self, where: str, what: str, *, after: bool) -> bool:
        """Count a passage. True when this is the one."""
        key = (where, what, after)
        self._seen[key] += 1
        door = Door(where=where, what=what, after=after, nth=self._seen[key])
        if self.happened:
            return False
        self.passed.append(door)
        self.happened = door == self.at
        return self.happened


class Life:
    """One life of one process: once it is killed, nothing passes any more."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.over = False

    async def passes(self, where: str, what: str, *, after: bool, empty: bool = False) -> Fault | None:
        """Raises Killed when the process dies here, or is dead; else the fault that the door has to play."""
        if self.over:
            raise Killed
        struck = self.doors.strike(where, what, after=after)
        if empty:
            self.doors.empty.add(self.doors.passed[-1])
        if self.doors.look is not None:
            self.doors.sights.append(await self.doors.look())
        if not struck:
            return None
        if self.doors.interruption is not None:
            await self.doors.interruption()
        if self.doors.fault is Fault.KILL:
            self.over = True
            raise Killed
        return self.doors.fault


def asked_by(depth: int) -> str:
    """The product's function that called, as its ``Class.method``."""
    return sys._getframe(depth + 1).f_code.co_qualname.replace(".<locals>", "")


class DoorDatabase(Database):
    """The product's own database, whose clock moves and whose transactions are doors."""

    def __init__(self, database_url: str, life: Life, clock: TestClock) -> None:
        super().__init__(database_url, pool_size=6)
        self._life = life
        self._clock = clock

    def transaction(self, workspace_id: UUID, *, by_keys: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        return self._door(super().transaction(workspace_id, by_keys=by_keys), asked_by(1))

    def transaction_over_all(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._door(super().transaction_over_all(), asked_by(1))

    @asynccontextmanager
    async def _door(
        self, opened: AbstractAsyncContextManager[AsyncSession], where: str
    ) -> AsyncGenerator[AsyncSession]:
        if self._life.over:
            raise Killed
        async with opened as session:
            await session.execute(
                text("SELECT set_config('dialer.clock_offset', :s, true)"), {"s": self._clock.setting}
            )
            yield session
            empty = self._life.doors.look is not None and await _wrote_nothing(session)
            if await self._life.passes(where, COMMIT, after=False) is Fault.DROP:
                await self._lose(session)
        if await self._life.passes(where, COMMIT, after=True, empty=empty) is Fault.UNCONFIRMED:
            lost = psycopg.OperationalError("the connection was lost while it was waited for the commit's answer")
            raise OperationalError("COMMIT", None, lost, connection_invalidated=True)

    async def _lose(self, session: AsyncSession) -> None:
        """The server ends this session, so that the commit which follows reaches nobody."""
        pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as other:
            await other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


async def _wrote_nothing(session: AsyncSession) -> bool:
    sql = "SELECT pg_current_xact_id_if_assigned() IS NULL"
    return (await session.execute(text(sql))).scalar_one()


class DoorCarrier:
    """A carrier whose every request is two doors. ``hidden``: its lists lag behind, and show nothing yet."""

    def __init__(self, carrier: Carrier, life: Life, *, hidden: bool) -> None:
        self._carrier = carrier
        self._life = life
        self._hidden = hidden

    @property
    def name(self) -> str:
        return self._carrier.name

    async def place(self, order: DialOrder, may_still_dial: Callable[[], None] | None = None) -> Placed:
        async with self._request("place"):
            return await self._carrier.place(order, may_still_dial)

    async def find(self, *, to: str, from_: str, placed_after: datetime) -> Sequence[CarrierCall]:
        async with self._request("find"):
            found = await self._carrier.find(to=to, from_=from_, placed_after=placed_after)
            return [] if self._hidden else found

    async def fetch(self, carrier_call_id: str) -> CarrierCall:
        async with self._request("fetch"):
            return await self._carrier.fetch(carrier_call_id)

    async def hang_up(self, carrier_call_id: str, *, answered: bool | None) -> None:
        async with self._request("hang_up"):
            await self._carrier.hang_up(carrier_call_id, answered=answered)

    @asynccontextmanager
    async def _request(self, verb: str) -> AsyncGenerator[None]:
        await self._life.passes("", f"{CARRIER} {verb}", after=False)
        try:
            yield
        finally:
            # An answer that says no is an answer; the process can die of it as well.
            await self._life.passes("", f"{CARRIER} {verb}", after=True)


class DoorCarriers:
    """The product's own carriers by account, behind doors."""

    def __init__(self, carriers: Carriers, life: Life, *, hidden: bool = False) -> None:
        self._carriers = carriers
        self._life = life
        self._hidden = hidden

    async def of(self, workspace_id: UUID, carrier_account_id: UUID) -> DoorCarrier:
        return DoorCarrier(await self._carriers.of(workspace_id, carrier_account_id), self._life, hidden=self._hidden)

    async def at(self, account: SealedAccount) -> DoorCarrier:
        return DoorCarrier(await self._carriers.at(account), self._life, hidden=self._hidden)


class DoorWorkflows:
    """Temporal, as a process reaches it."""

    def __init__(self, temporal: TemporalServer, life: Life) -> None:
        self._temporal = temporal
        self._life = life

    async def start_calls(self, calls: Sequence[CallToStart]) -> None:
        for call in calls:
            async with self._request("start_calls"):
                self._temporal.start_call(call)

    async def start_campaign(self, workspace_id: UUID, campaign_id: UUID, name: str) -> None:
        async with self._request("start_campaign"):
            self._temporal.start_campaign(workspace_id, campaign_id)

    async def start_import(self, workspace_id: UUID, import_id: UUID, campaign_id: UUID, run: int) -> None:
        async with self._request("start_import"):
            self._temporal.start_import(import_id)

    async def start_batch(self, workspace_id: UUID, batch_id: UUID, campaign_id: UUID, name: str) -> None:
        raise AssertionError("there is no batch")

    async def nudge_batch(self, batch_id: UUID) -> None:
        raise AssertionError("there is no batch")

    async def cancel_import(self, import_id: UUID) -> None:
        raise AssertionError("there is no batch")

    async def nudge_campaign(self, campaign_id: UUID) -> None:
        async with self._request("nudge_campaign"):
            self._temporal.nudge(campaign_id)

    async def call_ended(self, call_id: UUID, ended: CallEnded) -> None:
        async with self._request("call_ended"):
            self._temporal.call_ended(call_id, ended)

    @asynccontextmanager
    async def _request(self, verb: str) -> AsyncGenerator[None]:
        if await self._life.passes("", f"{TEMPORAL} {verb}", after=False) is Fault.UNREACHED:
            raise RPCError("nobody heard it", RPCStatusCode.UNAVAILABLE, b"")
        yield
        if await self._life.passes("", f"{TEMPORAL} {verb}", after=True) is Fault.UNANSWERED:
            raise RPCError("nobody answered", RPCStatusCode.UNAVAILABLE, b"")
