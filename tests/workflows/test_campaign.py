import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import RawValue
from temporalio.testing import WorkflowEnvironment

from activities.dispatch import Leg, LegEnd
from dialer.domain.restores import Mark
from tests.fixtures_temporal import ATTRIBUTES, binary
from tests.workflows.campaigns import ASLEEP, FINISHED, MORE, UNTIL, FakeCampaign, Handle, start, working
from workflows.campaign import CampaignView
from workflows.starts import WorkflowClient, campaign_workflow_id

RECOVERED = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)
JSON = {"encoding": b"json/plain"}
#: What people and programs may send by mistake: nothing, null, words, wrong types, too much, and what no one can read.
JUNK: list[list[Any]] = [
    [],
    [None],
    ["junk"],
    ["true"],
    [1],
    [False],
    [{"hang_up": "yes"}],
    [{"hang_up": True, "extra": 1}],
    [[True]],
    [1, 2, 3],
    [None, True],
    [b"\x00\xff"],
    [RawValue(Payload(metadata=JSON, data=b""))],
    [RawValue(Payload(metadata=JSON, data=b"{"))],
    [RawValue(Payload(metadata=JSON, data=b"\xff\xfe"))],
    [RawValue(Payload(metadata=JSON, data=b"9" * 5000))],
    [RawValue(Payload(metadata=JSON, data=b"[" * 100_000))],
    [RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"\x8a\x00true"))],
]


@pytest.fixture
async def short_histories() -> AsyncIterator[WorkflowEnvironment]:
    """A development server that suggests to continue as new after a few legs."""
    extra = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=30"]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"),
        search_attributes=list(ATTRIBUTES),
        dev_server_log_level="error",
        dev_server_extra_args=extra,
    ) as environment:
        yield environment


async def status(handle: Handle) -> CampaignView:
    return await handle.query("status", result_type=CampaignView)


async def until_idle(handle: Handle) -> None:
    """Until the workflow has seen the end of its leg."""
    for _ in range(1000):
        if (await status(handle)).phase == "idle":
            return
        await asyncio.sleep(0.01)
    pytest.fail("the campaign is not idle")


async def timers(handle: Handle) -> tuple[list[timedelta], int]:
    """The timers that the workflow has set, and how many of them rang."""
    events = (await handle.fetch_history()).events
    set_for = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for event in events
        if event.HasField("timer_started_event_attributes")
    ]
    return set_for, sum(event.HasField("timer_fired_event_attributes") for event in events)


async def test_legs_follow_each_other_until_the_campaign_is_finished(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(MORE, MORE, FINISHED)
    async with working(skipping.client, fake):
        view = await (await start(skipping.client)).result()
    assert view == CampaignView(phase="finished", legs=3, waiting_for="", idle_until=None)
    assert fake.log == ["leg"] * 3


@pytest.mark.parametrize("until", [UNTIL, None], ids=["until a known time", "without a known time"])
async def test_an_idle_campaign_sleeps_on_a_timer_and_looks_again(
    skipping: WorkflowEnvironment, until: str | None
) -> None:
    idle = Leg(end=LegEnd.IDLE, idle_s=3600, waiting_for="calling hours to open", idle_until=until, claimed=0)
    fake = FakeCampaign(idle, FINISHED)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await handle.result()
    assert await timers(handle) == ([timedelta(hours=1)], 1)
    assert fake.log == ["leg", "leg"]


async def test_a_nudge_cuts_the_wait_short(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(ASLEEP, FINISHED)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await until_idle(handle)
        await handle.signal("nudge")
        await handle.result()
    assert await timers(handle) == ([timedelta(seconds=ASLEEP.idle_s)], 0)
    assert fake.log == ["leg", "leg"]


async def test_a_nudge_that_comes_during_a_leg_starts_another_one_at_once(skipping: WorkflowEnvironment) -> None:
    nudged = asyncio.Event()

    async def idle_after_the_nudge() -> Leg:
        await nudged.wait()
        return ASLEEP

    fake = FakeCampaign(idle_after_the_nudge, FINISHED)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await fake.until_legs(1)
        await handle.signal("nudge")
        nudged.set()
        await handle.result()
    assert await timers(handle) == ([], 0)
    assert fake.log == ["leg", "leg"]


async def test_a_campaign_that_is_launched_again_while_its_last_leg_ends_goes_on(
    skipping: WorkflowEnvironment,
) -> None:
    launched = asyncio.Event()

    async def finish_after_the_launch() -> Leg:
        await launched.wait()
        return FINISHED

    fake = FakeCampaign(finish_after_the_launch, MORE, FINISHED)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await fake.until_legs(1)
        await handle.signal("nudge")
        launched.set()
        view = await handle.result()
    assert view.legs == 3


@pytest.mark.parametrize("name", ["pause", "resume", "stop"])
async def test_a_signal_that_cannot_be_read_means_the_default(skipping: WorkflowEnvironment, name: str) -> None:
    fake = FakeCampaign(ASLEEP)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        for args in JUNK:
            await handle.signal(name, args=args)
        await fake.until(lambda: len(fake.requests) == len(JUNK))
        fake.legs = [FINISHED]
        await handle.signal("nudge")
        await handle.result()
    assert {(request.action, request.hang_up, request.expected_version) for request in fake.requests} == {
        (name, False, 7)
    }


async def test_a_nudge_and_unknown_signals_change_nothing_whatever_they_carry(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(ASLEEP)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        for args in JUNK:
            await handle.signal("nudge", args=args)
            await handle.signal("whatever", args=args)
        fake.legs = [FINISHED]
        await handle.signal("nudge")
        await handle.result()
    assert set(fake.log) == {"leg"}


@pytest.mark.parametrize("argument", [True, {"hang_up": True}, {"calls": "hang_up"}], ids=repr)
async def test_calls_are_hung_up_when_a_signal_says_so(skipping: WorkflowEnvironment, argument: object) -> None:
    fake = FakeCampaign(ASLEEP)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await handle.signal("pause", argument)
        await handle.signal("stop", args=[argument, "and more"])
        await fake.until(lambda: len(fake.requests) == 2)
    assert [(request.action, request.hang_up) for request in fake.requests] == [("pause", True), ("stop", True)]


async def test_a_change_is_meant_for_the_version_that_was_current_when_the_signal_came(
    skipping: WorkflowEnvironment,
) -> None:
    fake = FakeCampaign(ASLEEP, version=41)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await until_idle(handle)
        for action in ("pause", "resume", "stop"):
            await handle.signal(action)
        await fake.until(lambda: len(fake.requests) == 3)
    assert [entry for entry in fake.log if entry != "leg"] == [
        "version",
        "pause",
        "version",
        "resume",
        "version",
        "stop",
    ]
    assert {request.expected_version for request in fake.requests} == {41}
    assert {f"campaign-{request.campaign.campaign_id}" for request in fake.requests} == {handle.id}


async def test_a_pause_does_not_wait_for_the_leg_that_runs(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(FINISHED)

    async def until_paused() -> Leg:
        await fake.until(lambda: bool(fake.requests))
        return ASLEEP

    fake.legs = [until_paused, FINISHED]
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await fake.until_legs(1)
        await handle.signal("pause")
        await handle.result()
    assert fake.log[:4] == ["leg", "version", "pause", "leg"], "and then a leg sees what became of it"


async def test_a_finished_campaign_carries_out_what_was_asked_before_it_ends(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(FINISHED)
    signalled = asyncio.Event()

    async def finish_after_the_signal() -> Leg:
        await signalled.wait()
        return FINISHED

    fake.legs = [finish_after_the_signal, FINISHED]
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await fake.until_legs(1)
        await handle.signal("stop")
        signalled.set()
        await handle.result()
    assert [request.action for request in fake.requests] == ["stop"]


async def test_a_leg_that_fails_is_tried_again(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(RuntimeError("the database was away"), FINISHED)
    async with working(skipping.client, fake):
        view = await (await start(skipping.client)).result()
    assert (view.legs, fake.log) == (1, ["leg", "leg"])


async def test_the_status_tells_what_is_waited_for_and_until_when(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(ASLEEP)
    async with working(skipping.client, fake):
        handle = await start(skipping.client)
        await until_idle(handle)
        view = await status(handle)
    assert view == CampaignView(phase="idle", legs=1, waiting_for="the next redial", idle_until=UNTIL)


async def test_a_long_history_is_continued_as_new_and_the_legs_are_counted_on(
    short_histories: WorkflowEnvironment,
) -> None:
    client = short_histories.client
    marks = [Mark(newest_call=legs, recovered_at=RECOVERED) for legs in range(1, 10)]
    fake = FakeCampaign(*[replace(MORE, seen=mark) for mark in marks], FINISHED)
    async with working(client, fake):
        handle = await start(client)
        view = await handle.result()
        first = await client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).describe()
        last = await client.get_workflow_handle(handle.id).describe()
    assert view.legs == fake.log.count("leg") == 10
    assert fake.seen == [Mark(), *marks], "how far the campaign had come is told from leg to leg"
    assert first.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert last.run_id != first.run_id


async def test_a_campaign_is_started_once_and_again_after_its_end(skipping: WorkflowEnvironment) -> None:
    fake = FakeCampaign(ASLEEP)
    door, campaign_id = WorkflowClient(skipping.client), uuid4()
    async with working(skipping.client, fake):
        runs: set[str | None] = set()
        for _ in range(2):
            await door.start_campaign(uuid4(), campaign_id, "Spring sale")
            runs.add((await skipping.client.get_workflow_handle(campaign_workflow_id(campaign_id)).describe()).run_id)
        assert len(runs) == 1
        fake.legs = [FINISHED]
        await door.nudge_campaign(campaign_id)
        await skipping.client.get_workflow_handle(campaign_workflow_id(campaign_id)).result()
        await door.nudge_campaign(campaign_id)
        await door.start_campaign(uuid4(), campaign_id, "Spring sale")
        again = skipping.client.get_workflow_handle(campaign_workflow_id(campaign_id))
        assert (await again.describe()).run_id not in runs
        await again.result()
