"""Accept what today's code asks of Temporal as the fingerprint of recorded histories. From the root of the repository:

    python -m scripts.record_fingerprints              those histories that have none yet
    python -m scripts.record_fingerprints NAME ...     these anew, for example call_reported.1
    python -m scripts.record_fingerprints --all        all anew, to read the difference in version control

A history whose sequence of commands changes does not replay: that needs ``workflow.patched`` and another recording, and
no new fingerprint. ``docs/deploying.md`` says when.
"""

import asyncio
import os
import sys

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.replay.fingerprints import HISTORIES, recorded, replay, store, stored
from tests.replay.recordings import WORKFLOWS


async def accept(names: list[str]) -> list[str]:
    """Write the fingerprints of those that replay; the names of those that do not."""
    runner = SandboxedWorkflowRunner()
    failed = [name for name in names if (await replay(HISTORIES / f"{name}.json", WORKFLOWS, runner)).failure]
    await store([name for name in names if name not in failed], WORKFLOWS, runner)
    return failed


def main() -> None:
    known = [path.stem for path in recorded()]
    named = known if sys.argv[1:] == ["--all"] else sys.argv[1:]
    unknown = set(named) - set(known)
    if unknown:
        sys.exit(f"no such history: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    failed = asyncio.run(accept(named or [name for name in known if name not in stored()]))
    for name in failed:
        sys.stderr.write(f"{name} does not replay: see docs/deploying.md\n")
    sys.stderr.flush()
    # The SDK's threads may crash an interpreter that is ending.
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()
