"""Telling Temporal that a process lives, however long one statement or one carrier takes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

HEARTBEAT_S = 2.0


@asynccontextmanager
async def heartbeats(details: Callable[[], Sequence[Any]] = tuple) -> AsyncGenerator[None]:
    """A heartbeat every two seconds while the block runs. A process that is dead or frozen sends none.

    ``details`` are what the next try is told if this one fails.
    """

    async def beat() -> None:
        while True:
            activity.heartbeat(*details())
            await asyncio.sleep(HEARTBEAT_S)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
