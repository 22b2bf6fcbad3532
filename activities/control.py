"""Pause, resume and stop that were asked for by signal: the same compare-and-set as the API's."""

import logging
from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from activities.dispatch import CampaignRef
from dialer.store.control import LostRace, StateConflict, control_version, pause, resume, stop
from dialer.store.database import Database
from dialer.store.waking import wake

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """``action`` (pause, resume or stop), meant for the campaign as it was at ``expected_version``."""

    campaign: CampaignRef
    action: str
    hang_up: bool
    expected_version: int


class ControlActivities:
    """On the ``control`` queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def read_control_version(self, campaign: CampaignRef) -> int:
        """The version that is current now, when the signal has come."""
        async with self._database.transaction(UUID(campaign.workspace_id)) as session:
            return await control_version(session, UUID(campaign.campaign_id))

    @activity.defn
    async def control_campaign(self, request: ControlRequest) -> str:
        """Change the row unless somebody else has since: a lost race is dropped. Tells what became of it."""
        workspace_id, campaign_id = UUID(request.campaign.workspace_id), UUID(request.campaign.campaign_id)
        version = request.expected_version
        try:
            async with self._database.transaction(workspace_id) as session:
                match request.action:
                    case "pause":
                        done = await pause(session, campaign_id, hang_up=request.hang_up, expected_version=version)
                    case "resume":
                        done = await resume(session, campaign_id, expected_version=version)
                    case _:
                        done = await stop(session, campaign_id, hang_up=request.hang_up, expected_version=version)
        except (LostRace, StateConflict, LookupError) as error:
            logger.info("%s of campaign %s dropped: %s", request.action, campaign_id, error)
            return f"dropped: {error}"
        # The workflow sees to itself if it is idle; a leg that runs may rest for long.
        async with self._database.transaction(workspace_id) as session:
            await wake(session, campaign_id)
        return done.status.value
