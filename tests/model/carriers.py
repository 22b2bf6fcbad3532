"""An imaginary carrier: everything that one may do, and nothing that one may not. No network, no clock of its own.

It may accept, refuse, throttle, or not answer; and without an answer the call may exist, may come into being a while
later, or may not. It tells the truth about what it has when it can be asked, and reports every change, in an order and
as often as whoever delivers the reports likes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from dialer.carriers.base import (
    AccountRefused,
    AccountStatus,
    CallNotFound,
    CarrierCall,
    DialOrder,
    NotProcessed,
    OutcomeUnknown,
    Placed,
    Refused,
)
from dialer.domain.carrier_events import TERMINAL, AnsweredBy, CarrierEvent, CarrierStatus
from dialer.domain.judging.evidence import CarrierRecord

#: A request that was cut off is acted upon so much later at most: while it would still be waited for.
LATEST = timedelta(seconds=9)
#: The carrier itself ends what rings or lasts longer.
RINGS = timedelta(seconds=40)
TALKS = timedelta(seconds=90)


class Answer(StrEnum):
    """What becomes of one request."""

    ACCEPTS = "accepts"
    QUEUES = "queues"
    REFUSES = "refuses"
    REFUSES_ACCOUNT = "refuses_account"
    THROTTLES = "throttles"
    SILENT_AND_ACCEPTS = "silent_and_accepts"
    SILENT_AND_ACCEPTS_LATER = "silent_and_accepts_later"
    SILENT_AND_DOES_NOTHING = "silent_and_does_nothing"


CREATES = frozenset({Answer.ACCEPTS, Answer.QUEUES, Answer.SILENT_AND_ACCEPTS, Answer.SILENT_AND_ACCEPTS_LATER})


@dataclass(eq=False)
class Line:
    """One call as the carrier has it."""

    carrier_call_id: str
    call_id: UUID
    to: str
    from_: str
    created_at: datetime
    status: CarrierStatus = CarrierStatus.QUEUED
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    asked_to_end: bool = False
    reports: int = 0

    @property
    def over(self) -> bool:
        return self.status in TERMINAL


@dataclass(eq=False)
class ImaginaryCarrier:
    """``clock`` tells the time; ``stop`` is where whoever asks may be held; ``leaving`` looks at what leaves for it."""

    clock: Callable[[], datetime]
    stop: Callable[[str], Awaitable[None]]
    leaving: Callable[[DialOrder], Awaitable[None]]
    account_sid: str
    name: str = "imaginary"
    reachable: bool = True
    answers: dict[UUID, Answer] = field(default_factory=dict[UUID, Answer])
    requests: list[tuple[UUID, datetime, Answer]] = field(default_factory=list[tuple[UUID, datetime, Answer]])
    lines: list[Line] = field(default_factory=list[Line])
    reports: list[CarrierEvent] = field(default_factory=list[CarrierEvent])
    later: list[tuple[datetime, DialOrder]] = field(default_factory=list[tuple[datetime, DialOrder]])

    # -- what the product asks -------------------------------------------------------------------------------------

    async def place(self, order: DialOrder, may_still_dial: Callable[[], None] | None = None) -> Placed:
        await self.stop("request")
        if may_still_dial is not None:
            may_still_dial()
        await self.leaving(order)
        answer = self.answers.get(order.call_id, Answer.ACCEPTS)
        self.requests.append((order.call_id, self.clock(), answer))
        line = None
        if answer is Answer.SILENT_AND_ACCEPTS_LATER:
            self.later.append((self.clock() + LATEST, order))
        elif answer in CREATES:
            line = self._create(order)
        await self.stop("answer")
        if answer is Answer.REFUSES:
            raise Refused(21211, 400)
        if answer is Answer.REFUSES_ACCOUNT:
            raise AccountRefused(20003, 401)
        if answer is Answer.THROTTLES:
            raise NotProcessed("throttled")
        if line is None or answer is Answer.SILENT_AND_ACCEPTS:
            raise OutcomeUnknown("no answer")
        queue_time_s = 30.0 if answer is Answer.QUEUES else 0.0
        return Placed(carrier_call_id=line.carrier_call_id, queue_time_s=queue_time_s, status=CarrierStatus.QUEUED)

    async def find(self, *, to: str, from_: str, placed_after: datetime) -> Sequence[CarrierCall]:
        await self._ask()
        found = [
            self._shown(line)
            for line in reversed(self.lines)
            if (line.to, line.from_) == (to, from_) and line.created_at >= placed_after
        ]
        await self.stop("answer")
        return found

    async def fetch(self, carrier_call_id: str) -> CarrierCall:
        await self._ask()
        found = self._shown(self._line(carrier_call_id))
        await self.stop("answer")
        return found

    async def hang_up(self, carrier_call_id: str, *, answered: bool | None) -> None:
        await self._ask()
        line = self._line(carrier_call_id)
        line.asked_to_end = True
        if not line.over:
            talking = line.status is CarrierStatus.IN_PROGRESS
            self.move(line, CarrierStatus.COMPLETED if talking else CarrierStatus.CANCELED)

    async def check(self) -> AccountStatus:
        return AccountStatus(account_sid=self.account_sid, status="active", active=True)

    async def close(self) -> None:
        return

    # -- what it does by itself ------------------------------------------------------------------------------------

    def move(self, line: Line, status: CarrierStatus) -> None:
        """Change a call's status, and report it."""
        line.status = status
        if status is CarrierStatus.IN_PROGRESS:
            line.answered_at = self.clock()
        if line.over:
            line.ended_at = self.clock()
        self.reports.append(self._report(line))
        if status is CarrierStatus.IN_PROGRESS:
            self.reports.append(self._report(line, kind="amd"))

    def stranger(self, line: Line) -> CarrierEvent:
        """A report that names our call and another id of the carrier's: it must not become the call's."""
        return CarrierEvent(
            call_id=line.call_id,
            carrier_call_id=f"CB{line.carrier_call_id[2:]}",
            kind="status",
            account_sid=self.account_sid,
            sequence=0,
            status=CarrierStatus.COMPLETED,
            occurred_at=self.clock(),
        )

    def ledger(self) -> list[CarrierRecord]:
        """Every call that it has had, for the judge."""
        return [
            CarrierRecord(
                carrier_call_id=line.carrier_call_id,
                account_sid=self.account_sid,
                call_id=line.call_id,
                to=line.to,
                from_=line.from_,
                status=line.status,
                created_at=line.created_at,
                answered_at=line.answered_at,
                ended_at=line.ended_at,
            )
            for line in self.lines
        ]

    def pass_time(self) -> None:
        """What happens without anybody's doing: late requests are acted upon, ringing and talking end."""
        now = self.clock()
        for due, order in list(self.later):
            if due <= now:
                self.later.remove((due, order))
                self._create(order).created_at = due
        for line in self.lines:
            if line.status is CarrierStatus.IN_PROGRESS:
                if line.answered_at is not None and now - line.answered_at > TALKS:
                    self.move(line, CarrierStatus.COMPLETED)
            elif not line.over and now - line.created_at > RINGS:
                self.move(line, CarrierStatus.NO_ANSWER)

    def _create(self, order: DialOrder) -> Line:
        line = Line(
            carrier_call_id=f"CA{len(self.lines):032x}",
            call_id=order.call_id,
            to=order.to,
            from_=order.from_,
            created_at=self.clock(),
        )
        self.lines.append(line)
        self.reports.append(self._report(line))
        return line

    def _report(self, line: Line, kind: str = "status") -> CarrierEvent:
        line.reports += 1
        detected = kind == "amd"
        return CarrierEvent(
            call_id=line.call_id,
            carrier_call_id=line.carrier_call_id,
            kind="amd" if detected else "status",
            account_sid=self.account_sid,
            sequence=None if detected else line.reports,
            status=None if detected else line.status,
            occurred_at=self.clock(),
            answered_by=AnsweredBy.HUMAN if detected else None,
            duration_seconds=30 if line.status is CarrierStatus.COMPLETED and line.answered_at else None,
        )

    def _shown(self, line: Line) -> CarrierCall:
        return CarrierCall(
            carrier_call_id=line.carrier_call_id,
            account_sid=self.account_sid,
            status=line.status,
            to=line.to,
            from_=line.from_,
            created_at=line.created_at,
            started_at=line.created_at,
            ended_at=line.ended_at,
            duration_seconds=30 if line.status is CarrierStatus.COMPLETED and line.answered_at else None,
        )

    def _line(self, carrier_call_id: str) -> Line:
        for line in self.lines:
            if line.carrier_call_id == carrier_call_id:
                return line
        raise CallNotFound

    async def _ask(self) -> None:
        await self.stop("request")
        if not self.reachable:
            raise OutcomeUnknown("the carrier does not answer")
