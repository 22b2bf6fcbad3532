"""``/suppressions``: do-not-call."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import suppressions
from api.operations.references import as_id
from api.problems import responses
from api.schemas.accounts import ListFilters
from api.schemas.base import Document, Page
from api.schemas.prospects import RawPhone, SuppressionCheck, SuppressionIn, SuppressionOut
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/suppressions", tag="suppressions", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("suppressions:read")]
Writer = Annotated[Actor, scope("suppressions:write")]


class SuppressionQuery(PageQuery, ListFilters):
    phone: RawPhone | None = None
    campaign_id: UUID | None = None


class PhoneQuery(Document):
    phone: RawPhone
    campaign_id: UUID | None = Field(default=None, description="Also the entries of this campaign.")


@router.get("", summary="List do-not-call entries")
async def list_suppressions(
    services: ServicesDep, actor: Reader, query: Annotated[SuppressionQuery, Query()]
) -> Page[SuppressionOut]:
    return await suppressions.list_suppressions(
        services, actor, query, query.request(), phone=query.phone, campaign_id=query.campaign_id
    )


@router.post(
    "",
    status_code=201,
    summary="Never call this phone",
    openapi_extra=IDEMPOTENT,
    responses={
        200: {"model": SuppressionOut, "description": "It was on the list already"},
        202: {"model": SuppressionOut, "description": "In force; some calls that had begun are `undecided`"},
    },
)
async def add_suppression(
    services: ServicesDep, actor: Writer, given: SuppressionIn, response: Response
) -> SuppressionOut:
    """In force when the answer is given, also for calls about to be dialed. A second entry is the first one again."""
    entry, new = await suppressions.add_suppression(services, actor, given)
    response.headers["Location"] = f"/api/v1/suppressions/{entry.id}"
    response.status_code = 202 if entry.undecided else 201 if new else 200
    return entry


@router.get("/check", summary="May this phone be called?")
async def check_phone(services: ServicesDep, actor: Reader, query: Annotated[PhoneQuery, Query()]) -> SuppressionCheck:
    return await suppressions.check_phone(services, actor, query.phone, query.campaign_id)


@router.delete("", status_code=204, summary="Lift the entry of a phone", responses=responses(404))
async def lift_suppression_of_phone(
    services: ServicesDep, actor: Writer, query: Annotated[PhoneQuery, Query()]
) -> None:
    await suppressions.lift_suppression_of_phone(services, actor, query.phone, query.campaign_id)


@router.get("/{suppression_id}", summary="Read a do-not-call entry", responses=responses(404))
async def read_suppression(services: ServicesDep, actor: Reader, suppression_id: str) -> SuppressionOut:
    return await suppressions.read_suppression(services, actor, as_id(suppression_id, "suppression"))


@router.delete("/{suppression_id}", status_code=204, summary="Lift a do-not-call entry", responses=responses(404))
async def lift_suppression(services: ServicesDep, actor: Writer, suppression_id: str) -> None:
    await suppressions.lift_suppression(services, actor, as_id(suppression_id, "suppression"))
