"""What today's code asks of Temporal when a recorded history is replayed, in words, and what it asked before.

The replayer itself compares only what it needs to go on: kinds of commands and types of activities. It accepts another
task queue, another timeout or another input. So every command that workflow code issues is written down here, as
``kind | details``, and compared with ``fingerprints.json``.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, RetryPolicy
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

HISTORIES = Path(__file__).with_name("histories")
FINGERPRINTS = Path(__file__).with_name("fingerprints.json")

Fingerprint = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the code issued while one history was replayed, and why the replay failed, if it did."""

    workflow: str
    commands: Fingerprint
    failure: BaseException | None


def recorded() -> list[Path]:
    return sorted(HISTORIES.glob("*.json"))


def branch_of(name: str) -> str:
    """``call_reported.2`` is another recording of ``call_reported``."""
    return name.split(".")[0]


def stored() -> dict[str, list[str]]:
    return json.loads(FINGERPRINTS.read_text("utf-8")) if FINGERPRINTS.exists() else {}


async def store(names: Iterable[str], workflows: Sequence[type], runner: WorkflowRunner) -> None:
    """Write what today's code issues as the fingerprints of these histories."""
    known: dict[str, Fingerprint] = dict(stored())
    for name in names:
        known[name] = (await replay(HISTORIES / f"{name}.json", workflows, runner)).commands
    FINGERPRINTS.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text("utf-8"))


async def replay(path: Path, workflows: Sequence[type], runner: WorkflowRunner) -> Replayed:
    """Replay one history and listen to what the workflow asks for."""
    listener = Listener(runner)
    history = read(path)
    started = history.events[0].workflow_execution_started_event_attributes
    replayer = Replayer(workflows=workflows, workflow_runner=listener, unsandboxed_workflow_runner=listener)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return Replayed(workflow=started.workflow_type.name, commands=listener.heard, failure=result.replay_failure)


# -- listening to a workflow ---------------------------------------------------------------------------------------


class Listener(WorkflowRunner):
    """Runs workflows with another runner and writes down the commands that they issue."""

    def __init__(self, runner: WorkflowRunner) -> None:
        self.heard: list[str] = []
        self._runner = runner

    def prepare_workflow(self, defn: Any) -> None:
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return Overheard(self._runner.create_instance(det), self.heard)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._runner.set_worker_level_failure_exception_types(types)


class Overheard(WorkflowInstance):
    """One workflow, and the list that its commands are written to."""

    def __init__(self, instance: WorkflowInstance, heard: list[str]) -> None:
        self._instance = instance
        self._heard = heard

    def activate(self, act: Any) -> Any:
        completion = self._instance.activate(act)
        self._heard += [in_words(command) for command in completion.successful.commands]
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


# -- a command in words --------------------------------------------------------------------------------------------


def in_words(command: Any) -> str:
    """``kind | details``: what the replayer compares, and what only we do."""
    variant = command.WhichOneof("variant")
    asked = getattr(command, variant)
    kind, details = _WORDS.get(variant, _otherwise)(variant, asked)
    summary = command.user_metadata.summary
    if summary.data:
        details = [*details, f"summary {json.loads(summary.data)!r}"]
    return f"{kind} | {', '.join(details)}" if details else kind


def _activity(variant: str, asked: Any) -> tuple[str, list[str]]:
    patience = (
        ("start-to-close", asked.start_to_close_timeout),
        ("schedule-to-close", asked.schedule_to_close_timeout),
        ("schedule-to-start", getattr(asked, "schedule_to_start_timeout", None)),
        ("heartbeat", getattr(asked, "heartbeat_timeout", None)),
    )
    details = [f"on {asked.task_queue}"] if variant == "schedule_activity" else []
    details += [f"{name} {_seconds(limit)}" for name, limit in patience if limit is not None and _is_set(limit)]
    details += [_retries(asked.retry_policy), *_shapes("input", asked.arguments)]
    return f"{'' if variant == 'schedule_activity' else 'local '}activity {asked.activity_type}", details


def _timer(variant: str, asked: Any) -> tuple[str, list[str]]:
    return "timer", [_seconds(asked.start_to_fire_timeout)]


def _child(variant: str, asked: Any) -> tuple[str, list[str]]:
    kind = asked.workflow_id.split("-")[0]
    closing = f"parent close {asked.parent_close_policy}, cancellation {asked.cancellation_type}"
    known = sorted(asked.search_attributes.indexed_fields)
    details = [f"id {kind}-…", f"on {asked.task_queue}", closing, f"attributes {known}", *_shapes("input", asked.input)]
    return f"child {asked.workflow_type}", details


def _completed(variant: str, asked: Any) -> tuple[str, list[str]]:
    return "complete", _shapes("result", [asked.result])


def _failed(variant: str, asked: Any) -> tuple[str, list[str]]:
    return "fail", [asked.failure.WhichOneof("failure_info") or "without a kind"]


def _continued(variant: str, asked: Any) -> tuple[str, list[str]]:
    queue = [f"on {asked.task_queue}"] if asked.task_queue else []
    return f"continue as new {asked.workflow_type}", [*queue, *_shapes("input", asked.arguments)]


def _upserted(variant: str, asked: Any) -> tuple[str, list[str]]:
    return "upsert", sorted(asked.search_attributes.indexed_fields)


def _patch(variant: str, asked: Any) -> tuple[str, list[str]]:
    return f"patch {asked.patch_id}", ["deprecated"] if asked.deprecated else []


def _otherwise(variant: str, asked: Any) -> tuple[str, list[str]]:
    """Signals to others and the like, of which there are none yet: everything that they say."""
    return variant.replace("_", " "), [" ".join(str(asked).split())] if asked.ListFields() else []


def _without_details(variant: str, asked: Any) -> tuple[str, list[str]]:
    return variant.replace("_", " "), []


_WORDS: Mapping[str, Any] = {
    "schedule_activity": _activity,
    "schedule_local_activity": _activity,
    "start_timer": _timer,
    "start_child_workflow_execution": _child,
    "complete_workflow_execution": _completed,
    "fail_workflow_execution": _failed,
    "continue_as_new_workflow_execution": _continued,
    "upsert_workflow_search_attributes": _upserted,
    "set_patch_marker": _patch,
    "cancel_timer": _without_details,
    "request_cancel_activity": _without_details,
    "cancel_child_workflow_execution": _without_details,
    "cancel_workflow_execution": _without_details,
}


def _is_set(limit: Duration) -> bool:
    return limit.seconds > 0 or limit.nanos > 0


def _seconds(limit: Duration) -> str:
    return f"{limit.seconds + limit.nanos / 1e9:.15g} s"


def _retries(policy: RetryPolicy) -> str:
    if policy.maximum_attempts == 1:
        return "never again"
    limit = f"{policy.maximum_attempts} times" if policy.maximum_attempts else "until done"
    longest = _seconds(policy.maximum_interval)
    return f"{limit} after {_seconds(policy.initial_interval)} × {policy.backoff_coefficient:g} up to {longest}"


def _shapes(what: str, payloads: Iterable[Payload]) -> list[str]:
    return [f"{what} {_shape(json.loads(payload.data))}" for payload in payloads if payload.data]


def _shape(value: Any) -> str:
    """The names and kinds of what is sent: another activity's code has to read it, perhaps an older one."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shape(part)}" for key, part in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + " or ".join(sorted({_shape(part) for part in value})) + "]"
    return "none" if value is None else type(value).__name__


# -- what a difference means ---------------------------------------------------------------------------------------

OTHER_COMMANDS = """
{workflow} no longer issues what it issued in {name} (branch {branch}).

{difference}
{failure}
A workflow that was begun before this change and is still open would stop: its task fails and is tried again for ever.

1. Keep the old way for it, and take the new one only where workflow.patched("what-changes") is true. There is no
   need for that only while no installation can have an open {workflow} of the old sequence: calls are open for
   minutes, imports for hours, campaigns for weeks.
2. Record the new way beside the old one, with its fingerprint: python -m scripts.record_histories {branch}
3. Leave the old history and its fingerprint as they are: with patched they pass again.

docs/deploying.md says more.
"""

OTHER_DETAILS = """
{workflow} replays {name} (branch {branch}), and yet it asks for something else than before.
No open workflow stops, and workflow.patched is not needed.

{difference}

While a new version is rolled out, workers of both versions serve the same task queues:
- input, result: fields may be added if they have a default. One that is renamed, removed or of another type cannot be
  read by the other version; for place_call that is a call that fails and has to be looked up at the carrier.
- task queue: workers must serve the new one before workflows use it, and the old one until nothing waits there.
- timeouts, retries: they hold for what is scheduled from now on. Read dialer/domain/timing.py, which promises them.
- summaries and other texts: every attempt's history keeps them, so they must be short and tell nothing of people.

If this is what you want: python -m scripts.record_fingerprints {name}
(--all for all of them; then read what has changed in fingerprints.json)
"""

NOT_STORED = "There is no fingerprint of {name}: python -m scripts.record_fingerprints {name}"


def verdict(name: str, replayed: Replayed, before: Fingerprint | None) -> str | None:
    """What to do about a history that is not replayed as before; None when all is as it was."""
    if before is None:
        return NOT_STORED.format(name=name)
    if replayed.failure is None and list(replayed.commands) == list(before):
        return None
    same_kinds = [_kind(command) for command in replayed.commands] == [_kind(command) for command in before]
    text = OTHER_DETAILS if same_kinds and replayed.failure is None else OTHER_COMMANDS
    failure = "" if replayed.failure is None else f"\n{type(replayed.failure).__name__}: {replayed.failure}\n"
    return text.format(
        workflow=replayed.workflow,
        name=name,
        branch=branch_of(name),
        difference=difference(before, replayed.commands),
        failure=failure,
    )


def difference(before: Fingerprint, now: Fingerprint) -> str:
    """Line by line, ``-`` before and ``+`` now. A replay that failed issues nothing after that point."""
    lines = difflib.ndiff(list(before), list(now))
    return "\n".join(f"  {line}" for line in lines if not line.startswith("?"))


def _kind(command: str) -> str:
    return command.partition(" | ")[0]
