"""The carrier's own record of every call: what REST shows, and the truth that tests read."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Direction = Literal["outbound-api", "inbound"]
CallStatus = Literal["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]
TERMINAL: frozenset[str] = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@dataclass(slots=True, eq=False, kw_only=True)
class Recording:
    """One recording of one call. ``duration_s`` is None while it runs."""

    sid: str
    account_sid: str
    call_sid: str
    source: str
    channels: int
    track: str
    started_at: datetime
    updated_at: datetime
    url: str
    status: str = "in-progress"
    duration_s: int | None = None
    deleted: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """One accepted create, or a call that came in. ``serial`` orders calls as they came; ``status`` is REST's word.

    ``duration_s`` is virtual: a minute's talk is 60 whatever the time scale; the other times are the clock's.
    """

    serial: int
    sid: str
    account_sid: str
    call_id: str | None
    to: str
    from_: str
    created_at: datetime
    updated_at: datetime
    direction: Direction = "outbound-api"
    queue_time_ms: int = 0
    status: CallStatus = "queued"
    dialed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    priced_at: datetime | None = None
    duration_s: int | None = None
    answered_by: str | None = None
    sip_code: int | None = None
    error_code: int | None = None
    warnings: tuple[int, ...] = ()
    deleted: bool = False
    recordings: list[Recording] = field(default_factory=list[Recording])


class PeakRate:
    """The largest number of events in any window of one second."""

    def __init__(self) -> None:
        self.peak = 0
        self._recent: deque[float] = deque()

    def count(self, at: float) -> None:
        """Note an event at a monotonic time in seconds."""
        self._recent.append(at)
        while self._recent[0] <= at - 1.0:
            self._recent.popleft()
        self.peak = max(self.peak, len(self._recent))


class Ledger:
    """Calls by SID and by (to, from), oldest first; lookups do not depend on how many there are."""

    def __init__(self) -> None:
        self._next_serial = 0
        self._by_sid: dict[str, Call] = {}
        self._calls: list[Call] = []
        self._by_to: dict[str, list[Call]] = {}
        self._by_from: dict[str, list[Call]] = {}
        self._by_pair: dict[tuple[str, str], list[Call]] = {}
        self._recordings: dict[str, Recording] = {}
        self.creates = PeakRate()
        self.dials = PeakRate()
        self.in_flight = 0
        self.peak_in_flight = 0

    def next_serial(self) -> int:
        """A number larger than every one before."""
        self._next_serial += 1
        return self._next_serial

    def add(self, call: Call, at: float) -> None:
        """Record an accepted create at a monotonic time, or a call that came in, which is none."""
        self._by_sid[call.sid] = call
        self._calls.append(call)
        self._by_to.setdefault(call.to, []).append(call)
        self._by_from.setdefault(call.from_, []).append(call)
        self._by_pair.setdefault((call.to, call.from_), []).append(call)
        if call.direction != "inbound":
            self.creates.count(at)

    def dialed(self, at: float) -> None:
        """Count a call that leaves the queue."""
        self.dials.count(at)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def hung_up(self) -> None:
        """Count a dialed call that is over."""
        self.in_flight -= 1

    def attempts(self, to: str) -> int:
        """How many calls to this number were accepted."""
        return len(self._by_to.get(to, ()))

    def call(self, account_sid: str, sid: str) -> Call | None:
        """The call as REST sees it: of this account and not deleted."""
        call = self._by_sid.get(sid)
        return call if call and call.account_sid == account_sid and not call.deleted else None

    def add_recording(self, recording: Recording, call: Call) -> None:
        """Record a recording with its call."""
        call.recordings.append(recording)
        self._recordings[recording.sid] = recording

    def recording(self, account_sid: str, sid: str) -> Recording | None:
        """The recording as REST sees it."""
        found = self._recordings.get(sid)
        return found if found and found.account_sid == account_sid and not found.deleted else None

    def recordings(self, account_sid: str) -> list[Recording]:
        """Recordings of an account, newest first."""
        every = reversed(self._recordings.values())
        return [r for r in every if r.account_sid == account_sid and not r.deleted]

    def newest(self, to: str | None, from_: str | None, before: int | None) -> Iterator[Call]:
        """Calls to and from these numbers (None: any), newest first, with a serial below ``before``."""
        if to is not None and from_ is not None:
            calls = self._by_pair.get((to, from_), [])
        elif to is not None:
            calls = self._by_to.get(to, [])
        elif from_ is not None:
            calls = self._by_from.get(from_, [])
        else:
            calls = self._calls
        end = len(calls) if before is None else bisect_left(calls, before, key=lambda call: call.serial)
        for index in range(end - 1, -1, -1):
            yield calls[index]

    def serial_of(self, sid: str) -> int | None:
        """Where a call stands in the order, deleted or not."""
        call = self._by_sid.get(sid)
        return call.serial if call else None

    def every_call(self) -> list[Call]:
        """Every accepted create since the ledger was cleared, oldest first, deleted ones included."""
        return list(self._calls)

    def by_status(self) -> dict[str, int]:
        """How many calls have which status."""
        return dict(Counter(call.status for call in self._calls))

    def clear(self) -> int:
        """Forget all calls; those still live can be fetched until they end. Returns how many were forgotten."""
        forgotten = len(self._calls)
        self._by_sid = {call.sid: call for call in self._calls if call.status not in TERMINAL}
        self._calls, self._by_to, self._by_from, self._by_pair = [], {}, {}, {}
        self._recordings = {r.sid: r for call in self._by_sid.values() for r in call.recordings}
        self.creates, self.dials = PeakRate(), PeakRate()
        self.peak_in_flight = self.in_flight
        return forgotten
