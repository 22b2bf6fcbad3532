"""Never twice: one carrier call per attempt, one live call per person, and no call that we do not know."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from dialer.domain.judging.cases import Case, Findings, Placed, moment
from dialer.domain.judging.evidence import CallRecord
from dialer.domain.states import CallState

Interval = tuple[datetime, datetime | None, CallRecord]

#: States in which the carrier is asked, or nobody knows yet whether it was: our row need not have its id.
_UNDECIDED = frozenset({CallState.DIALING, CallState.UNKNOWN})


def one_carrier_call_per_call(case: Case, findings: Findings) -> None:
    """A call id is dialed once, whatever crashes."""
    for call_id, records in case.records_of.items():
        if not case.judges(case.calls[call_id]):
            continue
        findings.checked += 1
        if len(records) > 1:
            others = ", ".join(record.carrier_call_id for record in records)
            findings.convict(f"{len(records)} calls at the carrier for one attempt: {others}", call=call_id)


def one_live_call_per_person(case: Case, findings: Findings) -> None:
    """Nobody is in two calls at once: by the carrier's times and by ours.

    A contact is one phone, whichever campaign calls it; a prospect is one person, whichever of their phones is called.
    """
    for key in ("contact_id", "prospect_id"):
        people: dict[UUID, list[Interval]] = defaultdict(list)
        for placed in case.placed:
            record, owner = placed.record, getattr(placed.call, key)
            if owner is not None:
                people[owner].append((record.created_by, record.ended_at, placed.call))
        _convict_overlaps(case, findings, people.values(), "at the carrier")
        rows: dict[UUID, list[Interval]] = defaultdict(list)
        for call in case.evidence.calls:
            who: UUID | None = getattr(call, key)
            if who is not None and call.claimed_at is not None:
                # A row ends by the carrier's clock, and the next one begins by ours.
                end = (call.ended_at - case.clock) if call.ended_at is not None else call.claimed_at
                rows[who].append((call.claimed_at, None if call.live else end, call))
        _convict_overlaps(case, findings, rows.values(), "in our rows")


def _convict_overlaps(case: Case, findings: Findings, people: Iterable[list[Interval]], where: str) -> None:
    for intervals in people:
        findings.checked += 1
        for earlier, later in _overlaps(intervals):
            if earlier.id != later.id and (case.judges(earlier) or case.judges(later)):
                findings.convict(
                    f"this person was in two calls at one time, {where}",
                    call=earlier.id,
                    other_call=later.id,
                    prospect=later.prospect_id,
                )


def _overlaps(intervals: list[Interval]) -> Iterator[tuple[CallRecord, CallRecord]]:
    """Each interval that begins before an earlier one is over, with that one."""
    if len(intervals) < 2:
        return
    holder: Interval | None = None
    for interval in sorted(intervals, key=lambda each: each[0]):
        start, end, call = interval
        if end is not None and end <= start:
            continue
        if holder is not None and (holder[1] is None or holder[1] > start):
            yield holder[2], call
        if holder is None or (holder[1] is not None and (end is None or end > holder[1])):
            holder = interval


def carrier_calls_known(case: Case, findings: Findings) -> None:
    """Every call from our caller numbers is an attempt of ours, and our row knows that it was made."""
    for record in case.strangers:
        findings.checked += 1
        findings.convict(
            f"the carrier has a call of {moment(record.created_at)} from our caller number that we do not know",
            carrier_call=record.carrier_call_id,
            call=record.call_id,
        )
    for placed in case.judged_placed():
        findings.checked += 1
        why = _why_unknown(case, placed)
        if why is not None and not case.is_late(placed):
            findings.convict(why, call=placed.call.id, carrier_call=placed.record.carrier_call_id)


def _why_unknown(case: Case, placed: Placed) -> str | None:
    """What our row fails to know about the carrier's call; None when it knows, or may not know yet or ever."""
    call, over_by = placed.call, placed.record.ended_by
    if call.late_at is not None:
        if call.unknown and over_by is not None and over_by + case.clock < call.late_at:
            return None  # an attempt that counts; there was nothing left to hang up when it surfaced
        return f"it surfaced at {moment(call.late_at)}, after it was given up, and was not hung up in time"
    if call.state is CallState.DEFERRED:
        return f"our row says that it was never dialed ({call.state}), and the carrier has the call"
    if call.state is CallState.CLAIMED:
        return "our row says that it was never let through, and the carrier has the call"
    if call.carrier_call_id is None and call.state not in _UNDECIDED and not call.unknown:
        return f"our row ({call.state}, {call.disposition}) does not know the carrier's call"
    return None


def not_outlived(case: Case, findings: Findings) -> None:
    """The carrier accepts no call later than a request can take after its gate."""
    longest = timedelta(seconds=case.timing.undecided_s)
    for placed in case.judged_placed():
        call, record = placed.call, placed.record
        findings.checked += 1
        if call.gated_at is None:
            continue  # the row says that it was never let through: convicted as not known
        if record.created_at > call.gated_at + longest + case.clock and not case.is_late(placed):
            findings.convict(
                f"accepted at {moment(record.created_at)}, let through at {moment(call.gated_at)}: "
                f"more than {case.timing.undecided_s:g} s later",
                call=call.id,
                carrier_call=record.carrier_call_id,
            )
