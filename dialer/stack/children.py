"""What a child process of the stack is, and how one is started.

Errors::

    ChildError
    ├── ChildFailed    it ended, or was not ready in time
    └── CommandFailed  a command that runs once ended with an error
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from dialer.stack import launch
from dialer.stack.placement import Account

TAIL_LINES = 12


class ChildError(Exception):
    """Part of the stack does not run; the message carries the end of its log."""


class ChildFailed(ChildError):
    """A child ended while it was being started, or was not ready in time."""


class CommandFailed(ChildError):
    """A command that runs once ended with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process to keep running.

    ``part`` is its name in ``stack.json``; several children may share one. It serves once it listens on ``port``
    itself (what answers there could be somebody else's) and ``ready`` says so; ``after_start`` runs each time it
    serves again, for what it forgets when it is restarted.
    """

    name: str
    part: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    port: int | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    after_start: Callable[[], Awaitable[None]] | None = None
    ready_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL
    """Sent when the stack itself is killed: stronger than ``stop_signal`` where nothing can be lost."""
    stop_rank: int = 0
    """Children of a higher rank are stopped before those of a lower one, children of one rank together."""
    account: Account | None = None
    nice: int = 0


@dataclass(slots=True, kw_only=True)
class Running:
    """A started child; ``log_start`` is where its own words begin in the log."""

    child: Child
    process: asyncio.subprocess.Process
    log_start: int
    started_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def listens(self) -> bool:
        """True when the child itself listens on its port, or has none."""
        if self.child.port is None:
            return True
        try:
            sockets = psutil.Process(self.process.pid).net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return any(socket.status == psutil.CONN_LISTEN and socket.laddr.port == self.child.port for socket in sockets)

    async def serves(self) -> bool:
        return self.listens() and (self.child.ready is None or await self.child.ready())

    def last_words(self) -> str:
        with self.child.log.open("rb") as log:
            log.seek(self.log_start)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-TAIL_LINES:])


async def spawn(child: Child) -> Running:
    """Starts the child in a session of its own, so that a Ctrl-C in the terminal reaches only its parent."""
    with child.log.open("ab") as log:
        position = log.tell()
        process = await asyncio.create_subprocess_exec(
            *_launcher(child.orphan_signal, child.account, child.nice),
            *child.command,
            env=dict(child.environment),
            cwd=child.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Running(child=child, process=process, log_start=position)


async def run_once(name: str, command: Sequence[str], environment: Mapping[str, str], *, folder: Path) -> str:
    """Runs a command to its end and returns what it printed. Raises :class:`CommandFailed`."""
    process = await asyncio.create_subprocess_exec(
        *_launcher(signal.SIGKILL, None, 0),
        *command,
        env=dict(environment),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode != 0:
        tail = "\n".join(errors.decode(errors="replace").strip().splitlines()[-TAIL_LINES:])
        raise CommandFailed(f"{name} ended with code {process.returncode}:\n{tail}")
    return output.decode()


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signals a child and everything it started; one that is gone already is no error."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group whose only member is a zombie.
        return


def _launcher(orphan_signal: signal.Signals, account: Account | None, nice: int) -> list[str]:
    return [
        sys.executable,
        "-I",
        "-S",
        str(Path(launch.__file__)),
        str(int(orphan_signal)),
        str(os.getpid()),
        str(-1 if account is None else account.uid),
        str(-1 if account is None else account.gid),
        str(nice),
    ]
