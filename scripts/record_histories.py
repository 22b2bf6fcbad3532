"""Record one history per branch of every workflow, for ``tests/replay``. From the root of the repository:

    python -m scripts.record_histories              those branches that have none yet
    python -m scripts.record_histories NAME ...     another one of these, beside those that there are

A history is never recorded over: workflows of that time may still be running somewhere. After a change that old
histories do not allow, use ``workflow.patched`` and record the new way beside the old one.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.testing import WorkflowEnvironment
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.replay.branches import BRANCHES
from tests.replay.fingerprints import store
from tests.replay.recordings import WORKFLOWS, recording_server

HISTORIES = Path("tests/replay/histories")


async def record(names: Sequence[str]) -> None:
    """Run the branches one after the other and write what they leave, with its fingerprint."""
    async with recording_server() as environment:
        for name in names:
            written = await record_branch(environment, name)
            await store([path.stem for path in written], WORKFLOWS, SandboxedWorkflowRunner())
            sys.stdout.writelines(f"{path}\n" for path in written)
            sys.stdout.flush()


async def record_branch(environment: WorkflowEnvironment, name: str) -> list[Path]:
    """One file for each run of the branch."""
    runs = await BRANCHES[name](environment)
    return write(name, [(await handle.fetch_history()).to_json() for handle in runs])


def write(name: str, histories: Sequence[str]) -> list[Path]:
    """``{branch}.{n}.json`` with the next free numbers."""
    written: list[Path] = []
    for number, history in enumerate(histories, start=len(recorded(name)) + 1):
        path = HISTORIES / f"{name}.{number}.json"
        path.write_text(json.dumps(of_no_machine(json.loads(history)), indent=1, ensure_ascii=False) + "\n", "utf-8")
        written.append(path)
    return written


def recorded(name: str) -> list[Path]:
    """What there is of a branch."""
    return sorted(HISTORIES.glob(f"{name}.*.json"))


def of_no_machine(value: Any) -> Any:
    """Without stack traces, which name folders of the machine that recorded; replaying does not need them."""
    if isinstance(value, dict):
        return {key: of_no_machine(part) for key, part in value.items() if key != "stackTrace"}
    return [of_no_machine(part) for part in value] if isinstance(value, list) else value


def main() -> None:
    unknown = set(sys.argv[1:]) - BRANCHES.keys()
    if unknown:
        sys.exit(f"no such branch: {', '.join(sorted(unknown))}; there are {', '.join(BRANCHES)}")
    missing = [name for name in BRANCHES if not recorded(name)]
    # Activities fail here on purpose.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    asyncio.run(record(sys.argv[1:] or missing))
    sys.stdout.flush()
    # The SDK's threads may crash an interpreter that is ending.
    os._exit(0)


if __name__ == "__main__":
    main()
