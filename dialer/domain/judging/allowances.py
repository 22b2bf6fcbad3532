"""No more often than the policy says: attempts are counted within the allowance under which each was claimed.

An allowance begins when somebody joins, and anew with each requeue, of which there is a record; a call that somebody
asked for has a record of its own and is allowed once, beside them.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from dialer.domain.judging.cases import Case, Findings, moment
from dialer.domain.judging.evidence import CallRecord, ProspectRecord
from dialer.domain.states import CallState


def attempts_within_policy(case: Case, findings: Findings) -> None:
    """As many attempts as the carrier may have accepted, each below the limit that it was claimed under."""
    people_of: dict[UUID, set[UUID]] = defaultdict(set)
    for prospect in case.evidence.prospects:
        findings.checked += 1
        mine = case.calls_of_prospect.get(prospect.id, [])
        ids = {"prospect": prospect.id, "campaign": prospect.campaign_id}
        counted = sum(1 for call in mine if call.counted)
        if counted != prospect.attempts:
            findings.convict(f"{counted} attempts were made and {prospect.attempts} are counted", **ids)
        elif why := _wrong_base(case, prospect, mine):
            findings.convict(why, **ids)
        _check_attempts(case, findings, mine)
        for requeue_id in {call.requeue_id for call in mine} | {prospect.requeue_id}:
            if requeue_id is not None:
                people_of[requeue_id].add(prospect.id)
    for requeue in case.evidence.requeues:
        found = len(people_of[requeue.id])
        if found > requeue.requeued:
            findings.convict(
                f"{requeue.requeued} people were requeued, and {found} are called by it",
                requeue=requeue.id,
                campaign=requeue.campaign_id,
            )


def _wrong_base(case: Case, prospect: ProspectRecord, mine: Sequence[CallRecord]) -> str | None:
    """Why the allowance that the prospect's row tells is not the one that was given."""
    requeue = case.requeues.get(prospect.requeue_id) if prospect.requeue_id is not None else None
    if requeue is None or requeue.campaign_id != prospect.campaign_id:
        given = prospect.requeue_id is not None or prospect.attempts_base or prospect.allowance is not None
        return "a fresh allowance that no requeue gave" if given else None
    if prospect.allowance != requeue.attempts:
        return f"an allowance of {prospect.allowance}, and the requeue gave {requeue.attempts}"
    before = sum(1 for call in mine if call.counted and call.requeue_id != requeue.id)
    if before != prospect.attempts_base:
        return f"the allowance is said to begin after {prospect.attempts_base} attempts, and {before} were made before"
    return None


def _check_attempts(case: Case, findings: Findings, mine: Sequence[CallRecord]) -> None:
    made: Counter[UUID | None] = Counter()
    answered: set[UUID] = set()
    for call in mine:
        if call.gated_at is not None and call.state is not CallState.DEFERRED:
            why = _not_allowed(case, call, made[call.requeue_id], answered)
            if why is None:
                findings.not_decidable += 1
            elif why:
                findings.convict(why, call=call.id, prospect=call.prospect_id, campaign=call.campaign_id)
        made[call.requeue_id] += 1 if call.counted else 0
        if call.counted and call.callback_id is not None:
            answered.add(call.callback_id)


def _not_allowed(case: Case, call: CallRecord, made: int, answered: set[UUID]) -> str | None:
    """Why the call may not be made after ``made`` attempts of its allowance; empty when it may, None if unknowable."""
    if call.requeue_id is not None:
        requeue = case.requeues.get(call.requeue_id)
        if requeue is None or requeue.campaign_id != call.campaign_id:
            return "claimed under a requeue that there was not"
        if call.claimed_at is not None and call.claimed_at < requeue.created_at:
            return f"claimed under a requeue of {moment(requeue.created_at)}, before it"
        most = requeue.attempts
    else:
        most = None
    if call.callback_id is not None:
        asked = case.callbacks.get(call.callback_id)
        if asked is None or asked.prospect_id != call.prospect_id:
            return "nobody asked for this call"
        return "asked for once, and called twice" if asked.id in answered else ""
    rules = case.rules_of(call)
    if most is None and rules is None:
        return None
    most = most or (rules.redial.max_attempts if rules is not None else 0)
    return f"attempt {made + 1} of {most}" if made >= most else ""


def too_soon(case: Case, call: CallRecord) -> str | None:
    """Why the call was claimed before the time that its requeue or the person set; None when it was not."""
    requeue = case.requeues.get(call.requeue_id) if call.requeue_id is not None else None
    asked = case.callbacks.get(call.callback_id) if call.callback_id is not None else None
    for due, who in (
        (requeue.not_before if requeue is not None else None, "its requeue says"),
        (asked.due_at if asked is not None else None, "the person asked for"),
    ):
        if due is not None and call.claimed_at is not None and call.claimed_at < due:
            return f"claimed at {moment(call.claimed_at)}, and {who} not before {moment(due)}"
    return None
