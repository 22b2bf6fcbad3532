"""Our rows and the carrier's records tell the same story, and a row is live as long as its call is."""

from datetime import datetime, timedelta

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.carrier_events import TERMINAL, CarrierStatus
from dialer.domain.dispositions import RULES, Disposition
from dialer.domain.judging.cases import Case, Findings, Placed, moment
from dialer.domain.judging.evidence import CallRecord, CarrierRecord
from dialer.domain.states import CallState

_D = Disposition
_ANSWERED = frozenset(disposition for disposition, rule in RULES.items() if rule.group == "answered")
_NETWORK = frozenset(disposition for disposition, rule in RULES.items() if rule.group == "network") - {_D.UNKNOWN}
#: A SIP code or an error code says more than the carrier's word for the end.
_BY_CODE = frozenset({_D.REJECTED, _D.CALLER_ID_BLOCKED})
_POSSIBLE = {
    CarrierStatus.COMPLETED: _ANSWERED | {_D.PROVIDER_ERROR},
    CarrierStatus.BUSY: _BY_CODE | {_D.BUSY},
    CarrierStatus.NO_ANSWER: _BY_CODE | {_D.NO_ANSWER},
    CarrierStatus.CANCELED: frozenset({_D.CANCELED}),
    CarrierStatus.FAILED: (_NETWORK | {_D.INVALID_NUMBER}) - {_D.CANCELED},
}
_BY_ERROR_CODE = (_NETWORK | {_D.INVALID_NUMBER}) - {_D.CANCELED}


def no_leaked_slots(case: Case, findings: Findings) -> None:
    """A row that is live has a live call, or is young enough to be looked after; and no call outlives its row."""
    for call in case.judged_calls():
        if call.live:
            findings.checked += 1
            why = _why_leaked(case, call)
            if why is not None:
                findings.convict(why, call=call.id, campaign=call.campaign_id, prospect=call.prospect_id)
    for placed in case.judged_placed():
        call, record = placed.call, placed.record
        findings.checked += 1
        if call.live or call.unknown or call.ended_at is None:
            continue
        longest = timedelta(seconds=case.tolerances.end_s) + case.clock
        outlived = record.ended_at is None or record.ended_at > call.ended_at + longest
        if outlived and not case.is_late(placed):
            findings.convict(
                f"over for us since {moment(call.ended_at)}, and at the carrier "
                + ("it goes on" if record.ended_at is None else f"only since {moment(record.ended_at)}"),
                call=call.id,
                carrier_call=record.carrier_call_id,
            )


def _why_leaked(case: Case, call: CallRecord) -> str | None:
    """Why a live row should be live no longer; None when it is in time."""
    timing, slack = case.timing, timedelta(seconds=case.tolerances.slack_s)
    record = case.record_of(call)
    if call.state is CallState.CLAIMED:
        return _overdue(case, call.claimed_at, timing.claim_expiry_s, "claimed")
    if call.state is CallState.DIALING:
        return _overdue(case, call.gated_at, timing.undecided_s + timing.grace_s, "undecided")
    if call.state is CallState.UNKNOWN:
        return _overdue(case, call.gated_at, timing.undecided_s + timing.grace_s, "looked for at the carrier")
    limit = _limit(case, call)
    if limit is None:
        return f"holds a slot as {call.state} since nobody knows when"
    if record is not None and record.ended_at is not None:
        if case.now > max(limit, record.ended_at) + slack:
            return f"holds a slot as {call.state}, and at the carrier it is over since {moment(record.ended_at)}"
        return None
    if case.evidence.carrier is not None:
        return None if record is not None else _without_record(case, call, limit)
    if case.now > limit + slack:
        return f"holds a slot as {call.state} past its deadline {moment(limit)}"
    return None


def _without_record(case: Case, call: CallRecord, limit: datetime) -> str | None:
    slack = timedelta(seconds=case.tolerances.slack_s)
    if case.now > limit + slack:
        return f"holds a slot as {call.state}, and the carrier has no such call"
    return None


def _limit(case: Case, call: CallRecord) -> datetime | None:
    """When somebody looks after the call at the latest: its deadline, and never later than ring and talk may last."""
    rules, timing = case.rules_of(call) or CampaignRules(), case.timing
    longest = timing.ring_after_s + rules.ring_timeout_s + rules.max_call_s + 3 * timing.deadline_margin_s
    began = call.gated_at or call.claimed_at
    limits = [call.deadline_at, began + timedelta(seconds=longest) if began is not None else None]
    return min((limit for limit in limits if limit is not None), default=None)


def _overdue(case: Case, since: datetime | None, seconds: float, what: str) -> str | None:
    if since is None:
        return f"holds a slot, {what} since nobody knows when"
    longest = timedelta(seconds=seconds + case.tolerances.slack_s)
    if case.now <= since + longest:
        return None
    return f"holds a slot, {what} since {moment(since)}: longer than {longest.total_seconds():g} s"


def rows_agree_with_carrier(case: Case, findings: Findings) -> None:
    """Same call, same phones, same end. What ended as unknown is excepted, and counted."""
    for placed in case.judged_placed():
        findings.checked += 1
        why = _why_not_same(case, placed)
        if why is not None and not case.is_late(placed):
            findings.convict(why, call=placed.call.id, carrier_call=placed.record.carrier_call_id)
    begins = min((record.created_at for record in case.evidence.carrier or ()), default=case.now)
    known = {record.carrier_call_id for record in case.evidence.carrier or ()}
    for call in case.judged_calls():
        if call.carrier_call_id is None or call.carrier_call_id in known:
            continue
        if call.gated_at is None or call.gated_at < begins:
            findings.not_decidable += 1  # older than the carrier's log
            continue
        findings.checked += 1
        findings.convict(
            f"our row ({call.state}) names a carrier call that the carrier does not have",
            call=call.id,
            carrier_call=call.carrier_call_id,
        )


def _why_not_same(case: Case, placed: Placed) -> str | None:
    call, record = placed.call, placed.record
    if call.carrier_call_id is not None and call.carrier_call_id != record.carrier_call_id:
        return f"our row names another carrier call, {call.carrier_call_id}"
    if call.to_phone is not None and call.to_phone != record.to:
        return "the carrier dialed another phone than our row names"
    if call.from_phone is not None and call.from_phone != record.from_:
        return "the carrier dialed from another number than our row names"
    account = case.account_sids.get(call.carrier_account_id) if call.carrier_account_id is not None else None
    if account is not None and account != record.account_sid:
        return "the carrier dialed over another account than our row names"
    if call.state is not CallState.ENDED or call.disposition is None or call.unknown:
        return None
    if record.status not in TERMINAL:
        return None  # a call that goes on without its row is a rule of its own
    if call.disposition not in _possible(call, record):
        return f"recorded as {call.disposition}, and the carrier says {record.status}"
    if record.status is not CarrierStatus.COMPLETED and call.answered_at is not None:
        return f"recorded as answered at {moment(call.answered_at)}, and the carrier says {record.status}"
    return None


def _possible(call: CallRecord, record: CarrierRecord) -> frozenset[Disposition]:
    """Every disposition that the carrier's status can have become."""
    possible = _POSSIBLE[record.status]
    if call.cancel_reason is not None:
        possible |= {_D.CANCELED}
    if call.error_code is not None and record.status in (CarrierStatus.BUSY, CarrierStatus.NO_ANSWER):
        possible |= _BY_ERROR_CODE
    return possible
