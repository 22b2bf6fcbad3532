"""What was said on a call, as people or the agent's runtime tell it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.errors import Conflict, invalid
from api.operations.requeues import callback_problems, checked_time
from api.operations.services import Services
from dialer.domain.actors import Actor
from dialer.domain.dispositions import Outcome
from dialer.store import outcomes
from dialer.store.outcomes import CalledSince, NobodysCall, NotAnswered, Noted


async def note_outcome(
    services: Services,
    session: AsyncSession,
    actor: Actor,
    call_id: UUID,
    outcome: Outcome,
    callback_at: datetime | None,
) -> Noted:
    """Raises Conflict, and Invalid for the time."""
    at = None if callback_at is None else checked_time(services, "callback_at", callback_at)
    try:
        with callback_problems("callback_at"):
            return await outcomes.note_outcome(
                session, call_id, outcome, services.settings.timing, callback_at=at, created_by=actor.principal
            )
    except NotAnswered:
        raise Conflict("Nobody has answered this call.", code="not_answered") from None
    except CalledSince:
        raise Conflict("The person was called again since; write the outcome there.", code="called_since") from None
    except NobodysCall:
        raise invalid("callback_at", "no_prospect", "This call is no attempt to reach somebody in a campaign") from None
    except LookupError:
        raise Conflict("The campaign of this call is deleted.", code="campaign_deleted") from None
