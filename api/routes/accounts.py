"""``/carrier-accounts``."""

from typing import Annotated

from fastapi import Query, Response

from api.deps import IDEMPOTENT, AuthenticatedRoute, PageQuery, ServicesDep, scope
from api.operations import accounts
from api.operations.references import as_id
from api.problems import responses
from api.schemas.accounts import AccountIn, AccountOut, AccountPatch, AccountTest, ListFilters
from api.schemas.base import Page
from api.versioned import versioned
from dialer.domain.actors import Actor

router = versioned("/carrier-accounts", tag="carrier accounts", route_class=AuthenticatedRoute)
Reader = Annotated[Actor, scope("carriers:read")]
Writer = Annotated[Actor, scope("carriers:write")]
WHAT = "carrier account"


class AccountQuery(PageQuery, ListFilters):
    pass


@router.get("", summary="List carrier accounts")
async def list_accounts(
    services: ServicesDep, actor: Reader, query: Annotated[AccountQuery, Query()]
) -> Page[AccountOut]:
    return await accounts.list_accounts(services, actor, query, query.request())


@router.post("", status_code=201, summary="Add a carrier account", openapi_extra=IDEMPOTENT, responses=responses(409))
async def create_account(services: ServicesDep, actor: Writer, given: AccountIn, response: Response) -> AccountOut:
    account = await accounts.create_account(services, actor, given)
    response.headers["Location"] = f"/api/v1/carrier-accounts/{account.id}"
    return account


@router.get("/{account_id}", summary="Read a carrier account", responses=responses(404))
async def read_account(services: ServicesDep, actor: Reader, account_id: str) -> AccountOut:
    return await accounts.read_account(services, actor, as_id(account_id, WHAT))


@router.patch("/{account_id}", summary="Change a carrier account", responses=responses(404))
async def change_account(services: ServicesDep, actor: Writer, account_id: str, given: AccountPatch) -> AccountOut:
    return await accounts.change_account(services, actor, as_id(account_id, WHAT), given)


@router.delete("/{account_id}", status_code=204, summary="Remove a carrier account", responses=responses(404, 409))
async def delete_account(services: ServicesDep, actor: Writer, account_id: str) -> None:
    await accounts.delete_account(services, actor, as_id(account_id, WHAT))


@router.post("/{account_id}/test", summary="Make a harmless request to the carrier", responses=responses(404, 503))
async def test_account(services: ServicesDep, actor: Writer, account_id: str) -> AccountTest:
    return await accounts.test_account(services, actor, as_id(account_id, WHAT))
