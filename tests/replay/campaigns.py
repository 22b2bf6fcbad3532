"""Every way that a campaign's workflow can go."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.dispatch import CampaignRef, Leg, LegEnd
from tests.replay.recordings import Branch, Runs, over, runs_of, serving, until_event, until_pending
from tests.workflows.campaigns import ASLEEP, FINISHED, MORE, FakeCampaign
from workflows.options import CONTROL_QUEUE
from workflows.starts import WorkflowClient, campaign_workflow_id


async def run_campaign(
    environment: WorkflowEnvironment,
    fake: FakeCampaign,
    meanwhile: Callable[[WorkflowHandle[Any, Any]], Awaitable[None]] | None = None,
) -> Runs:
    """The campaign's runs, oldest first."""
    campaign_id = uuid4()
    activities = [fake.dispatch, fake.read_control_version, fake.control_campaign]
    async with serving(environment.client, CONTROL_QUEUE, activities):
        await WorkflowClient(environment.client).start_campaign(uuid4(), campaign_id, "Spring sale")
        handle = environment.client.get_workflow_handle(campaign_workflow_id(campaign_id))
        if meanwhile is not None:
            await meanwhile(handle)
        await over(handle)
        return await runs_of(environment.client, handle)


async def campaign_finished(environment: WorkflowEnvironment) -> Runs:
    return await run_campaign(environment, FakeCampaign(MORE, MORE, FINISHED))


async def campaign_idle_until_a_time(environment: WorkflowEnvironment) -> Runs:
    idle = Leg(end=LegEnd.IDLE, idle_s=0.2, waiting_for="the next redial", idle_until=ASLEEP.idle_until, claimed=0)
    return await run_campaign(environment, FakeCampaign(idle, FINISHED))


async def campaign_idle_without_a_time(environment: WorkflowEnvironment) -> Runs:
    idle = Leg(end=LegEnd.IDLE, idle_s=0.2, waiting_for="paused (user)", idle_until=None, claimed=0)
    return await run_campaign(environment, FakeCampaign(idle, FINISHED))


async def campaign_nudged(environment: WorkflowEnvironment) -> Runs:
    async def nudge(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.signal("nudge")

    return await run_campaign(environment, FakeCampaign(ASLEEP, FINISHED), nudge)


async def campaign_nudged_during_its_last_leg(environment: WorkflowEnvironment) -> Runs:
    nudged = asyncio.Event()

    async def finish_after_the_nudge() -> Leg:
        await nudged.wait()
        return FINISHED

    fake = FakeCampaign(finish_after_the_nudge, FINISHED)

    async def nudge(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.until_legs(1)
        await handle.signal("nudge")
        nudged.set()

    return await run_campaign(environment, fake, nudge)


async def campaign_controlled_while_idle(environment: WorkflowEnvironment) -> Runs:
    fake = FakeCampaign(ASLEEP)

    async def control(handle: WorkflowHandle[Any, Any]) -> None:
        for times, (action, args) in enumerate(CONTROLS, start=1):
            await handle.signal(action, args=args)
            await fake.until(lambda times=times: len(fake.requests) == times)
        fake.legs = [FINISHED]
        await handle.signal("nudge")

    return await run_campaign(environment, fake, control)


CONTROLS: list[tuple[str, list[object]]] = [("pause", [{"hang_up": True}]), ("resume", []), ("stop", ["junk"])]


async def campaign_controlled_during_a_leg(environment: WorkflowEnvironment) -> Runs:
    fake = FakeCampaign(FINISHED)

    async def until_paused() -> Leg:
        await fake.until(lambda: bool(fake.requests))
        return MORE

    fake.legs = [until_paused, FINISHED]

    async def pause(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.until_legs(1)
        await handle.signal("pause")

    return await run_campaign(environment, fake, pause)


async def campaign_continued_as_new(environment: WorkflowEnvironment) -> Runs:
    return await run_campaign(environment, FakeCampaign(*[MORE] * 9, FINISHED))


async def campaign_cancelled(environment: WorkflowEnvironment) -> Runs:
    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.cancel()

    return await run_campaign(environment, FakeCampaign(ASLEEP), cancel)


async def campaign_cancelled_during_a_leg(environment: WorkflowEnvironment) -> Runs:
    cancelled = asyncio.Event()

    async def until_cancelled() -> Leg:
        await cancelled.wait()
        return MORE

    fake = FakeCampaign(until_cancelled)

    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.until_legs(1)
        await handle.cancel()
        await over(handle)
        cancelled.set()

    return await run_campaign(environment, fake, cancel)


async def campaign_leg_tried_again(environment: WorkflowEnvironment) -> Runs:
    return await run_campaign(environment, FakeCampaign(ApplicationError("the database is away"), FINISHED))


async def campaign_leg_failed_for_good(environment: WorkflowEnvironment) -> Runs:
    """Nothing that we raise does that; a person can, with ``temporal activity fail``."""
    return await run_campaign(environment, FakeCampaign(ApplicationError("failed by hand", non_retryable=True)))


async def campaign_continued_as_new_while_idle(environment: WorkflowEnvironment) -> Runs:
    idle = Leg(end=LegEnd.IDLE, idle_s=0.05, waiting_for="the next redial", idle_until=ASLEEP.idle_until, claimed=0)
    return await run_campaign(environment, FakeCampaign(*[idle] * 6, FINISHED))


class SlowControl(FakeCampaign):
    """Reads the version only when ``go`` is set, or fails for good."""

    def __init__(self, *legs: Any, refused: bool = False) -> None:
        super().__init__(*legs)
        self.reading = asyncio.Event()
        self.go = asyncio.Event()
        self.refused = refused

    @activity.defn
    async def read_control_version(self, campaign: CampaignRef) -> int:
        self.reading.set()
        await self.go.wait()
        if self.refused:
            raise ApplicationError("failed by hand", non_retryable=True)
        return self.version


async def campaign_controlled_twice_at_once(environment: WorkflowEnvironment) -> Runs:
    fake = SlowControl(ASLEEP)

    async def control(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.signal("pause")
        await fake.reading.wait()
        await handle.signal("resume")
        fake.go.set()
        await fake.until(lambda: len(fake.requests) == 2)
        fake.legs = [FINISHED]
        await handle.signal("nudge")

    return await run_campaign(environment, fake, control)


async def campaign_controlled_during_its_last_leg(environment: WorkflowEnvironment) -> Runs:
    fake = SlowControl(FINISHED)

    async def until_asked() -> Leg:
        await fake.reading.wait()
        return FINISHED

    fake.legs = [until_asked, FINISHED]

    async def stop(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.until_legs(1)
        await handle.signal("stop")
        await until_pending(handle, "read_control_version")
        fake.go.set()

    return await run_campaign(environment, fake, stop)


async def campaign_controlled_before_it_continued_as_new(environment: WorkflowEnvironment) -> Runs:
    fake = SlowControl(*[MORE] * 9, FINISHED)

    async def pause(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.signal("pause")
        await until_pending(handle, "read_control_version", events=30)
        fake.go.set()

    return await run_campaign(environment, fake, pause)


async def campaign_cancelled_during_a_control(environment: WorkflowEnvironment) -> Runs:
    fake = SlowControl(ASLEEP)

    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.signal("pause")
        await fake.reading.wait()
        await until_event(handle, "timer_started_event_attributes")
        await handle.cancel()
        await over(handle)
        fake.go.set()

    return await run_campaign(environment, fake, cancel)


async def campaign_told_nonsense(environment: WorkflowEnvironment) -> Runs:
    fake = FakeCampaign(ASLEEP)

    async def mumble(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.signal("nonsense", args=[{"hang_up": True}, 7])
        await handle.signal("pause", args=[b"\xff"])
        await fake.until(lambda: bool(fake.requests))
        fake.legs = [FINISHED]
        await handle.signal("nudge", args=["junk"])

    return await run_campaign(environment, fake, mumble)


CAMPAIGNS: tuple[Branch, ...] = (
    *(campaign_finished, campaign_idle_until_a_time, campaign_idle_without_a_time, campaign_nudged),
    *(campaign_nudged_during_its_last_leg, campaign_controlled_while_idle, campaign_controlled_during_a_leg),
    *(campaign_continued_as_new, campaign_cancelled, campaign_cancelled_during_a_leg, campaign_leg_tried_again),
    *(campaign_leg_failed_for_good, campaign_continued_as_new_while_idle, campaign_controlled_twice_at_once),
    *(campaign_controlled_during_its_last_leg, campaign_controlled_before_it_continued_as_new),
    *(campaign_cancelled_during_a_control, campaign_told_nonsense),
)
