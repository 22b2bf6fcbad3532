"""Starts children, starts those again that die, and ends all of them in order, also when it is killed itself."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from dialer.stack.children import Child, ChildFailed, Running, signal_group, spawn

FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 10.0
SETTLED_S = 30.0
"""A child that lived this long did not die of its start: the next one starts at once."""
POLL_S = 0.1


class Supervisor:
    """Keeps children running until :meth:`stop`.

    A watchdog process (``dialer.stack.watchdog``) knows every child, and ends them should this process be killed;
    ``inherited`` descriptors stay open until it is done.
    """

    def __init__(self, *, watchdog_log: Path, inherited: tuple[int, ...] = ()) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called after each restart, when process ids are others than before."""
        self._watchdog_log = watchdog_log
        self._inherited = inherited
        self._watchdog: asyncio.subprocess.Process | None = None
        self._running: dict[str, Running] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    def pids(self) -> dict[str, list[int]]:
        """The process ids of each part, in the order in which they were started first."""
        found: dict[str, list[int]] = {}
        for running in self._running.values():
            found.setdefault(running.child.part, []).append(running.process.pid)
        return found

    async def start(self, *children: Child) -> None:
        """Starts children side by side and waits until all of them serve.

        Raises :class:`ChildFailed`; those that do run are left running.
        """
        for child in children:
            self._running[child.name] = await self._spawn(child)
        await asyncio.gather(*(self._await_ready(self._running[child.name]) for child in children))
        for child in children:
            self._keepers[child.name] = asyncio.create_task(self._keep(child), name=f"keep {child.name}")

    async def stop(self) -> None:
        """Ends all children in the order of their ranks, and then the watchdog."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for rank in sorted({running.child.stop_rank for running in self._running.values()}, reverse=True):
            together = [running for running in self._running.values() if running.child.stop_rank == rank]
            await asyncio.gather(*(self._end(running) for running in together))
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
            await self._watchdog.wait()

    def hurry(self) -> None:
        """Ends all children at once, as if this process had been killed; :meth:`stop` then hardly waits."""
        for keeper in self._keepers.values():
            keeper.cancel()
        for running in self._running.values():
            signal_group(running.process.pid, running.child.orphan_signal)

    async def _spawn(self, child: Child) -> Running:
        await self._ensure_watchdog()
        running = await spawn(child)
        await self._tell_watchdog(running)
        return running

    async def _await_ready(self, running: Running) -> None:
        """Raises :class:`ChildFailed` with the child's last words."""
        child, process = running.child, running.process
        deadline = running.started_at + child.ready_s
        loop = asyncio.get_running_loop()
        while not await running.serves():
            if process.returncode is not None:
                raise ChildFailed(f"{child.name} ended with code {process.returncode}:\n{running.last_words()}")
            if loop.time() > deadline:
                raise ChildFailed(f"{child.name} was not ready within {child.ready_s:.0f} s:\n{running.last_words()}")
            await asyncio.sleep(POLL_S)
        if child.after_start is not None:
            await child.after_start()

    async def _keep(self, child: Child) -> None:
        backoff = FIRST_BACKOFF_S
        loop = asyncio.get_running_loop()
        while True:
            running = self._running[child.name]
            code = await running.process.wait()
            signal_group(running.process.pid, signal.SIGKILL)  # whatever it had started
            if loop.time() - running.started_at > SETTLED_S:
                backoff = FIRST_BACKOFF_S
            self._note(child, f"ended with code {code}; starting it again in {backoff} s")
            await self._forget(running)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_S)
            self._running[child.name] = await self._spawn(child)
            self.changed()
            try:
                await self._await_ready(self._running[child.name])
            except ChildFailed as error:
                self._note(child, str(error).partition("\n")[0])
                signal_group(self._running[child.name].process.pid, signal.SIGKILL)

    async def _end(self, running: Running) -> None:
        child, process = running.child, running.process
        if process.returncode is None:
            # The leader decides what an end in order is; what it leaves behind is killed below.
            with suppress(ProcessLookupError):
                process.send_signal(child.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), child.stop_s)
            except TimeoutError:
                self._note(child, f"did not end within {child.stop_s:.0f} s and is killed")
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        self._running.pop(child.name, None)
        await self._forget(running)

    async def _ensure_watchdog(self) -> None:
        if self._watchdog is not None and self._watchdog.returncode is None:
            return
        with self._watchdog_log.open("ab") as log:
            self._watchdog = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "dialer.stack.watchdog",
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=self._inherited,
                start_new_session=True,
            )
        for running in self._running.values():
            await self._tell_watchdog(running)

    async def _tell_watchdog(self, running: Running) -> None:
        try:
            started = psutil.Process(running.process.pid).create_time()
        except psutil.NoSuchProcess:
            return
        await self._write(f"+ {running.process.pid} {int(running.child.orphan_signal)} {started}\n")

    async def _forget(self, running: Running) -> None:
        await self._write(f"- {running.process.pid}\n")

    async def _write(self, line: str) -> None:
        watchdog = self._watchdog
        if watchdog is None or watchdog.stdin is None:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: the next start makes another
            watchdog.stdin.write(line.encode())
            await watchdog.stdin.drain()

    def _note(self, child: Child, text: str) -> None:
        with child.log.open("a") as log:
            log.write(f"[stack {os.getpid()}] {child.name} {text}\n")
