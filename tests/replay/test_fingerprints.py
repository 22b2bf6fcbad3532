"""Copies of our workflows, each with one change, must not pass; and the message must say what to do."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from temporalio.worker import UnsandboxedWorkflowRunner

from tests.replay.fingerprints import HISTORIES, replay, stored, verdict
from workflows.sweep import SweepWorkflow

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """``old`` becomes ``new`` in a copy of one workflow, which then replays a history."""

    workflow: str
    history: str
    old: str
    new: str

    def made(self, monkeypatch: pytest.MonkeyPatch) -> type:
        """The class of the changed copy."""
        path = ROOT / "workflows" / f"{MODULES[self.workflow]}.py"
        source = path.read_text("utf-8")
        assert source.count(self.old) == 1, f"{path.name} has changed: {self.old!r} is not there once"
        module = ModuleType("mutant")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(source.replace(self.old, self.new), str(path), "exec"), module.__dict__)  # noqa: S102
        return getattr(module, self.workflow)


MODULES = {
    "CallWorkflow": "call",
    "CampaignWorkflow": "campaign",
    "ProspectImportWorkflow": "prospect_import",
    "SweepWorkflow": "sweep",
}

#: Open workflows would stop for ever: each needs ``workflow.patched``.
OTHER_COMMANDS = {
    "an activity more": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old="        placed = await self._place()\n",
        new="        placed = await self._place()\n        placed = await self._place()\n",
    ),
    "a timer less": Mutant(
        workflow="CallWorkflow",
        history="call_report_lost.1",
        old="if wait_s > 0 and not self._look:",
        new="if wait_s < 0:",
    ),
    "another activity": Mutant(
        workflow="CallWorkflow",
        history="call_answer_lost.1",
        old="DialActivities.reconcile_call",
        new="DialActivities.place_call",
    ),
    "an upsert less": Mutant(
        workflow="CallWorkflow",
        history="call_over_at_once.1",
        old="workflow.upsert_search_attributes([DISPOSITION.value_set(ended.disposition or ended.state)])",
        new="pass",
    ),
    "a memo more": Mutant(
        workflow="CampaignWorkflow",
        history="campaign_finished.1",
        old="        self._legs += 1\n",
        new="        self._legs += 1\n        workflow.upsert_memo({'legs': 1})\n",
    ),
    "a signal that is dropped": Mutant(
        workflow="CampaignWorkflow",
        history="campaign_controlled_while_idle.1",
        old='ACTIONS = ("pause", "resume", "stop")',
        new='ACTIONS = ("pause", "resume")',
    ),
    "a run that goes on instead of continuing as new": Mutant(
        workflow="CampaignWorkflow",
        history="campaign_continued_as_new.1",
        old="workflow.info().is_continue_as_new_suggested()",
        new="False",
    ),
    "a cancelled import that is not ended": Mutant(
        workflow="ProspectImportWorkflow",
        history="import_cancelled.1",
        old="                await self._cancel()\n",
        new="                pass\n",
    ),
    "a sweep that waits first": Mutant(
        workflow="SweepWorkflow",
        history="sweep_by_hand.1",
        old="        return await workflow.execute_activity_method(",
        new="        await workflow.sleep(1)\n        return await workflow.execute_activity_method(",
    ),
}

#: These replay, and yet something else happens than before.
OTHER_DETAILS = {
    "another timeout": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old='summary="ring once", **PLACE_CALL',
        new='summary="ring once", **{**PLACE_CALL, "start_to_close_timeout": timedelta(seconds=90)}',
    ),
    "a phone that is rung again by a machine": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old='summary="ring once", **PLACE_CALL',
        new='summary="ring once", **{**RECONCILE_CALL, "start_to_close_timeout": timedelta(seconds=20)}',
    ),
    "another task queue": Mutant(
        workflow="SweepWorkflow",
        history="sweep_by_hand.1",
        old="            **SWEEP,\n",
        new='            **{**SWEEP, "task_queue": "bulk"},\n',
    ),
    "no heartbeat": Mutant(
        workflow="SweepWorkflow",
        history="sweep_by_hand.1",
        old="            **SWEEP,\n",
        new='            **{**SWEEP, "heartbeat_timeout": None},\n',
    ),
    "another input": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old="DialActivities.place_call, self._call,",
        new="DialActivities.place_call, self._call.call_id,",
    ),
    "a longer summary": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old='summary="ring once"',
        new='summary="ring the phone of this person once and never again"',
    ),
    "another limit of a timer": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old="timeout=timedelta(seconds=wait_s)",
        new="timeout=timedelta(seconds=2 * wait_s)",
    ),
    "a field less in what survives continue-as-new": Mutant(
        workflow="CampaignWorkflow",
        history="campaign_continued_as_new.1",
        old="                        legs=self._legs,\n",
        new="                        legs=str(self._legs),\n",
    ),
    "another result": Mutant(
        workflow="CallWorkflow",
        history="call_reported.1",
        old="        return ended\n\n    @workflow.signal",
        new="        return ended.state\n\n    @workflow.signal",
    ),
}


async def complaint(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> str:
    path = HISTORIES / f"{mutant.history}.json"
    replayed = await replay(path, [mutant.made(monkeypatch)], UnsandboxedWorkflowRunner())
    found = verdict(mutant.history, replayed, stored()[mutant.history])
    assert found is not None, "the change went unnoticed"
    return found


@pytest.mark.parametrize("change", OTHER_COMMANDS)
async def test_other_commands_are_noticed_and_need_a_patch(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = OTHER_COMMANDS[change]
    said = await complaint(mutant, monkeypatch)
    branch = mutant.history.partition(".")[0]
    assert f"{mutant.workflow} no longer issues what it issued in {mutant.history} (branch {branch})" in said
    assert 'workflow.patched("what-changes")' in said
    assert f"python -m scripts.record_histories {branch}" in said
    assert "docs/deploying.md" in said


@pytest.mark.parametrize("change", OTHER_DETAILS)
async def test_other_details_are_noticed_although_the_history_replays(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = OTHER_DETAILS[change]
    said = await complaint(mutant, monkeypatch)
    assert f"{mutant.workflow} replays {mutant.history}" in said
    assert f"python -m scripts.record_fingerprints {mutant.history}" in said
    assert "\n  - " in said
    assert "\n  + " in said


async def test_a_copy_without_a_change_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "placed = await self._place()"
    unchanged = Mutant(workflow="CallWorkflow", history="call_reported.1", old=line, new=line)
    made = unchanged.made(monkeypatch)
    replayed = await replay(HISTORIES / f"{unchanged.history}.json", [made], UnsandboxedWorkflowRunner())
    assert verdict(unchanged.history, replayed, stored()[unchanged.history]) is None


async def test_a_history_without_a_fingerprint_says_how_to_make_one() -> None:
    replayed = await replay(HISTORIES / "sweep_by_hand.1.json", [SweepWorkflow], UnsandboxedWorkflowRunner())
    said = verdict("sweep_by_hand.1", replayed, None)
    assert said is not None
    assert "python -m scripts.record_fingerprints sweep_by_hand.1" in said
