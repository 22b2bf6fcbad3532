"""Campaigns as documents: what a person writes, reads and changes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaign_settings import (
    agent_problem,
    checked_numbers,
    schedule_problems,
    settings_of,
    start_problems,
    without_passed_start,
)
from api.operations.errors import Conflict, Invalid, NotFound
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.references import as_uuid
from api.operations.services import Services
from api.schemas.accounts import SLUG, ListFilters
from api.schemas.base import Page
from api.schemas.campaigns import CampaignIn, CampaignOut, CloneIn
from dialer.domain.actors import Actor
from dialer.domain.states import CampaignStatus
from dialer.store import campaign_rows, catalog, pages
from dialer.store.database import violated
from dialer.store.locks import hold_campaign
from workflows.starts import campaign_workflow_id

#: In which a campaign may call, now or later.
LIVE_STATUSES = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)


async def list_campaigns(
    services: Services,
    actor: Actor,
    filters: ListFilters,
    request: ListRequest,
    *,
    status: CampaignStatus | None = None,
    agent_id: UUID | None = None,
    with_batches: bool = False,
) -> Page[CampaignOut]:
    conditions = pages.where(
        {
            **created(filters),
            "status": ("t.status = :status", status),
            "agent": ("t.agent_id = :agent", agent_id),
            "search": ("(t.name ILIKE :search OR t.slug ILIKE :search)", pages.contains(filters.search)),
            "hidden": ("(t.hidden_at IS NOT NULL) = :hidden", False),
            "of_batch": ("(t.batch_id IS NOT NULL) = :of_batch", None if with_batches else False),
        }
    )
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, campaign_rows.CAMPAIGNS, conditions, request)
    return Page(items=[campaign_out(services, item) for item in found.items], next_cursor=found.next_cursor)


async def find_campaign(session: AsyncSession, reference: str, *, lock: bool = False) -> dict[str, Any]:
    """By id or slug. Raises NotFound."""
    found = as_uuid(reference) or (reference if SLUG.fullmatch(reference) else None)
    row = None if found is None else await campaign_rows.find(session, found, lock=lock)
    if row is None:
        raise NotFound("campaign")
    return row


async def read_campaign(services: Services, actor: Actor, reference: str) -> CampaignOut:
    async with services.database.transaction(actor.workspace_id) as session:
        return campaign_out(services, await find_campaign(session, reference))


async def create_campaign(services: Services, actor: Actor, given: CampaignIn) -> CampaignOut:
    """A draft. Raises Invalid naming what is wrong, Conflict for a slug that is taken."""
    settings, now = settings_of(given), services.now()
    errors = [*start_problems(settings, now), *schedule_problems(settings, now, services.settings.timing)]
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            problem = await agent_problem(session, given.agent_id)
            if problem is not None:
                errors.insert(0, problem)
            if errors:
                raise Invalid(errors)
            phones = given.caller_numbers
            if phones is None:
                phones = await catalog.numbers_of_agent(session, given.agent_id)
            numbers = await checked_numbers(session, phones)
            campaign_id = await campaign_rows.create(
                session,
                workspace_id=actor.workspace_id,
                created_by=actor.principal,
                name=given.name,
                slug=given.slug,
                agent_id=given.agent_id,
                settings=settings,
                metadata=given.metadata,
            )
            await campaign_rows.set_numbers(session, actor.workspace_id, campaign_id, numbers)
            return campaign_out(services, await find_campaign(session, str(campaign_id)))
    except IntegrityError as error:
        raise slug_taken(error) from None


async def clone_campaign(services: Services, actor: Actor, reference: str, given: CloneIn) -> CampaignOut:
    """A draft with the same rules and nobody in it. A start or a schedule that has passed is left out."""
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            row = await find_campaign(session, reference)
            settings = without_passed_start(row["settings"], services.now())
            if schedule_problems(settings, services.now(), services.settings.timing):
                settings["schedule"] = {**settings["schedule"], "start_at": None, "end_at": None}
            campaign_id = await campaign_rows.create(
                session,
                workspace_id=actor.workspace_id,
                created_by=actor.principal,
                name=given.name or f"{row['name']} (copy)"[:200],
                slug=given.slug,
                agent_id=row["agent_id"],
                settings=settings,
                metadata=row["metadata"],
            )
            numbers = await checked_numbers(session, row["caller_numbers"])
            await campaign_rows.set_numbers(session, actor.workspace_id, campaign_id, numbers)
            return campaign_out(services, await find_campaign(session, str(campaign_id)))
    except IntegrityError as error:
        raise slug_taken(error) from None


async def delete_campaign(services: Services, actor: Actor, reference: str) -> None:
    """Hide it; its calls stay. Raises Conflict while it may still call, or calls are live."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign_id = (await find_campaign(session, reference))["id"]
        await hold_campaign(session, campaign_id)
        row = await find_campaign(session, str(campaign_id), lock=True)
        live = await campaign_rows.live_calls(session, campaign_id)
        if row["status"] in LIVE_STATUSES or live:
            raise Conflict(
                "Stop the campaign and let its calls end first.",
                code="campaign_live",
                current_status=row["status"],
                extra={"calls_in_flight": live},
            )
        await campaign_rows.hide(session, campaign_id)


def campaign_out(services: Services, row: Mapping[str, Any]) -> CampaignOut:
    """A stored campaign as clients read it."""
    workflow_id = campaign_workflow_id(row["id"])
    launched = row["launched_at"] is not None
    return CampaignOut.model_validate(
        {
            **row["settings"],
            **{key: value for key, value in row.items() if key != "settings"},
            "workflow_id": workflow_id,
            "trace_url": services.workflows.trace_url(workflow_id) if launched else None,
        }
    )


def slug_taken(error: IntegrityError) -> Exception:
    """What a client is told of a constraint that its document broke."""
    if violated(error) == "uq_campaigns_workspace_id_slug":
        return Conflict("Another campaign of this workspace has this slug.", code="slug_taken")
    return error
