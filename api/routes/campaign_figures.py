"""Status, stats and results."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from api.deps import AuthenticatedRoute, PageQuery, ServicesDep, actor_of, optional_key, scope
from api.operations import campaign_figures, campaign_status, keys
from api.problems import responses
from api.schemas.campaign_figures import ResultsOut, StatsOut, StatusOut
from dialer.domain.actors import Actor

router = APIRouter(prefix="/campaigns/{campaign}", tags=["campaigns"], route_class=AuthenticatedRoute)
public = APIRouter(prefix="/campaigns/{campaign}", tags=["campaigns"])
Reader = Annotated[Actor, scope("campaigns:read")]


@public.get("/status", summary="Status, for polling", responses=responses(404), dependencies=[optional_key])
async def read_status(request: Request, services: ServicesDep, campaign: str) -> StatusOut:
    """Without a key only for a campaign with `public_status`, by its id."""
    if "x-api-key" not in request.headers and "authorization" not in request.headers:
        return await campaign_status.read_public_status(services, campaign)
    actor = await actor_of(request)
    keys.require(actor, "campaigns:read")
    return await campaign_status.read_status(services, actor, campaign)


@router.get("/stats", summary="Counts by state, disposition, attempt and hour", responses=responses(404))
async def read_stats(services: ServicesDep, actor: Reader, campaign: str) -> StatsOut:
    return await campaign_figures.read_stats(services, actor, campaign)


@router.get(
    "/results",
    summary="One row per prospect",
    response_model=ResultsOut,
    responses={**responses(404), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_results(
    request: Request, services: ServicesDep, actor: Reader, campaign: str, query: Annotated[PageQuery, Query()]
) -> Any:
    """JSON, or with `Accept: text/csv` all of them as a file."""
    if "text/csv" in request.headers.get("accept", ""):
        lines = await campaign_figures.results_as_csv(services, actor, campaign)
        headers = {"Content-Disposition": 'attachment; filename="results.csv"'}
        return StreamingResponse(lines, media_type="text/csv", headers=headers)
    return await campaign_figures.read_results(services, actor, campaign, query.request())
