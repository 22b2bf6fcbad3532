"""Looks at the carrier, side by side: an account that does not answer keeps no other from its turn."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Self

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

logger = logging.getLogger(__name__)

#: So many requests of the watch at a time at one account.
PER_ACCOUNT = 10


class Looks:
    """Runs looks beside the watch that asks for them: one per call at a time, a few per account."""

    def __init__(self, *, finish_s: float, per_account: int = PER_ACCOUNT) -> None:
        self._finish_s = finish_s
        self._per_account = per_account
        self._slots: dict[Hashable, asyncio.Semaphore] = {}
        self._running: dict[Hashable, asyncio.Task[None]] = {}
        self._failures: list[BaseException] = []

    def begin(self, key: Hashable, account: Hashable, look: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Look, unless the look with this ``key`` is still under way. True when it begins."""
        if key in self._running:
            return False
        slots = self._slots.setdefault(account, asyncio.Semaphore(self._per_account))
        task = asyncio.create_task(self._run(key, slots, look))
        task.add_done_callback(self._ended)
        self._running[key] = task
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Wait for what is under way, not for long: every look may be repeated. Raises what a look has raised."""
        running = list(self._running.values())
        if running:
            try:
                if error is None:
                    await asyncio.wait(running, timeout=self._finish_s)
            finally:
                # Those that are late, and all of them when nobody waits any more.
                for task in running:
                    task.cancel()
                await asyncio.wait(running)
        if error is None and self._failures:
            raise self._failures[0]

    async def _run(
        self, key: Hashable, slots: asyncio.Semaphore, look: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        try:
            async with slots:
                await look()
        except (DBAPIError, PoolTimeout) as error:
            logger.warning("%s: the database failed a look (%s)", key, type(error).__name__)
        finally:
            del self._running[key]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)
