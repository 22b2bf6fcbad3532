"""Never lost: every person is called again or done, and no sooner than the policy says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.dispositions import Disposition, refusal_pauses_campaign
from dialer.domain.judging.allowances import too_soon
from dialer.domain.judging.cases import Case, Findings, moment
from dialer.domain.judging.evidence import CallRecord, CampaignRecord, ProspectRecord
from dialer.domain.redial import EndedCall, NextStep, next_step
from dialer.domain.states import FINAL_PROSPECT_STATES, CallState, CampaignStatus, ProspectState

_OVER = (CampaignStatus.COMPLETED, CampaignStatus.STOPPED)


def prospects_not_lost(case: Case, findings: Findings) -> None:
    """Everybody is done, held, due at a known time, or in a call; and a campaign that is over left nobody behind."""
    for prospect in case.evidence.prospects:
        findings.checked += 1
        why = _why_lost(case, prospect)
        if why is not None:
            findings.convict(why, prospect=prospect.id, campaign=prospect.campaign_id)


def _why_lost(case: Case, prospect: ProspectRecord) -> str | None:
    state = prospect.state
    if state in FINAL_PROSPECT_STATES or state is ProspectState.HELD:
        return None
    if state is ProspectState.READY and prospect.next_due_at is None:
        return "ready, and due at no time: nobody will ever call"
    mine = case.calls_of_prospect.get(prospect.id, [])
    if state is ProspectState.IN_CALL and not any(call.live or _awaits_detection(case, call) for call in mine):
        return "in a call, and there is none"
    campaign = case.campaigns.get(prospect.campaign_id)
    if campaign is None or campaign.status not in _OVER:
        return None
    return _left_behind(case, prospect, campaign, mine)


def _awaits_detection(case: Case, call: CallRecord) -> bool:
    """True while the answering-machine result of a call that is over may still come, or its absence be noticed."""
    return call.amd_due_at is not None and case.now <= call.amd_due_at + timedelta(seconds=case.tolerances.slack_s)


def _left_behind(
    case: Case, prospect: ProspectRecord, campaign: CampaignRecord, mine: Sequence[CallRecord]
) -> str | None:
    """Why somebody is open in a campaign that is over; None for whoever joined a completed one or was just left."""
    if prospect.state is ProspectState.IN_CALL:
        # A stopped campaign's calls may end by themselves; completion waits for them.
        return "in a call of a completed campaign" if campaign.status is CampaignStatus.COMPLETED else None
    over_at = campaign.completed_at
    if over_at is None:
        return f"ready in a campaign that is {campaign.status} since nobody knows when"
    if campaign.status is CampaignStatus.STOPPED:
        patience = timedelta(seconds=case.tolerances.slack_s)
        return "still ready in a stopped campaign" if case.now > over_at + patience else None
    called_since = any(call.ended_at is not None and call.ended_at > over_at for call in mine)
    return "still ready in a completed campaign" if prospect.updated_at <= over_at or called_since else None


def redial_delays_respected(case: Case, findings: Findings) -> None:
    """Nobody is called again before the delay that follows from how the call before ended, or when none follows.

    A fresh allowance begins anew, not before its time; a call that the person asked for is made at theirs.
    """
    for prospect in case.evidence.prospects:
        ended: list[CallRecord] = []
        for call in case.calls_of_prospect.get(prospect.id, ()):
            if ended and ended[-1].requeue_id != call.requeue_id:
                ended = []
            if call.gated_at is not None and (why := too_soon(case, call)):
                findings.convict(why, call=call.id, prospect=call.prospect_id, campaign=call.campaign_id)
            if call.gated_at is not None and ended and call.callback_id is None:
                _check_redial(case, findings, call, ended)
            if call.state is CallState.ENDED:
                ended.append(call)


def _check_redial(case: Case, findings: Findings, call: CallRecord, ended: Sequence[CallRecord]) -> None:
    previous = ended[-1]
    ids = {"call": call.id, "previous_call": previous.id, "prospect": call.prospect_id}
    if previous.next_due_at is not None and call.claimed_at is not None and call.claimed_at < previous.next_due_at:
        findings.convict(
            f"claimed at {moment(call.claimed_at)}, and the call before says not before {moment(previous.next_due_at)}",
            **ids,
        )
    steps = _possible_steps(case, call, ended)
    if not steps:
        findings.not_decidable += 1
        return
    findings.checked += 1
    moved = call.to_phone != previous.to_phone and any(step.state is ProspectState.INVALID for step in steps)
    delays = [step.delay or timedelta(0) for step in steps if step.state is ProspectState.READY]
    if not delays and not moved:
        findings.convict(f"called again, although nothing follows: {steps[0].reason}", **ids)
    elif delays and (dialed := _dialed_by(case, call)) < (over := _over_at(case, previous)) + min(delays):
        findings.convict(
            f"dialed {(dialed - over).total_seconds():.3f} s after the call before, which asks for "
            f"{min(delays).total_seconds():g} s ({steps[0].reason})",
            **ids,
        )


def _possible_steps(case: Case, call: CallRecord, ended: Sequence[CallRecord]) -> list[NextStep]:
    """What followed from the previous call, by each set of rules that may have been in force when it was decided."""
    previous, earlier = ended[-1], ended[:-1]
    if _account_refused(previous):
        return [NextStep(state=ProspectState.READY, delay=None, reason="the carrier refused the account")]
    assert previous.disposition is not None
    made = sum(1 for each in ended if each.counted)
    requeue = case.requeues.get(call.requeue_id) if call.requeue_id is not None else None
    allowance = requeue.attempts if requeue is not None else None
    return [
        next_step(
            replace(rules.redial, max_attempts=allowance or rules.redial.max_attempts),
            EndedCall(disposition=previous.disposition, outcome=previous.outcome),
            [
                EndedCall(disposition=each.disposition, outcome=each.outcome)
                for each in earlier
                if each.disposition is not None and not refusal_pauses_campaign(each.error_code)
            ],
            made,
            suppressed=False,
        )
        for rules in _rules_between(case, previous, call)
    ]


def _rules_between(case: Case, previous: CallRecord, call: CallRecord) -> list[CampaignRules]:
    assert call.campaign_id is not None
    start, end = previous.ended_at, call.claimed_at
    changes = case.history.during("campaign", call.campaign_id, start, max(start, end)) if start and end else ()
    found = [case.rules_in(change) for change in changes]
    if not found and call.settings_version == previous.settings_version:
        found = [case.rules_of(call)]
    return [rules for rules in found if rules is not None]


def _account_refused(call: CallRecord) -> bool:
    """True when the carrier refused the account or our settings: nothing follows for the person."""
    if call.carrier_call_id is not None or call.disposition is not Disposition.PROVIDER_ERROR:
        return False
    # Without a code: refused by its HTTP status alone.
    return call.error_code is None or refusal_pauses_campaign(call.error_code)


def _dialed_by(case: Case, call: CallRecord) -> datetime:
    """When it was dialed, at the latest."""
    record = case.record_of(call)
    assert call.gated_at is not None
    return call.gated_at if record is None else record.created_by + case.clock


def _over_at(case: Case, call: CallRecord) -> datetime:
    """When it was over: by the carrier if it says so, else by our row."""
    record = case.record_of(call)
    at = record.ended_at if record is not None and record.ended_at is not None and not call.unknown else call.ended_at
    assert at is not None
    return at
