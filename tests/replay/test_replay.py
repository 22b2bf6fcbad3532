"""Workflows that run somewhere were begun by older code: today's code must make the same decisions from their past."""

import ast
import importlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.replay.branches import BRANCHES
from tests.replay.fingerprints import HISTORIES, branch_of, recorded, replay, stored, verdict
from tests.replay.recordings import IDENTITY, WORKFLOWS
from workflows.call import CallWorkflow

RECORDED = recorded()
SOURCES = [path.read_text("utf-8") for path in sorted((Path(__file__).parents[2] / "workflows").glob("*.py"))]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_todays_code_replays_what_was_recorded_and_asks_for_the_same(path: Path) -> None:
    replayed = await replay(path, WORKFLOWS, SandboxedWorkflowRunner())
    complaint = verdict(path.stem, replayed, stored().get(path.stem))
    if complaint is not None:
        pytest.fail(complaint, pytrace=False)


def test_every_branch_is_recorded() -> None:
    missing = BRANCHES.keys() - {branch_of(path.stem) for path in RECORDED}
    assert not missing, "run python -m scripts.record_histories"


def test_every_fingerprint_is_that_of_a_recorded_history() -> None:
    lost = stored().keys() - {path.stem for path in RECORDED}
    assert not lost, "a recorded history is never deleted: workflows of that time may still be open"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_tells_nothing_of_people_or_machines(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\+\d{7}|stackTrace|\"/[a-z]+/", text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) <= {IDENTITY, "temporal-scheduler-default-sweep"}


# -- in the sandbox ------------------------------------------------------------------------------------------------


def test_a_calls_workflow_alone_runs_outside_the_sandbox() -> None:
    definitions = {each: vars(each)["__temporal_workflow_definition"] for each in WORKFLOWS}
    assert [each for each, definition in definitions.items() if not definition.sandboxed] == [CallWorkflow]


async def test_histories_are_replayed_where_a_call_that_asks_for_the_time_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = [each for each in SOURCES if "class CallWorkflow" in each]
    line = "        placed = await self._place()\n"
    assert line in source
    (tmp_path / "careless.py").write_text(source.replace(line, f"{line}        __import__('time').time()\n"), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    careless = importlib.import_module("careless").CallWorkflow
    history = HISTORIES / "call_reported.1.json"
    assert (await replay(history, [careless], UnsandboxedWorkflowRunner())).failure is None
    failure = (await replay(history, [careless], SandboxedWorkflowRunner())).failure
    assert "time.time" in str(failure)


# -- the new way, too ----------------------------------------------------------------------------------------------


def test_the_new_way_of_every_patch_is_recorded() -> None:
    missing = patches(SOURCES) - {command for commands in stored().values() for command in map(patch_of, commands)}
    assert not missing, "old histories take the old way: run python -m scripts.record_histories BRANCH for the new one"


def test_a_patch_whose_new_way_is_not_recorded_is_noticed() -> None:
    patched = (
        'from temporalio import workflow\nif workflow.patched("ask-first"):\n    workflow.deprecate_patch("old")\n'
    )
    assert patches([patched]) == {"ask-first", "old"}
    assert patch_of("patch ask-first") == patch_of("patch ask-first | deprecated") == "ask-first"
    assert patch_of("timer | 5 s") is None


def test_a_patch_must_be_named_where_it_is_asked_for() -> None:
    with pytest.raises(AssertionError, match="literal"):
        patches(["workflow.patched(name)"])


def patches(sources: Iterable[str]) -> set[str]:
    """The names that workflow code gives to ``patched`` and ``deprecate_patch``."""
    found: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("patched", "deprecate_patch")):
                name = node.args[0]
                assert isinstance(name, ast.Constant), "a patch's name must be a literal"
                found.add(str(name.value))
    return found


def patch_of(command: str) -> str | None:
    matched = re.match(r"patch (\S+)", command)
    return matched.group(1) if matched else None


def test_every_kind_of_event_of_the_histories_is_one_that_a_branch_is_for() -> None:
    """What can come in from outside, at least once: without it the histories would prove less than they seem to."""
    kinds = {event["eventType"] for path in RECORDED for event in json.loads(path.read_text("utf-8"))["events"]}
    wanted = {
        "ACTIVITY_TASK_COMPLETED",
        "ACTIVITY_TASK_FAILED",
        "ACTIVITY_TASK_TIMED_OUT",
        "TIMER_FIRED",
        "TIMER_CANCELED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
        "WORKFLOW_EXECUTION_COMPLETED",
        "WORKFLOW_EXECUTION_FAILED",
        "WORKFLOW_EXECUTION_CANCELED",
        "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    }
    assert wanted <= {kind.removeprefix("EVENT_TYPE_") for kind in kinds}
