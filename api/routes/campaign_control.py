"""Launch, pause, resume and stop."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, ServicesDep, scope
from api.operations import campaign_control, prospect_variables, requeues
from api.problems import responses
from api.schemas.campaigns import ControlOut, Launched, LiveCalls
from api.schemas.prospect_variables import LaunchIn, VariablesOut
from api.schemas.requeues import RequeueIn, RequeueOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/campaigns/{campaign}", tag="campaigns", route_class=AuthenticatedRoute)
Writer = Annotated[Actor, scope("campaigns:write")]
Reader = Annotated[Actor, scope("campaigns:read")]
UNDECIDED = {
    **responses(404, 409),
    202: {"model": ControlOut, "description": "Some calls have no answer from the carrier yet: `undecided` of them"},
}


@router.post("/launch", status_code=202, summary="Launch", openapi_extra=IDEMPOTENT, responses=responses(404, 409))
async def launch_campaign(
    services: ServicesDep, actor: Writer, campaign: str, given: LaunchIn | None = None
) -> Launched:
    """A future ``start_at`` gives ``scheduled``; launching that again starts it now. 422 says why it cannot work,
    with ``missing_variables`` when the agent's text names what some people lack."""
    ignored = given is not None and given.ignore_missing_variables
    return await campaign_control.launch_campaign(services, actor, campaign, ignore_missing_variables=ignored)


@router.get("/variables", summary="What the agent says about people, and who lacks it", responses=responses(404))
async def read_variables(
    services: ServicesDep, actor: Reader, campaign: str, import_id: UUID | None = None
) -> VariablesOut:
    """Ready people of the campaign, or of one import; also while it runs. What is missing is left out when spoken."""
    return await prospect_variables.read_variables(services, actor, campaign, import_id=import_id)


@router.post("/pause", summary="Pause", openapi_extra=IDEMPOTENT, responses=UNDECIDED)
async def pause_campaign(
    services: ServicesDep, actor: Writer, campaign: str, response: Response, given: LiveCalls | None = None
) -> ControlOut:
    """When the answer is 200, no new call begins; 409 when a resume came in between."""
    return _answer(response, await campaign_control.pause_campaign(services, actor, campaign, given or LiveCalls()))


@router.post("/resume", summary="Resume", openapi_extra=IDEMPOTENT, responses=responses(404, 409))
async def resume_campaign(services: ServicesDep, actor: Writer, campaign: str) -> ControlOut:
    return await campaign_control.resume_campaign(services, actor, campaign)


@router.post("/stop", summary="Stop for good", openapi_extra=IDEMPOTENT, responses=UNDECIDED)
async def stop_campaign(
    services: ServicesDep, actor: Writer, campaign: str, response: Response, given: LiveCalls | None = None
) -> ControlOut:
    """When the answer is 200, no new call begins, ever."""
    return _answer(response, await campaign_control.stop_campaign(services, actor, campaign, given or LiveCalls()))


@router.post("/requeue", summary="Call the unreached again", openapi_extra=IDEMPOTENT, responses=responses(404, 409))
async def requeue_campaign(
    services: ServicesDep, actor: Writer, campaign: str, given: RequeueIn | None = None
) -> RequeueOut:
    """People who were not reached are ready again with a fresh allowance of attempts; ``dry_run`` counts them."""
    return await requeues.requeue_campaign(services, actor, campaign, given or RequeueIn())


def _answer(response: Response, control: ControlOut) -> ControlOut:
    if control.undecided:
        response.status_code = 202
    return control
