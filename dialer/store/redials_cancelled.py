"""What a call that came in makes of the redial that was to come: nobody who has rung back and talked is called again.

Somebody whom we are calling at that moment stays in that call; ``rang_back_at`` says what its end is to make of them.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.inbound import RANG_BACK, redial_is_off
from dialer.store.database import one

#: SQL, of a row of ``prospects`` whose attempt is over: they have rung back, and asked for no call at a time.
HAS_RUNG_BACK = "(rang_back_at IS NOT NULL AND callback_id IS NULL)"


async def cancel_redial(session: AsyncSession, call_id: UUID) -> bool:
    """After the end of a call that came in, or its outcome: cancel the redial, if there is one to cancel.

    A call that they asked for at a time is kept. True when nobody calls them again for that; again: the same.
    """
    sql = """SELECT c.prospect_id, c.disposition, c.outcome, m.settings
             FROM calls c LEFT JOIN campaigns m ON m.id = c.campaign_id
             WHERE c.id = :id AND c.state = 'ended' AND c.prospect_id IS NOT NULL"""
    call = await one(session, sql, {"id": call_id})
    if call is None:
        return False
    rules = rules_from_json(call.settings) if call.settings is not None else CampaignRules()
    outcome = None if call.outcome is None else Outcome(call.outcome)
    if not redial_is_off(rules.inbound, Disposition(call.disposition), outcome):
        return False
    sql = """
        UPDATE prospects SET
            state = CASE WHEN state = 'in_call' THEN state ELSE 'reached' END,
            next_due_at = CASE WHEN state = 'in_call' THEN next_due_at END,
            held_reason = NULL,
            rang_back_at = CASE WHEN state = 'in_call' THEN dialer_now() END
        WHERE id = :prospect AND state IN ('ready', 'held', 'in_call') AND callback_id IS NULL RETURNING id"""
    if await one(session, sql, {"prospect": call.prospect_id}) is None:
        return False
    sql = "UPDATE calls SET next_state = 'reached', next_reason = :why WHERE id = :id"
    await session.execute(text(sql), {"id": call_id, "why": RANG_BACK})
    return True
