"""Faults of processes: killed, frozen for a while, restarted. The supervisor of the stack starts them again."""

import asyncio
import random
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tests.chaos.homes import ChaosHome
from tests.chaos.journal import Journal
from tests.chaos.plan import Incident, Kind

WAIT_S = 15.0
"""How long a victim is waited for that is just being started again."""

#: Which part each kind meets, and how. SIGINT is PostgreSQL's fast shutdown, SIGTERM an end in order.
VICTIMS: dict[Kind, tuple[str, signal.Signals]] = {
    Kind.KILL_WORKER: ("worker", signal.SIGKILL),
    Kind.KILL_API: ("api", signal.SIGKILL),
    Kind.KILL_BULK: ("bulk", signal.SIGKILL),
    Kind.KILL_TEMPORAL: ("temporal", signal.SIGKILL),
    Kind.RESTART_TEMPORAL: ("temporal", signal.SIGTERM),
    Kind.KILL_POSTGRES: ("postgres", signal.SIGKILL),
    Kind.RESTART_POSTGRES: ("postgres", signal.SIGINT),
}
FROZEN = {
    Kind.FREEZE_WORKER: "worker",
    Kind.TWO_DISPATCHERS: "worker",
    Kind.FREEZE_API: "api",
    Kind.FREEZE_TEMPORAL: "temporal",
}


class Processes:
    """Injects into the processes of one stack; every frozen one is thawed at the end."""

    def __init__(self, home: ChaosHome, journal: Journal) -> None:
        self._home = home
        self._journal = journal
        self._frozen: list[psutil.Process] = []

    async def end(self, incident: Incident, *, rather: int | None = None) -> None:
        """Kill or end one process of the part that the incident names, ``rather`` this one."""
        part, number = VICTIMS[incident.kind]
        victim = await self._victim(part, incident.dice, rather)
        if victim is not None:
            self.strike(victim, incident.kind, part, number)

    def strike(self, victim: psutil.Process, kind: Kind, part: str, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):  # psutil looks whether the pid is still the same process's
            victim.send_signal(number)
            self._journal.note(kind, faults=1, part=part, pid=victim.pid)

    async def kill_bulk(self, kind: Kind, **facts: Any) -> None:
        for victim in self._home.processes("bulk"):
            with suppress(psutil.NoSuchProcess):
                victim.kill()
                self._journal.note(kind, faults=1, part="bulk", pid=victim.pid, **facts)

    async def freeze(self, incident: Incident, *, rather: int | None = None) -> None:
        """Stop one process of the part for a while: it knows nothing of the time in between."""
        part = FROZEN[incident.kind]
        victim = await self._victim(part, incident.dice, rather)
        if victim is None:
            return
        with self._ice(victim):
            self._journal.note(incident.kind, faults=1, part=part, pid=victim.pid, lasts_s=incident.lasts_s)
            await asyncio.sleep(incident.lasts_s)

    def thaw(self) -> None:
        """Let everybody go on; whatever happens, nobody is left frozen."""
        while self._frozen:
            with suppress(psutil.NoSuchProcess):
                self._frozen.pop().resume()

    @contextmanager
    def _ice(self, victim: psutil.Process) -> Generator[None]:
        self._frozen.append(victim)
        try:
            with suppress(psutil.NoSuchProcess):
                victim.suspend()
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                victim.resume()
            if victim in self._frozen:
                self._frozen.remove(victim)

    async def _victim(self, part: str, dice: int, rather: int | None) -> psutil.Process | None:
        """One of the part's processes, not one that is frozen already."""
        for _ in range(int(WAIT_S / 0.1)):
            found = [each for each in self._home.processes(part) if each not in self._frozen]
            if found:
                preferred = [each for each in found if each.pid == rather]
                return (preferred or [random.Random(dice).choice(found)])[0]
            await asyncio.sleep(0.1)
        self._journal.note("no victim", part=part)
        return None
