"""Caller numbers."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.errors import Conflict, NotFound, invalid
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.references import as_uuid
from api.operations.services import Services
from api.schemas.accounts import ListFilters, NumberIn, NumberOut, NumberPatch
from api.schemas.base import Page
from dialer.domain.actors import Actor
from dialer.domain.phones import PhoneRefused, parse_phone
from dialer.store import catalog, pages
from dialer.store.database import one, violated
from dialer.store.tables import Agent, CarrierAccount, PhoneNumber
from dialer.store.turns import quicken


async def list_numbers(
    services: Services,
    actor: Actor,
    filters: ListFilters,
    request: ListRequest,
    *,
    agent_id: UUID | None = None,
    carrier_account_id: UUID | None = None,
) -> Page[NumberOut]:
    conditions = pages.where(
        {
            **created(filters),
            "agent": ("t.agent_id = :agent", agent_id),
            "account": ("t.carrier_account_id = :account", carrier_account_id),
            "search": ("(t.label ILIKE :search OR t.phone LIKE :search)", pages.contains(filters.search)),
        }
    )
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, catalog.NUMBERS, conditions, request)
    return Page(items=[NumberOut.model_validate(item) for item in found.items], next_cursor=found.next_cursor)


async def create_number(services: Services, actor: Actor, given: NumberIn) -> NumberOut:
    """Raises Invalid for an account or agent that this workspace has not, Conflict for a number that it has."""
    values = {**given.model_dump(), "workspace_id": actor.workspace_id, "created_by": actor.principal}
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            values["carrier_account_id"] = given.carrier_account_id or await _only_account(session)
            await _check(session, values)
            return NumberOut.model_validate(await catalog.create(session, PhoneNumber, values))
    except IntegrityError as error:
        if violated(error) == "uq_phone_numbers_workspace_id_phone":
            raise Conflict("This workspace has the number already.", code="number_exists") from None
        raise


async def read_number(services: Services, actor: Actor, reference: str) -> NumberOut:
    """By id or E.164. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        return NumberOut.model_validate(await _find(session, reference))


async def change_number(services: Services, actor: Actor, reference: str, patch: NumberPatch) -> NumberOut:
    given = patch.model_dump(exclude_unset=True)
    async with services.database.transaction(actor.workspace_id) as session:
        row = await _find(session, reference, lock=True)
        await _check(session, given)
        changed = await catalog.change(session, PhoneNumber, row["id"], given)
        if "calls_per_second" in given:
            await quicken(session, "number", row["id"], given["calls_per_second"])
        return NumberOut.model_validate(changed)


async def delete_number(services: Services, actor: Actor, reference: str) -> None:
    """Raises NotFound; Conflict while campaigns or calls refer to it."""
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            row = await _find(session, reference, lock=True)
            live = await catalog.live_campaigns(session, phone_number_id=row["id"])
            if live:
                raise Conflict("Live campaigns call from this number.", code="in_use", extra={"campaigns": live})
            await catalog.remove(session, PhoneNumber, row["id"])
    except IntegrityError:
        raise Conflict("Campaigns or calls refer to this number.", code="in_use") from None


async def _find(session: AsyncSession, reference: str, *, lock: bool = False) -> dict[str, Any]:
    number_id = as_uuid(reference)
    if number_id is None:
        try:
            number_id = await catalog.find_number(session, parse_phone(reference, None).e164)
        except PhoneRefused:
            number_id = None
    row = None if number_id is None else await catalog.read(session, PhoneNumber, number_id, lock=lock)
    if row is None:
        raise NotFound("phone number")
    return row


async def _check(session: AsyncSession, values: dict[str, Any]) -> None:
    account_id, agent_id = values.get("carrier_account_id"), values.get("agent_id")
    if account_id is not None and await catalog.read(session, CarrierAccount, account_id) is None:
        raise invalid("carrier_account_id", "unknown_carrier_account", "There is no such carrier account")
    if agent_id is not None:
        agent = await catalog.read(session, Agent, agent_id)
        if agent is None or agent["archived_at"] is not None:
            raise invalid("agent_id", "unknown_agent", "There is no such agent")


async def _only_account(session: AsyncSession) -> UUID:
    found = await one(session, "SELECT min(id::text)::uuid AS id, count(*) AS n FROM carrier_accounts")
    if found is None or found.n != 1:
        raise invalid("carrier_account_id", "required", "Say which carrier account has this number")
    return found.id
