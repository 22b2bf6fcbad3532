"""Workflows that run somewhere were begun by older code: today's code must make the same decisions from their past."""

import re
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.replay.branches import BRANCHES, IDENTITY, WORKFLOWS
from workflows.call import CallInput

HISTORIES = Path(__file__).with_name("histories")
RECORDED = sorted(HISTORIES.glob("*.json"))

WHAT_TO_DO = """
{name} does not replay: a workflow that was begun before this change would stop for ever.
Keep the old way for it and take the new one only where workflow.patched("what-changes") is true:
https://docs.temporal.io/develop/python/versioning
Then record the new way beside the old one: python -m scripts.record_histories {branch}
Never change or delete a recorded history.

{failure}
"""


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text("utf-8"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_todays_code_replays_what_was_recorded(path: Path) -> None:
    result = await Replayer(workflows=WORKFLOWS).replay_workflow(history(path), raise_on_replay_failure=False)
    if result.replay_failure is not None:
        branch = path.name.split(".")[0]
        pytest.fail(WHAT_TO_DO.format(name=path.name, branch=branch, failure=result.replay_failure), pytrace=False)


def test_every_branch_is_recorded() -> None:
    missing = BRANCHES.keys() - {path.name.split(".")[0] for path in RECORDED}
    assert not missing, "run python -m scripts.record_histories"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_tells_nothing_of_people_or_machines(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\+\d{7}|stackTrace|\"/[a-z]+/", text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) <= {IDENTITY, "temporal-scheduler-default-sweep"}


@workflow.defn(name="CallWorkflow", sandboxed=False)
class ImpatientCallWorkflow:
    """A change that must not go unnoticed: it asks the carrier without having placed the call."""

    @workflow.run
    async def run(self, call: CallInput) -> None:
        await workflow.sleep(1)


async def test_a_changed_order_of_commands_is_noticed() -> None:
    replayer = Replayer(workflows=[ImpatientCallWorkflow])
    recorded = history(HISTORIES / "call_reported.1.json")
    result = await replayer.replay_workflow(recorded, raise_on_replay_failure=False)
    assert isinstance(result.replay_failure, workflow.NondeterminismError)
