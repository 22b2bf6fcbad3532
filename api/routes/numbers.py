"""``/phone-numbers``: caller numbers, by id or E.164."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import numbers
from api.problems import responses
from api.schemas.accounts import ListFilters, NumberIn, NumberOut, NumberPatch
from api.schemas.base import Page
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/phone-numbers", tag="phone numbers", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("numbers:read")]
Writer = Annotated[Actor, scope("numbers:write")]


class NumberQuery(PageQuery, ListFilters):
    agent_id: UUID | None = None
    carrier_account_id: UUID | None = None


@router.get("", summary="List caller numbers")
async def list_numbers(services: ServicesDep, actor: Reader, query: Annotated[NumberQuery, Query()]) -> Page[NumberOut]:
    return await numbers.list_numbers(
        services, actor, query, query.request(), agent_id=query.agent_id, carrier_account_id=query.carrier_account_id
    )


@router.post("", status_code=201, summary="Add a caller number", openapi_extra=IDEMPOTENT, responses=responses(409))
async def create_number(services: ServicesDep, actor: Writer, given: NumberIn, response: Response) -> NumberOut:
    number = await numbers.create_number(services, actor, given)
    response.headers["Location"] = f"/api/v1/phone-numbers/{number.id}"
    return number


@router.get("/{phone_number}", summary="Read a caller number", responses=responses(404))
async def read_number(services: ServicesDep, actor: Reader, phone_number: str) -> NumberOut:
    return await numbers.read_number(services, actor, phone_number)


@router.patch("/{phone_number}", summary="Change a caller number", responses=responses(404))
async def change_number(services: ServicesDep, actor: Writer, phone_number: str, given: NumberPatch) -> NumberOut:
    return await numbers.change_number(services, actor, phone_number, given)


@router.delete("/{phone_number}", status_code=204, summary="Remove a caller number", responses=responses(404, 409))
async def delete_number(services: ServicesDep, actor: Writer, phone_number: str) -> None:
    await numbers.delete_number(services, actor, phone_number)
