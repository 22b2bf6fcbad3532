"""Recurring campaigns: what cannot be known from the document alone, their Schedules, and their runs."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from temporalio.service import RPCError

from api.operations.campaigns import find_campaign
from api.operations.services import Services
from api.operations.waking import wake_campaign
from api.schemas.recurrence import ComingRun, RunOut, ScheduleOut
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import clock_of
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.recurrence import Dial, Recurrence
from dialer.domain.states import CampaignStatus
from dialer.schedule_mirror import mirror
from dialer.store import runs
from dialer.store.run_starts import requeue_not_reached
from workflows.schedules import CampaignSchedules, schedule_id

COMING = 10
PAST = 20
_WITH_RUNS_AHEAD = (CampaignStatus.DRAFT, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)
_WITH_SCHEDULE = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)

log = logging.getLogger(__name__)


def recurs(settings: Mapping[str, Any]) -> bool:
    """True for the settings of a recurring campaign."""
    return (settings.get("schedule") or {}).get("recurrence") is not None


async def mirror_schedule(services: Services, workspace_id: UUID, campaign_id: UUID, *, renamed: bool = False) -> bool:
    """After a change of a recurring campaign: its Schedule follows. False when Temporal does not answer.

    Then the sweep makes it good; the row is the truth meanwhile. A Schedule shows the campaign's name.
    """
    schedules = CampaignSchedules(services.workflows.client)
    try:
        done = await mirror(services.database, schedules, workspace_id, campaign_id, anew=renamed)
    except (RPCError, RuntimeError) as error:
        log.warning("the schedule of campaign %s could not be written: %s", campaign_id, type(error).__name__)
        return False
    if done.campaign_changed:
        await wake_campaign(services, workspace_id, campaign_id, always=True)
    return True


async def requeue_for_launch(services: Services, actor: Actor, row: Mapping[str, Any]) -> None:
    """A recurring campaign that was launched while it waited (``row``, as it was) dials whom its runs dial."""
    recurrence = rules_from_json(row["settings"]).recurrence
    if row["status"] == CampaignStatus.SCHEDULED and recurrence is not None and recurrence.dial is Dial.NOT_REACHED:
        await requeue_not_reached(services.database, actor.workspace_id, row["id"], services.now())


async def read_schedule(services: Services, actor: Actor, reference: str) -> ScheduleOut:
    """Also sees at once what somebody has changed in Temporal. Raises NotFound."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
    answers = True
    if recurs(row["settings"]):
        answers = await mirror_schedule(services, actor.workspace_id, row["id"])
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, str(row["id"]))
        past = await runs.newest_runs(session, row["id"], PAST)
    recurrence = rules_from_json(row["settings"]).recurrence
    ahead = recurrence is not None and row["status"] in _WITH_RUNS_AHEAD
    exists = recurrence is not None and row["status"] in _WITH_SCHEDULE
    zone = row["settings"]["schedule"]["time_zone"]
    return ScheduleOut(
        status=row["status"],
        paused_reason=row["paused_reason"],
        time_zone=zone,
        recurrence=row["settings"]["schedule"]["recurrence"],
        coming=coming_runs(recurrence, services.now(), COMING) if ahead and recurrence is not None else [],
        runs=[
            RunOut.model_validate({**each._mapping, "local_time": _local(each.due_at, zone)})  # pyright: ignore[reportPrivateUsage]
            for each in past
        ],
        schedule_id=schedule_id(row["id"]) if exists else None,
        schedule_url=_url(services, row["id"]) if exists else None,
        temporal=_in_temporal(exists=exists, answers=answers, status=row["status"]),
    )


def coming_runs(recurrence: Recurrence, now: datetime, count: int) -> list[ComingRun]:
    """The next runs, as the zone's clock shows them and in UTC."""
    return [ComingRun(due_at=at, local_time=_local(at, recurrence.zone)) for at in recurrence.next_runs(now, count)]


def _in_temporal(*, exists: bool, answers: bool, status: str) -> Literal["active", "paused", "none", "unknown"]:
    """Once both sides agree, the campaign's row tells what its Schedule is."""
    if not answers:
        return "unknown"
    if not exists:
        return "none"
    return "paused" if status == CampaignStatus.PAUSED else "active"


def _url(services: Services, campaign_id: UUID) -> str | None:
    schedules = CampaignSchedules(services.workflows.client)
    return schedules.ui_url(services.settings.temporal_ui_url, campaign_id)


def _local(at: datetime, zone: str | None) -> str:
    return at.astimezone(clock_of(zone) if zone else UTC).isoformat(timespec="seconds")
