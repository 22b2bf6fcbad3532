"""``/campaigns/{id}/prospects`` and ``/prospects``."""

from typing import Annotated

from fastapi import Query, Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import explain, prospects, requeues
from api.operations.references import as_id
from api.problems import responses
from api.schemas.base import Page
from api.schemas.prospects import (
    ExplainOut,
    ProspectFilters,
    ProspectIn,
    ProspectOut,
    ProspectPatch,
    UpsertIn,
    UpsertOut,
)
from api.schemas.requeues import CallbackIn, CallbackOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned(tag="prospects", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("prospects:read")]
Writer = Annotated[Actor, scope("prospects:write")]


class ProspectQuery(PageQuery, ProspectFilters):
    pass


@router.get("/campaigns/{campaign}/prospects", summary="List a campaign's prospects", responses=responses(404))
async def list_prospects(
    services: ServicesDep, actor: Reader, campaign: str, query: Annotated[ProspectQuery, Query()]
) -> Page[ProspectOut]:
    """`state=held` lists those who are not called until somebody tells their time zone; `held_reason` says why."""
    return await prospects.list_prospects(services, actor, campaign, query, query.request())


@router.post(
    "/campaigns/{campaign}/prospects",
    status_code=201,
    summary="Add one prospect",
    openapi_extra=IDEMPOTENT,
    responses=responses(404, 409),
)
async def add_prospect(
    services: ServicesDep, actor: Writer, campaign: str, given: ProspectIn, response: Response
) -> ProspectOut:
    prospect = await prospects.add_prospect(services, actor, campaign, given)
    response.headers["Location"] = f"/api/v1/prospects/{prospect.id}"
    return prospect


@router.post(
    "/campaigns/{campaign}/prospects:upsert",
    summary="Add or update up to 1,000 prospects",
    openapi_extra=IDEMPOTENT,
    responses=responses(404, 409),
)
async def upsert_prospects(services: ServicesDep, actor: Writer, campaign: str, given: UpsertIn) -> UpsertOut:
    """Good items are written, bad ones are listed with the reason."""
    return await prospects.upsert_prospects(services, actor, campaign, given)


@router.get("/prospects/{prospect_id}", summary="Read a prospect", responses=responses(404))
async def read_prospect(services: ServicesDep, actor: Reader, prospect_id: str) -> ProspectOut:
    return await prospects.read_prospect(services, actor, as_id(prospect_id, "prospect"))


@router.patch("/prospects/{prospect_id}", summary="Change a prospect", responses=responses(404, 409))
async def change_prospect(services: ServicesDep, actor: Writer, prospect_id: str, given: ProspectPatch) -> ProspectOut:
    """A time zone given to somebody who is held for want of one makes them callable."""
    return await prospects.change_prospect(services, actor, as_id(prospect_id, "prospect"), given)


@router.delete(
    "/prospects/{prospect_id}",
    status_code=204,
    summary="Remove a prospect who was never called",
    responses=responses(404, 409),
)
async def delete_prospect(services: ServicesDep, actor: Writer, prospect_id: str) -> None:
    await prospects.delete_prospect(services, actor, as_id(prospect_id, "prospect"))


@router.post(
    "/prospects/{prospect_id}/callback",
    summary="They asked to be called at a time",
    openapi_extra=IDEMPOTENT,
    responses=responses(404, 409),
)
async def ask_for_callback(services: ServicesDep, actor: Writer, prospect_id: str, given: CallbackIn) -> CallbackOut:
    """One call at that time or when their calling hours open after it, before all others, whatever was made before.

    A later request replaces one that was not answered yet."""
    return await requeues.ask_for_callback(services, actor, as_id(prospect_id, "prospect"), given)


@router.get("/prospects/{prospect_id}/explain", summary="May this person be called now?", responses=responses(404))
async def explain_prospect(services: ServicesDep, actor: Reader, prospect_id: str) -> ExplainOut:
    """Every gate with its reason, the one that blocks, and when the person may be called."""
    return await explain.explain_prospect(services, actor, as_id(prospect_id, "prospect"))
