"""Telling Temporal that a process lives, however long one statement or one carrier takes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity

HEARTBEAT_S = 2.0


@asynccontextmanager
async def heartbeats() -> AsyncGenerator[None]:
    """A heartbeat every two seconds while the block runs. A process that is dead or frozen sends none."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_S)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
