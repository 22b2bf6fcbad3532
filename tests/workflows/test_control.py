"""Signals from the Temporal UI change the campaign's row as the API does, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from activities.control import ControlActivities, ControlRequest
from activities.dispatch import CampaignRef, DispatchActivities
from activities.wakeups import Wakeups
from dialer.domain.timing import Timing
from dialer.store import control
from dialer.store.database import Database
from dialer.store.gates import defer
from tests.activities.recorders import Recorder
from tests.store.lines import TIMING, call_row, claim_one, gate, make_line
from tests.store.worlds import World
from tests.workers import at_work
from workflows.campaign import CampaignInput, CampaignWorkflow
from workflows.options import CONTROL_QUEUE


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    database = Database(module_database_url, pool_size=6)
    yield database
    await database.close()


def reference(line: World) -> CampaignRef:
    return CampaignRef(workspace_id=str(line.workspace_id), campaign_id=str(line.campaign_id))


async def row(line: World) -> Any:
    return (await line.read("SELECT status, control_version, paused_reason FROM campaigns WHERE id = :c"))[0]


async def version_of(line: World) -> int:
    return await ActivityEnvironment().run(ControlActivities(line.database).read_control_version, reference(line))


async def ask(line: World, action: str, *, version: int | None = None, hang_up: bool = False) -> str:
    """What a signal becomes: the version as it is now, and then the change."""
    meant_for = await version_of(line) if version is None else version
    request = ControlRequest(campaign=reference(line), action=action, hang_up=hang_up, expected_version=meant_for)
    return await ActivityEnvironment().run(ControlActivities(line.database).control_campaign, request)


async def test_a_campaign_is_paused_resumed_and_stopped(database: Database) -> None:
    line = await make_line(database, people=1)
    assert [await ask(line, action) for action in ("pause", "resume", "stop")] == ["paused", "running", "stopped"]
    assert (await row(line)).control_version == 4


async def test_a_change_by_signal_wakes_a_leg_that_rests(database: Database) -> None:
    line = await make_line(database, people=1)
    wakeups = Wakeups(database.url)
    with wakeups.listen(line.campaign_id) as woken:
        listening = asyncio.create_task(wakeups.run())
        assert await woken.wait(10), "once it listens"
        assert await ask(line, "pause") == "paused"
        assert await woken.wait(10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_pause_asked_for_twice_is_one_pause(database: Database) -> None:
    line = await make_line(database, people=1)
    assert [await ask(line, "pause"), await ask(line, "pause")] == ["paused", "paused"]
    assert ((await row(line)).control_version, (await row(line)).paused_reason) == (2, "user")


async def test_a_change_that_somebody_else_was_quicker_with_is_dropped(database: Database) -> None:
    line = await make_line(database, people=1)
    seen = await version_of(line)
    async with database.transaction(line.workspace_id) as session:
        await control.pause(session, line.campaign_id)
        await control.resume(session, line.campaign_id)
    assert (await ask(line, "stop", version=seen)).startswith("dropped: ")
    assert (await row(line)).status == "running"


async def test_only_one_of_two_changes_for_the_same_version_is_made(database: Database) -> None:
    line = await make_line(database, people=1)
    seen = await version_of(line)
    answers = await asyncio.gather(ask(line, "pause", version=seen), ask(line, "stop", version=seen))
    assert sorted(answer.split(":")[0] for answer in answers) in (["dropped", "paused"], ["dropped", "stopped"])
    assert (await row(line)).control_version == 2


@pytest.mark.parametrize(("status", "action"), [("completed", "pause"), ("stopped", "resume"), ("draft", "pause")])
async def test_a_change_that_the_status_does_not_allow_is_dropped(database: Database, status: str, action: str) -> None:
    line = await make_line(database, people=0)
    await line.run("UPDATE campaigns SET status = :status WHERE id = :c", status=status)
    assert await ask(line, action) == f"dropped: the campaign is {status}"
    assert (await row(line)).status == status


async def test_a_change_of_a_campaign_that_is_gone_is_dropped(database: Database) -> None:
    line = replace(await make_line(database, people=0), campaign_id=uuid4())
    assert (await ask(line, "stop")).startswith("dropped: ")


@pytest.mark.parametrize("hang_up", [False, True])
async def test_live_calls_are_hung_up_when_asked_for_and_only_then(database: Database, hang_up: bool) -> None:
    line = await make_line(database, people=1)
    call = await claim_one(line)
    await gate(line, call.call_id)
    await ask(line, "pause", hang_up=hang_up)
    assert ((await call_row(line, call.call_id)).hang_up_at is not None) == hang_up


async def test_signals_of_a_running_workflow_change_the_row_and_end_the_campaign(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    line = await make_line(database, people=1)
    call = await claim_one(line)
    dispatch = DispatchActivities(database, Recorder(), Wakeups(database.url), timing=Timing(leg_s=0))
    controls = ControlActivities(database)
    worker = Worker(
        skipping.client,
        task_queue=CONTROL_QUEUE,
        workflows=[CampaignWorkflow],
        activities=[dispatch.dispatch, controls.read_control_version, controls.control_campaign],
        workflow_failure_exception_types=[Exception],
    )
    async with at_work(worker):
        handle = await skipping.client.start_workflow(
            CampaignWorkflow.run,
            CampaignInput(workspace_id=str(line.workspace_id), campaign_id=str(line.campaign_id)),
            id="campaign",
            task_queue=CONTROL_QUEUE,
        )
        await handle.signal("pause", {"hang_up": True})
        await until_status(line, "paused")
        assert (await call_row(line, call.call_id)).hang_up_at is not None
        await handle.signal("resume")
        await until_status(line, "running")
        await handle.signal("stop")
        await until_status(line, "stopped")
        async with database.transaction(line.workspace_id) as session:
            await defer(session, call.call_id, "hang_up", TIMING)
        await handle.signal("nudge")
        await handle.result()
    assert (await row(line)).status == "stopped"
    assert await line.tally() == {"expired": 1}


async def until_status(line: World, status: str) -> None:
    for _ in range(500):
        if (await row(line)).status == status:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"the campaign is not {status}")
