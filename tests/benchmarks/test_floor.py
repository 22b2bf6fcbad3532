"""The floor is an attempt for the server, or a ratio to it means nothing."""

from contextlib import AsyncExitStack
from uuid import uuid4

from temporalio.testing import WorkflowEnvironment

from benchmarks.bare_workflows import BareAttempt
from benchmarks.floor import attempt, workers


async def test_a_bare_attempt_has_the_events_and_transitions_of_a_call(dev_server: WorkflowEnvironment) -> None:
    client = dev_server.client
    async with AsyncExitStack() as stack:
        for worker in workers(client):
            await stack.enter_async_context(worker)
        workflow_id = f"floor-{uuid4()}"
        await attempt(client, workflow_id)
        handle = client.get_workflow_handle_for(BareAttempt.run, workflow_id)
        history = await handle.fetch_history()
        info = (await handle.describe()).raw_description.workflow_execution_info
    assert len(history.events) == 18, "as in tests/workflows/test_call.py"
    assert 9 <= info.state_transition_count <= 10
    assert 2 * 1024 <= info.history_size_bytes <= 3 * 1024
