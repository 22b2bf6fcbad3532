"""Waiting for real processes, without sleeping for a guessed time."""

import asyncio
import time
from collections.abc import Callable

import psutil


async def until(condition: Callable[[], object], *, seconds: float = 20.0, what: str = "the condition") -> None:
    """Returns as soon as ``condition`` holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    """False for a process that is gone or only waits for its parent to take note of its end."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
