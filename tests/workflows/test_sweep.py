import asyncio
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.sweep import SweepRequest, Swept
from dialer.domain.restores import Mark
from tests.workers import at_work
from workflows.options import BUILD, CONTROL_QUEUE
from workflows.starts import SWEEP_ID, WorkflowClient
from workflows.sweep import SweepWorkflow

RECOVERED = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)


class FakeSweep:
    """Finds a mark that grows by ten with every sweep, and writes down which one it was told of."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.recovered: list[datetime | None] = []
        self.news = asyncio.Condition()

    @activity.defn
    async def sweep(self, request: SweepRequest) -> Swept:
        async with self.news:
            self.told.append(request.high_water)
            self.recovered.append(request.recovered_at)
            self.news.notify_all()
        return Swept(high_water=10 * len(self.told), recovered_at=RECOVERED)

    async def until_told(self, times: int) -> None:
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(lambda: len(self.told) >= times)


def working(environment: WorkflowEnvironment, fake: FakeSweep) -> Worker:
    return Worker(
        environment.client,
        task_queue=CONTROL_QUEUE,
        workflows=[SweepWorkflow],
        activities=[fake.sweep],
        workflow_failure_exception_types=[Exception],
        build_id=BUILD,
    )


async def test_the_first_sweep_knows_no_mark(skipping: WorkflowEnvironment) -> None:
    fake = FakeSweep()
    async with at_work(working(skipping, fake)):
        swept = await skipping.client.execute_workflow(SweepWorkflow.run, id="sweep", task_queue=CONTROL_QUEUE)
    assert (fake.told, swept) == ([0], Swept(high_water=10, recovered_at=RECOVERED))


async def test_every_sweep_of_the_schedule_is_told_the_mark_of_the_one_before(
    dev_server: WorkflowEnvironment,
) -> None:
    fake = FakeSweep()
    door = WorkflowClient(dev_server.client)
    async with at_work(working(dev_server, fake)):
        assert await door.last_mark() == Mark()
        for _ in range(2):  # every worker that starts asks for it
            await door.ensure_sweep(timedelta(hours=1))
        schedule = dev_server.client.get_schedule_handle(SWEEP_ID)
        for times in (1, 2, 3):
            await fake.until_told(times)
            await until_over(dev_server, times)
            await schedule.trigger()
        for _ in range(400):  # lists are a moment behind
            if (mark := await door.last_mark()).newest_call == 30:
                break
            await asyncio.sleep(0.05)
    assert mark == Mark(newest_call=30, recovered_at=RECOVERED)
    assert fake.told[:3] == [0, 10, 20]
    assert fake.recovered[:3] == [None, RECOVERED, RECOVERED]


async def until_over(environment: WorkflowEnvironment, times: int) -> None:
    """Until the Schedule knows that that many sweeps have ended: one that runs is not overlapped."""
    schedule = environment.client.get_schedule_handle(SWEEP_ID)
    async with asyncio.timeout(20):
        for _ in range(1000):
            info = (await schedule.describe()).info
            if info.num_actions >= times and not info.running_actions:
                return
            await asyncio.sleep(0.02)
