import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.dial import CallRef, PlacedCall
from activities.ports import CallToStart
from dialer.domain.call_results import CallEnded
from tests.workers import at_work
from workflows.call import CallWorkflow
from workflows.options import BUILD, CONTROL_QUEUE, DIAL_QUEUE
from workflows.starts import WorkflowClient, call_workflow_id

ENDED = CallEnded(
    state="ended",
    disposition="busy",
    attempt="2 of 4",
    caller_number=12,
    dialed_at="2026-11-21T20:15:00Z",
    ringing_at="2026-11-21T20:15:02Z",
    answered_at="2026-11-21T20:15:03Z",
    ended_at="2026-11-21T20:15:04Z",
    talk_seconds=300,
    prospect_state="ready",
    next_due_at="2026-11-21T20:30:04Z",
    why="busy: redial 1 of 3",
)


class FakeDial:
    """Answers as told, under the names of the real activities; counts what was asked of it."""

    def __init__(self, placed: PlacedCall | Exception, reconciled: Sequence[CallEnded | Exception] = ()) -> None:
        self.placed = placed
        self.reconciled = list(reconciled)
        self.places = 0
        self.looks = 0

    @activity.defn
    async def place_call(self, call: CallRef) -> PlacedCall:
        self.places += 1
        if isinstance(self.placed, Exception):
            raise self.placed
        return self.placed

    @activity.defn
    async def reconcile_call(self, call: CallRef) -> CallEnded:
        self.looks += 1
        found = self.reconciled.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def working(client: Client, dial: FakeDial) -> tuple[Worker, Worker]:
    control = Worker(
        client,
        task_queue=CONTROL_QUEUE,
        workflows=[CallWorkflow],
        workflow_failure_exception_types=[Exception],
        build_id=BUILD,
    )
    return control, Worker(
        client,
        task_queue=DIAL_QUEUE,
        activities=[dial.place_call, dial.reconcile_call],
        disable_eager_activity_execution=True,
        build_id=BUILD,
    )


async def start(client: Client) -> tuple[UUID, "WorkflowHandle[CallWorkflow, CallEnded]"]:
    call_id = uuid4()
    door = WorkflowClient(client, public_url="https://dialer.example.com")
    await door.start_calls(
        [
            CallToStart(
                workspace_id=uuid4(),
                call_id=call_id,
                campaign_id=uuid4(),
                prospect_id=uuid4(),
                attempt=2,
                summary="Spring sale · attempt 2 of 4",
            )
        ]
    )
    return call_id, client.get_workflow_handle_for(CallWorkflow.run, call_workflow_id(call_id))


async def settled(handle: "WorkflowHandle[CallWorkflow, CallEnded]") -> None:
    """Until the call is placed and the workflow waits for its end."""
    for _ in range(500):
        history = await handle.fetch_history()
        if any(event.HasField("timer_started_event_attributes") for event in history.events):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the call does not wait for its end")


async def test_an_attempt_costs_what_was_measured(dev_server: WorkflowEnvironment) -> None:
    control, dial = working(dev_server.client, FakeDial(PlacedCall(wait_s=400)))
    async with at_work(control, dial):
        call_id, handle = await start(dev_server.client)
        await settled(handle)
        await WorkflowClient(dev_server.client).call_ended(call_id, ENDED)
        assert await handle.result() == ENDED
        history = await handle.fetch_history()
        info = (await handle.describe()).raw_description.workflow_execution_info
    assert len(history.events) == 18, "17 events, and the cancelled timer"
    assert info.state_transition_count <= 10
    assert info.history_size_bytes <= 3 * 1024


async def test_a_call_shows_its_summary_details_and_attributes(dev_server: WorkflowEnvironment) -> None:
    control, dial = working(dev_server.client, FakeDial(PlacedCall(wait_s=0, ended=ENDED)))
    async with at_work(control, dial):
        call_id, handle = await start(dev_server.client)
        await handle.result()
        description = await handle.describe()
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert await description.static_summary() == "Spring sale · attempt 2 of 4"
    assert str(call_id) in (await description.static_details() or "")
    assert attributes["Disposition"] == "busy"
    assert attributes["AttemptNumber"] == 2
    assert {"WorkspaceId", "CampaignId", "ProspectId"} <= attributes.keys()


async def test_a_call_is_placed_at_most_once_and_then_reconciled(skipping: WorkflowEnvironment) -> None:
    fake = FakeDial(ApplicationError("the worker died"), [ApplicationError("undecided"), ENDED])
    control, dial = working(skipping.client, fake)
    async with at_work(control, dial):
        _, handle = await start(skipping.client)
        assert await handle.result() == ENDED
    assert (fake.places, fake.looks) == (1, 2)


async def test_a_lost_signal_costs_time_only(skipping: WorkflowEnvironment) -> None:
    fake = FakeDial(PlacedCall(wait_s=400), [ENDED])
    control, dial = working(skipping.client, fake)
    async with at_work(control, dial):
        _, handle = await start(skipping.client)
        await settled(handle)
        await skipping.sleep(401)
        assert await handle.result() == ENDED
    assert fake.looks == 1


async def test_a_deferred_call_ends_at_once(skipping: WorkflowEnvironment) -> None:
    deferred = CallEnded(state="deferred", why="pace")
    control, dial = working(skipping.client, FakeDial(PlacedCall(wait_s=5, ended=deferred)))
    async with at_work(control, dial):
        _, handle = await start(skipping.client)
        assert await handle.result() == deferred


@pytest.mark.parametrize("args", [[], [None], ["junk"], [{"state": 7}], [1, 2, 3], [[1, 2]]], ids=repr)
async def test_a_signal_that_cannot_be_read_means_look_now(skipping: WorkflowEnvironment, args: list[object]) -> None:
    fake = FakeDial(PlacedCall(wait_s=400), [ENDED])
    control, dial = working(skipping.client, fake)
    async with at_work(control, dial):
        _, handle = await start(skipping.client)
        await settled(handle)
        await handle.signal("call_ended", args=args)
        assert await handle.result() == ENDED


async def test_starting_the_same_call_again_changes_nothing(skipping: WorkflowEnvironment) -> None:
    fake = FakeDial(PlacedCall(wait_s=0, ended=ENDED))
    control, dial = working(skipping.client, fake)
    call = CallToStart(
        workspace_id=uuid4(), call_id=uuid4(), campaign_id=None, prospect_id=None, attempt=1, summary="A call"
    )
    door = WorkflowClient(skipping.client)
    async with at_work(control, dial):
        await door.start_calls([call, call])
        await skipping.client.get_workflow_handle(call_workflow_id(call.call_id)).result()
        await door.start_calls([call])
    assert fake.places == 1
