"""Changes of a campaign that may be running: merged, checked, and in force for every later gate."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaign_settings import SETTINGS, agent_problem, checked_numbers, schedule_problems, settings_of
from api.operations.campaigns import LIVE_STATUSES, campaign_out, find_campaign, slug_taken
from api.operations.errors import Invalid
from api.operations.services import Services
from api.operations.validation import merged, validated
from api.operations.waking import wake_campaign
from api.schemas.campaigns import CampaignIn, CampaignOut, CampaignPatch
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.store import campaign_rows, catalog
from dialer.store.campaign_ends import reopen_held
from dialer.store.locks import hold_campaign


async def change_campaign(services: Services, actor: Actor, reference: str, patch: CampaignPatch) -> CampaignOut:
    """Merge a patch. What decides about calls makes a new ``settings_version``, in force for every later gate."""
    given = patch.given()
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            campaign_id = (await find_campaign(session, reference))["id"]
            await hold_campaign(session, campaign_id)
            row = await find_campaign(session, str(campaign_id), lock=True)
            await _change(services, session, row, given)
            after = await find_campaign(session, str(campaign_id))
    except IntegrityError as error:
        raise slug_taken(error) from None
    if after["settings_version"] != row["settings_version"] and row["status"] in LIVE_STATUSES:
        await wake_campaign(services, actor.workspace_id, campaign_id, always=True)
    return campaign_out(services, after)


async def _change(services: Services, session: AsyncSession, row: dict[str, Any], given: Mapping[str, Any]) -> None:
    wanted = validated(CampaignIn, merged(_document(row), given))
    settings = settings_of(wanted)
    errors = []
    if {"schedule", "calling_hours"} & given.keys():
        errors = schedule_problems(settings, services.now(), services.settings.timing)
    if wanted.agent_id != row["agent_id"] and (problem := await agent_problem(session, wanted.agent_id)):
        errors.insert(0, problem)
    if errors:
        raise Invalid(errors)
    phones = row["caller_numbers"]
    if "caller_numbers" in given:
        phones = wanted.caller_numbers
        if phones is None:
            phones = await catalog.numbers_of_agent(session, wanted.agent_id)
        numbers = await checked_numbers(session, phones)
        await campaign_rows.set_numbers(session, row["workspace_id"], row["id"], numbers)
    decides = settings != row["settings"] or wanted.agent_id != row["agent_id"] or phones != row["caller_numbers"]
    await campaign_rows.change(
        session,
        row["id"],
        name=wanted.name,
        slug=wanted.slug,
        agent_id=wanted.agent_id,
        settings=settings,
        metadata=wanted.metadata,
        new_version=decides,
    )
    if settings["calling_hours"] != row["settings"]["calling_hours"]:
        await reopen_held(session, row["id"])
    before, after = (each["calling_hours"]["zone"] == PROSPECT_ZONE for each in (row["settings"], settings))
    if before != after:
        await campaign_rows.zone_changed(session, row["id"], fixed_zone=not after)


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored campaign as the document that a client would send."""
    return {
        **{key: value for key, value in row["settings"].items() if key in SETTINGS},
        "name": row["name"],
        "slug": row["slug"],
        "agent_id": str(row["agent_id"]),
        "caller_numbers": row["caller_numbers"],
        "metadata": row["metadata"],
    }
