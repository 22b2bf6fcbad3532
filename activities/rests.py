"""How a dispatch leg rests between two looks."""

import asyncio

from temporalio import activity

from activities.wakeups import Woken
from dialer.clock import steady_seconds

#: A worker that is told to end does not wait longer for a leg that rests.
NOTICED_S = 1.0


class Pulse:
    """Beats at most once a second, the first time at once."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def beats(self) -> bool:
        now = steady_seconds()
        if now < self._next_at:
            return False
        self._next_at = now + 1.0
        return True


async def until_woken(woken: Woken, seconds: float) -> None:
    """Return at the next notification, after ``seconds``, or when the worker is told to end."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not activity.is_worker_shutdown():
        left = until - loop.time()
        if await woken.wait(max(min(left, NOTICED_S), 0.0)) or left <= NOTICED_S:
            return
