"""Do-not-call, in force when the answer is given."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaigns import find_campaign
from api.operations.errors import NotFound, invalid
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.schemas.accounts import ListFilters
from api.schemas.base import Page
from api.schemas.prospects import SuppressionCheck, SuppressionIn, SuppressionOut
from dialer.domain.actors import Actor
from dialer.domain.phones import PhoneRefused, parse_phone
from dialer.store import catalog, pages, prospect_reads
from dialer.store.catalog import read
from dialer.store.suppressing import count_undecided_for_phone, mark_settled, suppress, unsuppress
from dialer.store.tables import Suppression, Workspace

_LOOK_S = 0.1


async def list_suppressions(
    services: Services,
    actor: Actor,
    filters: ListFilters,
    request: ListRequest,
    *,
    phone: str | None = None,
    campaign_id: UUID | None = None,
) -> Page[SuppressionOut]:
    async with services.database.transaction(actor.workspace_id) as session:
        wanted = None if phone is None else await _phone(session, actor, phone)
        conditions = pages.where(
            {
                **created(filters),
                "phone": ("t.phone = :phone", wanted),
                "campaign": ("t.campaign_id = :campaign", campaign_id),
                "search": ("(t.phone LIKE :search OR t.reason ILIKE :search)", pages.contains(filters.search)),
            }
        )
        found = await listed(session, prospect_reads.SUPPRESSIONS, conditions, request)
    return Page(items=[SuppressionOut.model_validate(item) for item in found.items], next_cursor=found.next_cursor)


async def add_suppression(services: Services, actor: Actor, given: SuppressionIn) -> tuple[SuppressionOut, bool]:
    """The entry, and whether it is new. Waits until every call to the phone that had begun is known to the carrier.

    ``undecided`` is set when some have no answer in time. Raises Invalid for a phone or campaign that is none.
    """
    async with services.database.transaction(actor.workspace_id) as session:
        phone = await _phone(session, actor, given.phone)
        if given.campaign_id is not None:
            try:
                await find_campaign(session, str(given.campaign_id))
            except NotFound:
                raise invalid("campaign_id", "unknown_campaign", "There is no such campaign") from None
        row, new = await suppress(
            session,
            actor.workspace_id,
            phone,
            campaign_id=given.campaign_id,
            reason=given.reason,
            source="api",
            created_by=actor.principal,
        )
        entry = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]
    undecided = await _settled(services, actor, phone, row.id)
    return SuppressionOut.model_validate({**entry, "undecided": undecided or None}), new


async def read_suppression(services: Services, actor: Actor, suppression_id: UUID) -> SuppressionOut:
    async with services.database.transaction(actor.workspace_id) as session:
        row = await catalog.read(session, Suppression, suppression_id)
    if row is None:
        raise NotFound("suppression")
    return SuppressionOut.model_validate(row)


async def lift_suppression(services: Services, actor: Actor, suppression_id: UUID) -> None:
    """People whom it suppressed stay so. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        if not await unsuppress(session, suppression_id):
            raise NotFound("suppression")


async def lift_suppression_of_phone(services: Services, actor: Actor, phone: str, campaign_id: UUID | None) -> None:
    """Lift the workspace's entry of a phone, or a campaign's. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        wanted = await _phone(session, actor, phone)
        entries = await prospect_reads.suppressions_of(session, wanted)
        ids = [entry["id"] for entry in entries if entry["campaign_id"] == campaign_id]
        if not ids:
            raise NotFound("suppression")
        await unsuppress(session, ids[0])


async def check_phone(
    services: Services, actor: Actor, phone: str, campaign_id: UUID | None = None
) -> SuppressionCheck:
    """May this phone be called: by anybody in the workspace, or by one campaign?"""
    async with services.database.transaction(actor.workspace_id) as session:
        wanted = await _phone(session, actor, phone)
        entries: list[Mapping[str, Any]] = [
            entry
            for entry in await prospect_reads.suppressions_of(session, wanted)
            if campaign_id is None or entry["campaign_id"] in (None, campaign_id)
        ]
    suppressed = any(entry["campaign_id"] in (None, campaign_id) for entry in entries)
    return SuppressionCheck(
        phone=wanted, suppressed=suppressed, entries=[SuppressionOut.model_validate(entry) for entry in entries]
    )


async def _settled(services: Services, actor: Actor, phone: str, suppression_id: UUID) -> int:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + services.settings.timing.undecided_s
    while True:
        async with services.database.transaction(actor.workspace_id) as session:
            undecided = await count_undecided_for_phone(session, actor.workspace_id, phone)
            if undecided == 0:
                await mark_settled(session, suppression_id)
        if undecided == 0 or loop.time() >= deadline:
            return undecided
        await asyncio.sleep(_LOOK_S)


async def _phone(session: AsyncSession, actor: Actor, raw: str) -> str:
    workspace = await read(session, Workspace, actor.workspace_id)
    try:
        return parse_phone(raw, None if workspace is None else workspace["default_region"]).e164
    except PhoneRefused as error:
        raise invalid("phone", error.code, f"{error.message}. {error.suggestion}.") from None
