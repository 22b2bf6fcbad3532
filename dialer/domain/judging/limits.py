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
_SECOND = 1.0
#: A rate is exact at the turn; between the turn and the carrier lies a request, which may take longer or shorter.
_RATE_MARGIN = 1.1
#: So many calls of a burst are named.
_SHOWN = 20


class NotCovered(Exception):
    """The history does not say what was in force."""


def largest(case: Case, limit: Limit, subject: Subject, subject_id: UUID, start: datetime, end: datetime) -> float:
    """The largest value from ``start`` to ``end``; infinite where nothing is limited. Raises NotCovered."""
    changes = case.history.during(subject, subject_id, start, end)
    if not changes:
        raise NotCovered
    return max(_value(case, limit, change) for change in changes)


def _value(case: Case, limit: Limit, change: Change) -> float:
    if change.subject == "campaign":
        rules = case.rules_in(change)
        if rules is None:
            raise NotCovered
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
            else:
                continue
            if case.judges(each.call):
                _check_cap(case, findings, (subject, subject_id), each, len(ends) + open_ended)


def _interval(placed: Placed) -> tuple[datetime, datetime | None]:
    """When the call certainly was in flight.

    The slot of a call that nobody could decide was given back when it ended for us, or when it was given up.
    """
    call, record = placed.call, placed.record
    given_back = call.ended_at if (call.unknown or call.late_at is not None) else None
    if given_back is None:
        return record.created_by, record.ended_at
    return record.created_by, given_back if record.ended_at is None else min(record.ended_at, given_back)


def _check_cap(case: Case, findings: Findings, scope: tuple[Subject, UUID], placed: Placed, in_flight: int) -> None:
    subject, subject_id = scope
    call, record = placed.call, placed.record
    try:
        cap = largest(
            case, "max_concurrent", subject, subject_id, call.claimed_at or record.created_at, record.created_by
        )
    except NotCovered:
        findings.not_decidable += 1
        return
    findings.checked += 1
    if in_flight > cap:
        findings.convict(
            f"{in_flight} calls in flight at the carrier when it began, and the {_spoken(subject)} allows {cap:g}",
            call=call.id,
            carrier_call=record.carrier_call_id,
            **{subject: subject_id},
        )


def calls_per_second_held(case: Case, findings: Findings) -> None:
    """In any second, no more calls than rate + 10 % + 1 reach the carrier."""
    for (subject, subject_id), placed in by_scope(case).items():
        starts = [each.record.created_at for each in placed]
        first = 0
        quiet_until: datetime | None = None
        for last, each in enumerate(placed):
            window = timedelta(seconds=max(_SECOND - each.record.resolution_s, 0.0))
            while starts[first] < starts[last] and starts[last] - starts[first] >= window:
                first += 1
            if not case.judges(each.call):
                continue
            limit = _most_in_a_second(case, findings, (subject, subject_id), starts[first], starts[last])
            if limit is None or last - first + 1 <= limit:
                continue
            if quiet_until is not None and starts[last] < quiet_until:
                continue  # the same burst, convicted already
            quiet_until = starts[last] + timedelta(seconds=_SECOND)
            findings.convict(
                f"{last - first + 1} calls reached the carrier within one second, and the {_spoken(subject)} "
                f"allows {limit:g}",
                call=each.call.id,
                carrier_call=each.record.carrier_call_id,
                burst=" ".join(one.record.carrier_call_id for one in placed[first : last + 1][:_SHOWN]),
                **{subject: subject_id},
            )


def _most_in_a_second(
    case: Case, findings: Findings, scope: tuple[Subject, UUID], start: datetime, end: datetime
) -> float | None:
    known = case.history.of(*scope)
    since = start - timedelta(seconds=case.tolerances.pace_memory_s)
    try:
        since = max(since, known[0].at) if known and known[0].at <= start else since
        rate = largest(case, "calls_per_second", scope[0], scope[1], since, end)
    except NotCovered:
        findings.not_decidable += 1
        return None
    findings.checked += 1
    return rate * _RATE_MARGIN + 1 + 1e-9


def calls_per_day_held(case: Case, findings: Findings) -> None:
    """No caller number makes more calls in 24 hours than it may."""
    numbers: dict[UUID, list[Placed]] = defaultdict(list)
    for placed in case.placed:
        if placed.call.phone_number_id is not None and placed.call.claimed_at is not None:
            numbers[placed.call.phone_number_id].append(placed)
    for number_id, placed in numbers.items():
        claims = sorted(_moments(placed, "claimed_at"))
        gates = sorted(_moments(placed, "gated_at"))
        for each in placed:
            at = each.call.claimed_at
            assert at is not None
            if not case.judges(each.call):
                continue
            try:
                cap = largest(case, "calls_per_day", "phone_number", number_id, at, at)
            except NotCovered:
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
