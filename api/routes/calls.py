"""``/calls``."""

from typing import Annotated

from fastapi import Query, Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import calls
from api.operations.references import as_id
from api.problems import responses
from api.schemas.base import Page
from api.schemas.calls import CallFilters, CallIn, CallOut, CallPatch, CallStarted, EventsOut, HangUpOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/calls", tag="calls", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("calls:read")]
Writer = Annotated[Actor, scope("calls:write")]


class CallQuery(PageQuery, CallFilters):
    pass


@router.get("", summary="List calls")
async def list_calls(services: ServicesDep, actor: Reader, query: Annotated[CallQuery, Query()]) -> Page[CallOut]:
    return await calls.list_calls(services, actor, query, query.request())


@router.post("", status_code=202, summary="Make one call now", openapi_extra=IDEMPOTENT, responses=responses(409, 503))
async def start_call(services: ServicesDep, actor: Writer, given: CallIn, response: Response) -> CallStarted:
    """Passes the same gates as a campaign's call; 409 with the gates when one is closed."""
    started = await calls.start_call(services, actor, given)
    response.headers["Location"] = f"/api/v1/calls/{started.call_id}"
    return started


@router.get("/live", summary="Calls in flight now")
async def list_live_calls(services: ServicesDep, actor: Reader, query: Annotated[CallQuery, Query()]) -> Page[CallOut]:
    return await calls.list_calls(services, actor, query, query.request(), in_flight=True)


@router.get("/{call_id}", summary="Read a call", responses=responses(404))
async def read_call(services: ServicesDep, actor: Reader, call_id: str) -> CallOut:
    return await calls.read_call(services, actor, as_id(call_id, "call"))


@router.patch("/{call_id}", summary="Write notes at a call", responses=responses(404))
async def annotate_call(services: ServicesDep, actor: Writer, call_id: str, given: CallPatch) -> CallOut:
    return await calls.annotate_call(services, actor, as_id(call_id, "call"), given)


@router.delete(
    "/{call_id}",
    status_code=204,
    summary="Forget what is personal of a call; ids and times stay",
    responses=responses(404, 409),
)
async def redact_call(services: ServicesDep, actor: Writer, call_id: str) -> None:
    await calls.redact_call(services, actor, as_id(call_id, "call"))


@router.get("/{call_id}/events", summary="What the carrier reported", responses=responses(404))
async def list_events(services: ServicesDep, actor: Reader, call_id: str) -> EventsOut:
    return await calls.list_events(services, actor, as_id(call_id, "call"))


@router.post("/{call_id}/hang-up", summary="End a call", openapi_extra=IDEMPOTENT, responses=responses(404))
async def hang_up(services: ServicesDep, actor: Writer, call_id: str) -> HangUpOut:
    """A call that is over already stays as it is."""
    return await calls.hang_up(services, actor, as_id(call_id, "call"))
