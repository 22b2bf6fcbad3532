"""Workers and API processes, put together as their composition roots do it, from collaborators with doors."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from activities.dial import DialActivities
from activities.dispatch import DispatchActivities
from activities.imports import ImportActivities
from activities.sweep import SweepActivities
from activities.wakeups import Wakeups
from api.operations.services import Services
from dialer.carrier_accounts import CarrierAccounts
from dialer.clock import Clock
from dialer.domain.timing import Timing
from dialer.sealing import Seal
from dialer.settings import Settings
from tests.faults.clocks import TestClock
from tests.faults.doors import DoorCarriers, DoorDatabase, Doors, DoorWorkflows, Life
from tests.faults.temporal import TemporalServer
from tests.faults.towns import Town
from tests.simulator.lines import TOKEN
from tests.store.worlds import World

#: The product's own, except that a leg does one round, that a busy machine is no frozen process, and that fewer looks
#: at the carrier are enough before a call is given up.
TIMING = Timing(leg_s=0.0, gate_age_s=30.0, turn_lead_s=0.0, turn_slack_s=30.0, grace_s=20.0)

#: All installations of one test run share a database, and sweeps see all of it.
KEY = Fernet.generate_key().decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What all processes of one installation have in common."""

    database_url: str
    public_url: str
    clock: TestClock
    temporal: TemporalServer
    seal: Seal
    settings: Settings
    pools: dict[str, AsyncEngine] = field(default_factory=dict[str, AsyncEngine])

    @classmethod
    def made(cls, database_url: str, public_url: str, clock: TestClock) -> "Installation":
        given: Mapping[str, Any] = {
            "database_url": database_url,
            "public_url": public_url,
            "twilio_base_url": public_url,
            "secret_key": KEY,
            "timing": TIMING,
        }
        return cls(
            database_url=database_url,
            public_url=public_url,
            clock=clock,
            temporal=TemporalServer(),
            seal=Seal(KEY),
            settings=Settings.model_validate(given),
        )

    @property
    def timing(self) -> Timing:
        return self.settings.timing

    async def close(self) -> None:
        for pool in self.pools.values():
            await pool.dispose()


class Process:
    """One life of a process called ``name``, whose next life has the same pool, emptied if it was killed."""

    def __init__(self, name: str, its: Installation, doors: Doors, *, hidden: bool = False) -> None:
        self._its = its
        self.life = Life(doors)
        self.database = DoorDatabase(its.database_url, self.life, its.clock)
        self.database.engine = its.pools.setdefault(name, self.database.engine)
        self._accounts = CarrierAccounts(self.database, its.seal, its.settings)
        self._carriers = DoorCarriers(self._accounts, self.life, hidden=hidden)
        self._workflows = DoorWorkflows(its.temporal, self.life)

    @property
    def dial(self) -> DialActivities:
        its = self._its
        return DialActivities(
            self.database, self._carriers, self._workflows, timing=its.timing, public_url=its.public_url
        )

    @property
    def dispatch(self) -> DispatchActivities:
        wakeups = Wakeups(self._its.database_url)
        return DispatchActivities(self.database, self._workflows, wakeups, timing=self._its.timing)

    @property
    def sweep(self) -> SweepActivities:
        return SweepActivities(self.database, self._carriers, self._workflows, timing=self._its.timing, watch=False)

    @property
    def imports(self) -> ImportActivities:
        """A chunk a leg: whatever else a worker does, a chunk is what it can lose."""
        return ImportActivities(self.database, self._workflows, leg_s=0.0, chunk_rows=5)

    @cached_property
    def services(self) -> Services:
        return Services(
            database=self.database,
            workflows=self._workflows,  # type: ignore[arg-type]
            carriers=self._carriers,  # type: ignore[arg-type]
            settings=self._its.settings,
            clock=Clock(offset=self._its.clock.offset),
            seal=self._its.seal,
        )

    async def close(self) -> None:
        """It ends well, and its connections wait for the next."""
        self.life.over = True
        await self._accounts.close()

    async def bury(self) -> None:
        """It was killed: its connections close, and with them what was not committed is gone."""
        await self.close()
        pool = cast("QueuePool", self.database.engine.pool)
        for _ in range(100):
            if not pool.checkedout():
                break
            await asyncio.sleep(0.02)  # what was under way comes to its next door, and gives its connection back there
        await self.database.engine.dispose()


async def lead_to(town: Town, world: World, its: Installation, account_sid: str) -> None:
    """The workspace's carrier account is one of the town's."""
    sql = "UPDATE carrier_accounts SET account_sid = :sid, secret = :secret, base_url = :url"
    await world.run(sql, sid=account_sid, secret=its.seal.close(TOKEN), url=town.url)
