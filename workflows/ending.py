"""Workers that end in time, also when the SDK does not.

On its way out the SDK waits for the server to give back every poll that is open. One that begins in the very moment in
which the server hears of the end is not given back, and a server that has stopped answering gives back none:
https://github.com/temporalio/temporal/pull/11841
"""

import asyncio
import logging
from collections.abc import Sequence

from temporalio.worker import Worker

logger = logging.getLogger("dialer.worker")


async def end_workers(workers: Sequence[Worker], runs: Sequence[asyncio.Task[None]], *, within_s: float) -> None:
    """Let the workers finish what is under way, for ``within_s`` seconds at most; then leave without them.

    ``runs``: the tasks of their ``run()``, over when this returns, cancelled where they were left. Nothing is lost by
    leaving: Temporal gives a task whose worker is gone to another one.
    """
    try:
        async with asyncio.timeout(within_s):
            # Together: a leg that went on while the dial queue's worker ends would claim calls that nobody dials.
            await asyncio.gather(*(worker.shutdown() for worker in workers))
    except TimeoutError:
        logger.error("the connection to Temporal did not end within %g s; left without it", within_s)
        for run in runs:
            run.cancel()
    await asyncio.wait(runs)
