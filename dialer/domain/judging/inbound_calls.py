"""People who ring back: every such call is known, and nobody is called while it lasts or after they have talked.

Such a call is no attempt, so that no other rule looks at it.
"""

from collections import defaultdict
from uuid import UUID

from dialer.domain.judging.cases import Case, Findings, moment
from dialer.domain.judging.evidence import CallRecord
from dialer.domain.states import ProspectState


def inbound_calls_known(case: Case, findings: Findings) -> None:
    """Every call that the carrier connected to a number of ours is a row, as one that came in.

    From the first on that we know: before, the number may not have led here. One that nobody picked up has none
    perhaps, since we may not have been there to be told.
    """
    rows = {call.carrier_call_id: call for call in case.inbound}
    attempts = {call.carrier_call_id: call for call in case.evidence.calls if call.carrier_call_id is not None}
    ours = {(number.account_sid, number.phone) for number in case.evidence.numbers}
    first = min((call.ringing_at for call in case.inbound if call.ringing_at is not None), default=None)
    for record in case.inbound_records:
        findings.checked += 1
        attempt = attempts.get(record.carrier_call_id)
        if attempt is not None:
            findings.convict(
                "our row says that we made this call, and the carrier that it came in",
                call=attempt.id,
                carrier_call=record.carrier_call_id,
            )
        known = record.carrier_call_id in rows or attempt is not None
        expected = first is not None and first <= record.created_at and record.created_by + case.clock <= case.now
        if not known and expected and record.answered_at is not None and (record.account_sid, record.to) in ours:
            findings.convict(
                f"the carrier connected a call of {moment(record.created_at)} to our number that we do not know",
                carrier_call=record.carrier_call_id,
            )
    for record in case.evidence.carrier or ():
        row = rows.get(record.carrier_call_id)
        if row is not None:
            findings.convict(
                "our row says that this call came in, and the carrier that we made it",
                call=row.id,
                carrier_call=record.carrier_call_id,
            )


def ringing_back_respected(case: Case, findings: Findings) -> None:
    """No call is let through to somebody who is in a call with us that they made, nor after it cancelled their redial.

    A gate and a ringing exclude each other by the phone's lock, so that their times are in order. What was requeued
    later, or asked for, is called.
    """
    of_contact: dict[UUID, list[CallRecord]] = defaultdict(list)
    for call in case.evidence.calls:
        if call.contact_id is not None and call.gated_at is not None:
            of_contact[call.contact_id].append(call)
    for inbound in case.inbound:
        if not case.judges(inbound) or inbound.ringing_at is None:
            continue
        findings.checked += 1
        over = inbound.ended_at
        for call in of_contact[inbound.contact_id] if inbound.contact_id is not None else ():
            assert call.gated_at is not None
            if call.gated_at > inbound.ringing_at and (over is None or call.gated_at < over - case.clock):
                findings.convict("called while they were in a call with us", call=call.id, other_call=inbound.id)
        if inbound.next_state is ProspectState.REACHED and inbound.prospect_id is not None and over is not None:
            for call in case.calls_of_prospect.get(inbound.prospect_id, ()):
                if call.gated_at is not None and call.gated_at > over + case.clock and not _anew(case, call, inbound):
                    findings.convict(
                        "called again after they rang back and talked",
                        call=call.id,
                        other_call=inbound.id,
                        prospect=inbound.prospect_id,
                    )


def _anew(case: Case, call: CallRecord, inbound: CallRecord) -> bool:
    """True when somebody asked for the call: the person, or whoever requeued them after that."""
    if call.callback_id is not None:
        return True
    requeue = case.requeues.get(call.requeue_id) if call.requeue_id is not None else None
    assert inbound.ringing_at is not None
    return requeue is not None and requeue.created_at > inbound.ringing_at
