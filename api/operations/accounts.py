"""Carrier accounts. Their secrets go in and never come out."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from api.operations.errors import Conflict, NotFound, Unavailable
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.schemas.accounts import AccountIn, AccountOut, AccountPatch, AccountTest, ListFilters
from api.schemas.base import Page
from dialer.carriers.base import CarrierError, NotProcessed, Refused
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from dialer.domain.actors import Actor
from dialer.sealing import SealBroken
from dialer.store import catalog, pages
from dialer.store.database import violated
from dialer.store.tables import CarrierAccount
from dialer.store.turns import quicken


async def list_accounts(
    services: Services, actor: Actor, filters: ListFilters, request: ListRequest
) -> Page[AccountOut]:
    conditions = pages.where({**created(filters), "search": ("t.label ILIKE :search", pages.contains(filters.search))})
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, catalog.ACCOUNTS, conditions, request)
    return Page(items=[AccountOut.model_validate(item) for item in found.items], next_cursor=found.next_cursor)


async def create_account(services: Services, actor: Actor, given: AccountIn) -> AccountOut:
    """Where the carrier is served is this installation's choice, never a client's. Raises Conflict when it exists."""
    values: dict[str, Any] = {
        **given.model_dump(exclude={"secret"}),
        "secret": services.seal.close(given.secret.get_secret_value()),
        "base_url": services.settings.twilio_base_url,
        "workspace_id": actor.workspace_id,
        "created_by": actor.principal,
    }
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            made = await catalog.create(session, CarrierAccount, values)
    except IntegrityError as error:
        if violated(error) == "uq_carrier_accounts_workspace_id_account_sid":
            raise Conflict("This workspace has the account already.", code="account_exists") from None
        raise
    services.signing.forget()
    return AccountOut.model_validate(made)


async def read_account(services: Services, actor: Actor, account_id: UUID) -> AccountOut:
    return AccountOut.model_validate(await _read(services, actor, account_id))


async def change_account(services: Services, actor: Actor, account_id: UUID, patch: AccountPatch) -> AccountOut:
    values = patch.model_dump(exclude_unset=True, exclude={"secret"})
    if "secret" in patch.model_fields_set:
        values["secret"] = services.seal.close(patch.secret.get_secret_value())
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.change(session, CarrierAccount, account_id, values)
        if "calls_per_second" in values:
            await quicken(session, "account", account_id, values["calls_per_second"])
    if row is None:
        raise NotFound("carrier account")
    services.signing.forget()
    return AccountOut.model_validate(row)


async def delete_account(services: Services, actor: Actor, account_id: UUID) -> None:
    """Raises NotFound; Conflict while caller numbers, campaigns or calls refer to it."""
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            live = await catalog.live_campaigns(session, account_id=account_id)
            if live:
                raise Conflict("Live campaigns call over this account.", code="in_use", extra={"campaigns": live})
            if not await catalog.remove(session, CarrierAccount, account_id):
                raise NotFound("carrier account")
    except IntegrityError:
        raise Conflict("Caller numbers or calls refer to this account.", code="in_use") from None


async def test_account(services: Services, actor: Actor, account_id: UUID) -> AccountTest:
    """Look at the account at the carrier, harmlessly. Raises NotFound; Unavailable when its secret does not open."""
    row = await _read(services, actor, account_id)
    try:
        secret = services.open_secret(row["secret"])
    except SealBroken:
        raise Unavailable("The secret was sealed with another DIALER_SECRET_KEY; set it again.") from None
    carrier = TwilioCarrier(TwilioCredentials.of_auth_token(row["account_sid"], secret), base_url=row["base_url"])
    try:
        status = await carrier.check()
    except Refused as error:
        return AccountTest(ok=False, status=None, code="account_refused", carrier_code=error.code)
    except NotProcessed as error:
        return AccountTest(ok=False, status=None, code="not_processed", carrier_code=error.code)
    except CarrierError:
        return AccountTest(ok=False, status=None, code="unreachable")
    finally:
        await carrier.close()
    return AccountTest(ok=status.active, status=status.status, code=None if status.active else "account_refused")


async def _read(services: Services, actor: Actor, account_id: UUID) -> dict[str, Any]:
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.read(session, CarrierAccount, account_id)
    if row is None:
        raise NotFound("carrier account")
    return row
