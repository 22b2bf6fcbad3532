"""What comes after the work is done must not fail the request whose work is done."""

from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID, uuid4

from api.operations.services import Services
from api.operations.waking import wake_campaign
from dialer.stack.ports import free_port
from dialer.store.database import Database
from workflows.starts import WorkflowClient


@dataclass
class Nudges:
    """Remembers which campaigns were nudged."""

    campaigns: list[UUID] = field(default_factory=list[UUID])

    async def nudge_campaign(self, campaign_id: UUID) -> None:
        self.campaigns.append(campaign_id)


async def test_a_campaign_is_nudged_when_the_database_fails_after_the_commit(services: Services) -> None:
    gone: Any = Database(f"postgresql://dialer@127.0.0.1:{free_port()}/dialer")
    nudges, campaign_id = Nudges(), uuid4()
    failing = replace(services, database=gone, workflows=cast("WorkflowClient", nudges))
    await wake_campaign(failing, uuid4(), campaign_id)
    assert nudges.campaigns == [campaign_id]
    await gone.close()
