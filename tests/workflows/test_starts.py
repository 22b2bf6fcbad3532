"""What workflows carry from their start on, for whoever looks at them in the Temporal Web UI."""

from uuid import uuid4

from temporalio.testing import WorkflowEnvironment

from workflows.starts import WorkflowClient, batch_workflow_id, campaign_workflow_id, import_workflow_id


async def test_the_details_of_campaigns_imports_and_batches_link_to_the_api(dev_server: WorkflowEnvironment) -> None:
    door = WorkflowClient(dev_server.client, public_url="https://dialer.example.com")
    workspace_id, campaign_id, import_id, batch_id = (uuid4() for _ in range(4))
    await door.start_campaign(workspace_id, campaign_id, "Spring sale")
    await door.start_import(workspace_id, import_id, campaign_id)
    await door.start_batch(workspace_id, batch_id, campaign_id, "Spring sale")
    for workflow_id, path in (
        (campaign_workflow_id(campaign_id), f"campaigns/{campaign_id}"),
        (import_workflow_id(import_id), f"imports/{import_id}"),
        (batch_workflow_id(batch_id), f"batches/{batch_id}"),
    ):
        handle = dev_server.client.get_workflow_handle(workflow_id)
        details = await (await handle.describe()).static_details()
        assert details == f"[In the API](https://dialer.example.com/api/v1/{path})"
        await handle.terminate()
