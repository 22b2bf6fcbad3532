"""The sweep's part for Schedules: those that were lost, left behind or touched, and runs that never came."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from temporalio.service import RPCError

from activities.ports import Workflows
from activities.runs import RunActivities
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.recurrence import Recurrence
from dialer.domain.schedules import Repair, SeenSchedule, repair_for, wanted_schedule
from dialer.domain.states import CampaignStatus
from dialer.schedule_mirror import ListedSchedule, Schedules, mirror
from dialer.store.database import Database
from dialer.store.runs import owed_after
from dialer.store.scheduled_campaigns import ScheduledCampaign, live_recurring, workspace_of
from dialer.store.waking import wake

logger = logging.getLogger(__name__)

CONCURRENT_REPAIRS = 10
#: So long a firing may be on its way before it counts as lost.
ON_ITS_WAY = timedelta(minutes=1)
#: Accounted for in one sweep, of one campaign; the others follow.
RUNS_AT_ONCE = 50


class ScheduleRepairs:
    """Makes rows and Schedules agree, for all campaigns."""

    def __init__(self, database: Database, schedules: Schedules, workflows: Workflows) -> None:
        self._database = database
        self._schedules = schedules
        self._workflows = workflows
        self._runs = RunActivities(database, workflows)

    async def repair(self) -> None:
        """One listing and one query; only what differs is looked at one by one."""
        async with self._database.transaction_over_all() as session:
            campaigns = await live_recurring(session)
        try:
            listed = {each.campaign_id: each for each in await self._schedules.listed()}
            slots = asyncio.Semaphore(CONCURRENT_REPAIRS)
            async with asyncio.TaskGroup() as group:
                for campaign in campaigns:
                    if _differs(campaign, listed.get(campaign.id)):
                        group.create_task(self._mirror(slots, campaign.workspace_id, campaign.id))
                for campaign_id in listed.keys() - {campaign.id for campaign in campaigns}:
                    group.create_task(self._mirror(slots, None, campaign_id))
        except* RPCError as errors:
            logger.warning("schedules could not be looked after: %s", type(errors.exceptions[0]).__name__)
        for campaign in campaigns:
            if campaign.status != CampaignStatus.PAUSED:
                await self._make_good(campaign)

    async def _mirror(self, slots: asyncio.Semaphore, workspace_id: UUID | None, campaign_id: UUID) -> None:
        async with slots:
            if workspace_id is None:
                async with self._database.transaction_over_all() as session:
                    workspace_id = await workspace_of(session, campaign_id)
            if workspace_id is None:
                await self._schedules.delete(campaign_id)
                return
            done = await mirror(self._database, self._schedules, workspace_id, campaign_id)
            if done.campaign_changed:
                async with self._database.transaction(workspace_id) as session:
                    await wake(session, campaign_id)
                await self._workflows.nudge_campaign(campaign_id)

    async def _make_good(self, campaign: ScheduledCampaign) -> None:
        """Begin what was due and did not come, or note that it was missed."""
        recurrence = _recurrence_of(campaign)
        if recurrence is None:
            return
        async with self._database.transaction(campaign.workspace_id) as session:
            owed = await owed_after(session, campaign.id)
        if owed is None:
            return
        for due_at in recurrence.runs_between(owed, campaign.now - ON_ITS_WAY, most=RUNS_AT_ONCE):
            logger.warning("the run of campaign %s that was due at %s did not come", campaign.id, due_at.isoformat())
            await self._runs.begin(campaign.workspace_id, campaign.id, due_at)


def _differs(campaign: ScheduledCampaign, listed: ListedSchedule | None) -> bool:
    """True when a closer look is due. A listing does not tell who changed what."""
    try:
        wanted = wanted_schedule(campaign.status, campaign.paused_reason, campaign.settings, campaign.now)
    except (KeyError, TypeError, ValueError) as error:
        logger.error("the schedule of campaign %s cannot be read: %s", campaign.id, type(error).__name__)
        return False
    if listed is None or wanted is None:
        return listed is not None or wanted is not None
    timetable = listed.timetable
    if timetable is not None:
        timetable = replace(timetable, catch_up=wanted.timetable.catch_up)  # which no listing tells
    seen = SeenSchedule(timetable=timetable, paused=listed.paused, written_paused=listed.paused)
    return repair_for(wanted, seen) is not Repair.NOTHING


def _recurrence_of(campaign: ScheduledCampaign) -> Recurrence | None:
    try:
        return rules_from_json(campaign.settings).recurrence
    except (KeyError, TypeError, ValueError):
        return None
