"""A campaign's activities that answer as told, under the names of the real ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.control import ControlRequest
from activities.dispatch import CampaignRef, Leg, LegEnd
from dialer.domain.restores import Mark
from tests.workers import at_work
from workflows.campaign import CampaignInput, CampaignView, CampaignWorkflow
from workflows.options import BUILD, CONTROL_QUEUE

UNTIL = "2031-01-01T09:00:00Z"
MORE = Leg(end=LegEnd.MORE, idle_s=0, waiting_for="", idle_until=None, claimed=3)
FINISHED = Leg(end=LegEnd.FINISHED, idle_s=0, waiting_for="", idle_until=None, claimed=0)
#: Far longer than any test: only a signal ends it.
ASLEEP = Leg(end=LegEnd.IDLE, idle_s=90 * 86400, waiting_for="the next redial", idle_until=UNTIL, claimed=0)

Handle = WorkflowHandle[CampaignWorkflow, CampaignView]
Step = Leg | Exception | Callable[[], Awaitable[Leg]]


class FakeCampaign:
    """Legs in the order given, the last one again and again; every control request is written down."""

    def __init__(self, *legs: Step, version: int = 7) -> None:
        self.legs = list(legs)
        self.version = version
        self.log: list[str] = []
        self.requests: list[ControlRequest] = []
        self.seen: list[Mark] = []
        self.news = asyncio.Condition()

    @activity.defn
    async def dispatch(self, ref: CampaignRef) -> Leg:
        self.seen.append(ref.seen)
        await self._note("leg")
        step = self.legs.pop(0) if len(self.legs) > 1 else self.legs[0]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Leg) else await step()

    @activity.defn
    async def read_control_version(self, campaign: CampaignRef) -> int:
        await self._note("version")
        return self.version

    @activity.defn
    async def control_campaign(self, request: ControlRequest) -> str:
        self.requests.append(request)
        await self._note(request.action)
        return request.action

    async def until(self, ready: Callable[[], bool]) -> None:
        """Until something that is written down makes ``ready`` true."""
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(ready)

    async def until_legs(self, count: int) -> None:
        await self.until(lambda: self.log.count("leg") >= count)

    async def _note(self, what: str) -> None:
        async with self.news:
            self.log.append(what)
            self.news.notify_all()


@asynccontextmanager
async def working(client: Client, fake: FakeCampaign) -> AsyncIterator[None]:
    worker = Worker(
        client,
        task_queue=CONTROL_QUEUE,
        workflows=[CampaignWorkflow],
        activities=[fake.dispatch, fake.read_control_version, fake.control_campaign],
        workflow_failure_exception_types=[Exception],
        build_id=BUILD,
    )
    async with at_work(worker):
        yield


async def start(client: Client) -> Handle:
    """A handle for whose result the skipping server skips time."""
    campaign = CampaignInput(workspace_id=str(uuid4()), campaign_id=str(uuid4()))
    return await client.start_workflow(
        CampaignWorkflow.run, campaign, id=f"campaign-{campaign.campaign_id}", task_queue=CONTROL_QUEUE
    )
