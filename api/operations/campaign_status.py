"""How far a campaign has come and what it waits for, at the cost of a few index look-ups, for polling."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaigns import find_campaign
from api.operations.errors import NotAuthenticated, NotFound
from api.operations.references import as_uuid
from api.operations.services import Services
from api.schemas.campaign_figures import StatusOut, WaitOut
from dialer.domain.actors import Actor
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.domain.waits import TURN, Wait
from dialer.store import campaign_rows
from dialer.store.stats import Figures, figures_of
from dialer.store.waiting import Reason, Waiting, what_now
from dialer.store.waiting_counts import held_people, who_waits

OVER = (CampaignStatus.COMPLETED, CampaignStatus.STOPPED)
#: Told by counting the people; for whatever else a campaign waits, the reason's own words come first.
_OF_PEOPLE = (Reason.RUNNING, Reason.SLOTS, Reason.NUMBERS, Reason.WINDOW, Reason.DUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A status, and the figures that it was made of."""

    status: StatusOut
    figures: Figures


async def read_status(services: Services, actor: Actor, reference: str) -> StatusOut:
    """By id or slug. Raises NotFound."""
    campaign_id = as_uuid(reference)
    async with services.database.transaction(actor.workspace_id) as session:
        if campaign_id is None:
            campaign_id = (await find_campaign(session, reference))["id"]
        try:
            seen = await look(services, session, campaign_id)
        except LookupError as error:
            raise NotFound("campaign") from error
        if seen.figures.campaign.hidden_at is not None:
            raise NotFound("campaign")
        return seen.status


async def read_public_status(services: Services, reference: str) -> StatusOut:
    """For anybody, of a campaign with ``public_status``, by its id. Raises NotAuthenticated for every other one."""
    campaign_id, workspace_id = await find_public(services, reference)
    async with services.database.transaction(workspace_id) as session:
        return (await look(services, session, campaign_id)).status


async def find_public(services: Services, reference: str) -> tuple[UUID, UUID]:
    """The ids of a campaign that shows its status to anybody, and of its workspace. Raises NotAuthenticated."""
    campaign_id = as_uuid(reference)
    if campaign_id is not None:
        async with services.database.transaction_over_all() as session:
            workspace_id = await campaign_rows.public_workspace(session, campaign_id)
        if workspace_id is not None:
            return campaign_id, workspace_id
    raise NotAuthenticated("Send an API key in X-API-Key, or as a bearer token.")


async def look(services: Services, session: AsyncSession, campaign_id: UUID) -> Seen:
    """Raises LookupError."""
    figures = await figures_of(session, campaign_id)
    campaign = figures.campaign
    rules = rules_from_json(campaign.settings)
    live, timing = figures.calls_in_flight, services.settings.timing
    waiting = await what_now(session, campaign, rules, figures.now, timing, live=live)
    people = await _people(services, session, figures, rules, waiting)
    total, done = figures.prospects_total, figures.prospects_done
    status = StatusOut(
        status=campaign.status,
        paused_reason=campaign.paused_reason,
        paused_details=campaign.paused_details,
        prospects_total=total,
        prospects_done=done,
        calls_in_flight=live,
        calls_total=figures.calls_total,
        waiting_for=_in_words(campaign.status, waiting, people),
        waiting=[WaitOut.model_validate(wait, from_attributes=True) for wait in _waits(figures, waiting, people)],
        next_call_at=waiting.until if campaign.status not in OVER else None,
        progress=1.0 if campaign.status in OVER else done / total if total else 0.0,
    )
    return Seen(status=status, figures=figures)


async def _people(
    services: Services, session: AsyncSession, figures: Figures, rules: CampaignRules, waiting: Waiting
) -> Sequence[Wait]:
    campaign = figures.campaign
    if campaign.status in OVER:
        return []
    if campaign.status != CampaignStatus.RUNNING:
        return await held_people(session, campaign.id, figures.prospects)
    live, timing = figures.calls_in_flight, services.settings.timing
    return await who_waits(session, campaign, rules, figures.prospects, live, waiting, figures.now, timing)


def _in_words(status: str, waiting: Waiting, people: Sequence[Wait]) -> str | None:
    """Why no call goes out now; None while calls do, and when nothing is to be expected."""
    if status in (*OVER, CampaignStatus.DRAFT) or waiting.reason is Reason.RUNNING:
        return None
    counted = [wait.text for wait in people if wait.reason != TURN]
    if waiting.reason in _OF_PEOPLE and counted:
        return "; ".join(counted)
    return "; ".join([waiting.text, *counted])


def _waits(figures: Figures, waiting: Waiting, people: Sequence[Wait]) -> Sequence[Wait]:
    """One entry for each thing that is waited for."""
    if figures.campaign.status in (*OVER, CampaignStatus.DRAFT) or waiting.reason in _OF_PEOPLE:
        return people
    concerned = figures.prospects.get(ProspectState.READY, 0)
    count = figures.calls_in_flight if waiting.reason is Reason.CALLS else concerned
    return [Wait(reason=waiting.reason, count=count, until=waiting.until, text=waiting.text), *people]
