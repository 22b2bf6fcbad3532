"""Caps and pace as the carrier saw them, each against the limit that was in force."""

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from dialer.domain.judging.cases import Case, Findings, Placed
from dialer.domain.judging.evidence import CallRecord, Change, Subject

Limit = Literal["max_concurrent", "calls_per_second", "calls_per_day"]

_DAY = timedelta(hours=24)
_SECOND = timedelta(seconds=1)
#: A rate is exact at the turn; between the turn and the carrier lies a request, which may take longer or shorter.
_RATE_MARGIN = 1.1
_ROUNDING = 1e-9
#: So many calls of a burst are named.
_SHOWN = 20


class Limits:
    """One limit of one subject over time."""

    def __init__(self, case: Case, limit: Limit, subject: Subject, subject_id: UUID) -> None:
        values = ((change.at, _value(case, limit, change)) for change in case.history.of(subject, subject_id))
        known = [(at, value) for at, value in values if value is not None]
        self._times = [at for at, _ in known]
        self._values = [value for _, value in known]

    def largest(self, start: datetime, end: datetime) -> float | None:
        """The largest value in force from ``start`` to ``end``; infinite where nothing is limited.

        None when the history begins later.
        """
        first = bisect_right(self._times, start)
        if not first:
            return None
        if first == len(self._times):
            return self._values[-1]
        return max(self._values[first - 1 : bisect_right(self._times, end)])

    def largest_since(self, start: datetime, end: datetime) -> float | None:
        """The same, where ``start`` may lie before the subject existed."""
        if self._times and start < self._times[0] <= end:
            start = self._times[0]
        return self.largest(start, end)


def _value(case: Case, limit: Limit, change: Change) -> float | None:
    """What a change allows; None when it cannot be read."""
    if change.subject == "campaign":
        rules = case.rules_in(change)
        if rules is None:
            return None
        return rules.pace.max_concurrent if limit == "max_concurrent" else rules.pace.calls_per_second
    value = (change.facts or {}).get(limit)
    return float("inf") if value is None else float(value)


def scopes(call: CallRecord) -> Iterator[tuple[Subject, UUID]]:
    """Everything whose limits bear on a call."""
    if call.campaign_id is not None:
        yield "campaign", call.campaign_id
    yield "workspace", call.workspace_id
    if call.carrier_account_id is not None:
        yield "carrier_account", call.carrier_account_id
    if call.phone_number_id is not None:
        yield "phone_number", call.phone_number_id


def by_scope(case: Case) -> dict[tuple[Subject, UUID], list[Placed]]:
    """The carrier's calls under each limit, oldest first."""
    found: dict[tuple[Subject, UUID], list[Placed]] = defaultdict(list)
    for placed in case.placed:
        for scope in scopes(placed.call):
            found[scope].append(placed)
    return found


def concurrency_caps_held(case: Case, findings: Findings) -> None:
    """At the start of every call, the calls in flight at the carrier are no more than the cap."""
    for (subject, subject_id), placed in by_scope(case).items():
        caps = Limits(case, "max_concurrent", subject, subject_id)
        ends: list[datetime] = []
        open_ended = 0
        for each in placed:
            start, end = _interval(each)
            while ends and ends[0] <= start:
                heapq.heappop(ends)
            if end is None:
                open_ended += 1
            elif end > start:
                heapq.heappush(ends, end)
            else:  # over before it certainly began, by times of whole seconds; or given up before it surfaced
                findings.not_decidable += 1 if each.record.resolution_s and case.judges(each.call) else 0
                continue
            if not case.judges(each.call):
                continue
            cap = caps.largest(each.call.claimed_at or each.record.created_at, start)
            if cap is None:
                findings.not_decidable += 1
                continue
            findings.checked += 1
            if len(ends) + open_ended > cap:
                findings.convict(
                    f"{len(ends) + open_ended} calls in flight at the carrier when it began, and the "
                    f"{_spoken(subject)} allows {cap:g}",
                    call=each.call.id,
                    carrier_call=each.record.carrier_call_id,
                    **{subject: subject_id},
                )


def _interval(placed: Placed) -> tuple[datetime, datetime | None]:
    """When the call certainly was in flight.

    The slot of a call that nobody could decide was given back when it ended for us, or when it was given up.
    """
    call, record = placed.call, placed.record
    given_back = call.ended_at if (call.unknown or call.late_at is not None) else None
    if given_back is None:
        return record.created_by, record.ended_at
    return record.created_by, given_back if record.ended_at is None else min(record.ended_at, given_back)


def calls_per_second_held(case: Case, findings: Findings) -> None:
    """In any second, no more calls than rate + 10 % + 1 reach the carrier."""
    memory = timedelta(seconds=case.tolerances.pace_memory_s)
    for (subject, subject_id), placed in by_scope(case).items():
        rates = Limits(case, "calls_per_second", subject, subject_id)
        first = 0
        quiet_until: datetime | None = None
        for last, each in enumerate(placed):
            now, window = each.record.created_at, _SECOND - timedelta(seconds=each.record.resolution_s)
            while (since := placed[first].record.created_at) < now and now - since >= window:
                first += 1
            if not case.judges(each.call):
                continue
            rate = rates.largest_since(since - memory, now)
            if rate is None:
                findings.not_decidable += 1
                continue
            findings.checked += 1
            if last - first + 1 <= rate * _RATE_MARGIN + 1 + _ROUNDING:
                continue
            if quiet_until is None or now >= quiet_until:  # else it is the same burst, convicted already
                quiet_until = now + _SECOND
                _convict_burst(findings, placed[first : last + 1], subject, subject_id, rate)


def _convict_burst(
    findings: Findings, burst: Sequence[Placed], subject: Subject, subject_id: UUID, rate: float
) -> None:
    findings.convict(
        f"{len(burst)} calls reached the carrier within one second, and the {_spoken(subject)} allows {rate:g}",
        call=burst[-1].call.id,
        carrier_call=burst[-1].record.carrier_call_id,
        burst=" ".join(each.record.carrier_call_id for each in burst[:_SHOWN]),
        **{subject: subject_id},
    )


def calls_per_day_held(case: Case, findings: Findings) -> None:
    """No caller number makes more calls in 24 hours than it may."""
    numbers: dict[UUID, list[Placed]] = defaultdict(list)
    for placed in case.placed:
        if placed.call.phone_number_id is not None and placed.call.claimed_at is not None:
            numbers[placed.call.phone_number_id].append(placed)
    for number_id, placed in numbers.items():
        claims = sorted(_moments(placed, "claimed_at"))
        gates = sorted(_moments(placed, "gated_at"))
        caps = Limits(case, "calls_per_day", "phone_number", number_id)
        for each in placed:
            at = each.call.claimed_at
            assert at is not None
            if not case.judges(each.call):
                continue
            cap = caps.largest(at, at)
            if cap is None:
                findings.not_decidable += 1
                continue
            findings.checked += 1
            made = bisect_right(claims, at) - bisect_right(gates, at - _DAY)
            if made > cap:
                findings.convict(
                    f"call {made} from its number in 24 hours, and the number allows {cap:g}",
                    call=each.call.id,
                    carrier_call=each.record.carrier_call_id,
                    phone_number=number_id,
                )


def _moments(placed: Sequence[Placed], name: Literal["claimed_at", "gated_at"]) -> Iterator[datetime]:
    for each in placed:
        at = each.call.claimed_at if name == "claimed_at" else each.call.gated_at
        if at is not None:
            yield at


def _spoken(subject: Subject) -> str:
    return {"phone_number": "caller number", "carrier_account": "carrier account"}.get(subject, subject)
