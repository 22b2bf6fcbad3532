"""Status, stats and results."""

from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from api.deps import AuthenticatedRoute, PageQuery, ServicesDep, actor_of, optional_key, scope
from api.operations import campaign_figures, campaign_stats, campaign_status, keys
from api.problems import responses
from api.schemas.campaign_figures import (
    DispositionQuery,
    DispositionStatsOut,
    ResultFilters,
    ResultsOut,
    StatsOut,
    StatsQuery,
    StatusOut,
)
from api.versioned import versioned
from dialer.domain.actors import Actor
from dialer.domain.dispositions import Disposition

router = versioned("/campaigns/{campaign}", tag="campaigns", route_class=AuthenticatedRoute)
public = versioned("/campaigns/{campaign}", tag="campaigns")
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
async def read_stats(
    services: ServicesDep, actor: Reader, campaign: str, query: Annotated[StatsQuery, Query()]
) -> StatsOut:
    """With `by`, also a series by the hours or days of a clock, of a range."""
    return await campaign_stats.read_stats(services, actor, campaign, query)


@router.get(
    "/stats/dispositions/{disposition}",
    summary="Calls that ended in one way, looked at closely",
    responses=responses(404),
)
async def read_disposition(
    services: ServicesDep,
    actor: Reader,
    campaign: str,
    disposition: Disposition,
    query: Annotated[DispositionQuery, Query()],
) -> DispositionStatsOut:
    """By attempt, caller number, code, and hour or day. The calls themselves: `/calls?campaign_id=…&disposition=…`."""
    return await campaign_stats.read_disposition(services, actor, campaign, disposition, query)


class ResultsQuery(PageQuery, ResultFilters):
    pass


@router.get(
    "/results",
    summary="One row per prospect",
    response_model=ResultsOut,
    responses={**responses(404), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def read_results(
    request: Request, services: ServicesDep, actor: Reader, campaign: str, query: Annotated[ResultsQuery, Query()]
) -> Any:
    """JSON, or with `Accept: text/csv` all of them as a file.

    A column is a field of the prospect, of the last call to them (`talk_seconds`, `call.state`), a property of the
    campaign's `extraction_schema`, or one of their variables.
    """
    if "text/csv" in request.headers.get("accept", ""):
        lines = await campaign_figures.results_as_csv(services, actor, campaign, query)
        headers = {"Content-Disposition": 'attachment; filename="results.csv"'}
        return StreamingResponse(lines, media_type="text/csv", headers=headers)
    return await campaign_figures.read_results(services, actor, campaign, query, query.request())
