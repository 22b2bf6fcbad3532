"""A campaign's row and its Schedule in Temporal are made to agree: after every change, and by the sweep."""

import logging
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from dialer.domain.schedules import Repair, SeenSchedule, Timetable, WantedSchedule, repair_for, wanted_schedule
from dialer.domain.states import PausedReason
from dialer.store.control import LostRace, StateConflict, pause, resume
from dialer.store.database import Database
from dialer.store.scheduled_campaigns import ScheduledCampaign, read_scheduled

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSchedule:
    """A Schedule as a listing shows it, perhaps some seconds old."""

    campaign_id: UUID
    paused: bool
    timetable: Timetable | None


class Schedules(Protocol):
    """The Schedules of campaigns in Temporal. Each method may be tried again."""

    async def read(self, campaign_id: UUID) -> SeenSchedule | None:
        """As it is now; None when there is none."""
        ...

    async def write(self, workspace_id: UUID, campaign_id: UUID, name: str, wanted: WantedSchedule) -> None:
        """Make it so, whether there is one or not."""
        ...

    async def delete(self, campaign_id: UUID) -> None:
        """Leave none behind."""
        ...

    async def listed(self) -> list[ListedSchedule]:
        """Those of all campaigns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What was done. ``campaign_changed``: its row is another now, and whoever waits for it wants to be told."""

    repair: Repair

    @property
    def campaign_changed(self) -> bool:
        return self.repair in (Repair.PAUSE_CAMPAIGN, Repair.RESUME_CAMPAIGN)


async def mirror(
    database: Database, schedules: Schedules, workspace_id: UUID, campaign_id: UUID, *, anew: bool = False
) -> Mirrored:
    """Make row and Schedule agree; ``anew``: write it although they do.

    What is changed meanwhile is seen by the next who looks.
    """
    async with database.transaction(workspace_id) as session:
        campaign = await read_scheduled(session, campaign_id)
    wanted = None
    if campaign is not None and not campaign.hidden:
        wanted = wanted_schedule(campaign.status, campaign.paused_reason, campaign.settings, campaign.now)
    repair = repair_for(wanted, await schedules.read(campaign_id))
    if anew and repair is Repair.NOTHING and wanted is not None:
        repair = Repair.WRITE
    if repair is Repair.DELETE:
        await schedules.delete(campaign_id)
    elif wanted is not None and campaign is not None and repair is not Repair.NOTHING:
        if repair is not Repair.WRITE:
            changed = await _follow(database, campaign, repair)
            if changed is None:
                return Mirrored(repair=Repair.NOTHING)
            wanted = changed
        await schedules.write(workspace_id, campaign_id, campaign.name, wanted)
    if repair is not Repair.NOTHING:
        log.info("schedule of campaign %s: %s", campaign_id, repair)
    return Mirrored(repair=repair)


async def _follow(database: Database, campaign: ScheduledCampaign, repair: Repair) -> WantedSchedule | None:
    """Pause or resume the campaign as its Schedule was; what is wanted then, None when somebody else was faster."""
    version = campaign.control_version
    try:
        async with database.transaction(campaign.workspace_id) as session:
            if repair is Repair.PAUSE_CAMPAIGN:
                await pause(session, campaign.id, reason=PausedReason.SCHEDULE, expected_version=version)
            else:
                await resume(session, campaign.id, expected_version=version)
            after = await read_scheduled(session, campaign.id)
    except (LostRace, StateConflict):
        return None
    return None if after is None else wanted_schedule(after.status, after.paused_reason, after.settings, after.now)
