"""Workers in the process of a test, ended as the product ends its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.worker import Worker

from workflows.ending import end_workers

END_S = 10.0


@asynccontextmanager
async def at_work(*workers: Worker) -> AsyncIterator[None]:
    """They run inside the block. Raises at its end what ended one of them too early."""
    runs = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        await end_workers(workers, runs, within_s=END_S)
    for run in runs:
        if not run.cancelled():
            run.result()
