"""``/campaigns/{campaign}/schedule``."""

from typing import Annotated

from api.deps import AuthenticatedRoute, ServicesDep, scope
from api.operations import schedules
from api.problems import responses
from api.schemas.recurrence import ScheduleOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/campaigns/{campaign}", tag="campaigns", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("campaigns:read")]


@router.get("/schedule", summary="Coming runs, and what became of the past ones", responses=responses(404))
async def read_schedule(services: ServicesDep, actor: Reader, campaign: str) -> ScheduleOut:
    """``coming`` is by the campaign's clock and in UTC; ``runs`` are the newest first, with why one did not start."""
    return await schedules.read_schedule(services, actor, campaign)
