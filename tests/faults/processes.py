"""Workers and API processes, put together as their composition roots do it, from collaborators with doors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import text

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

#: The product's own, except that a leg does one round and that a busy machine is no frozen process.
TIMING = Timing(leg_s=0.0, gate_age_s=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What all processes of one installation have in common."""

    database_url: str
    public_url: str
    clock: TestClock
    temporal: TemporalServer
    seal: Seal
    secret_key: str
    timing: Timing = TIMING

    @classmethod
    def made(cls, database_url: str, public_url: str, clock: TestClock, timing: Timing = TIMING) -> "Installation":
        key = Fernet.generate_key().decode()
        return cls(
            database_url=database_url,
            public_url=public_url,
            clock=clock,
            temporal=TemporalServer(),
            seal=Seal(key),
            secret_key=key,
            timing=timing,
        )

    @property
    def settings(self) -> Settings:
        given: Mapping[str, Any] = {
            "database_url": self.database_url,
            "public_url": self.public_url,
            "twilio_base_url": self.public_url,
            "secret_key": self.secret_key,
            "timing": self.timing,
        }
        return Settings.model_validate(given)


class Process:
    """One life. ``close`` is also what becomes of a killed one: its connections close, its transactions roll back."""

    def __init__(self, its: Installation, doors: Doors, *, hidden: bool = False) -> None:
        self._its = its
        self.life = Life(doors)
        self.database = DoorDatabase(its.database_url, self.life, its.clock)
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
        return SweepActivities(
            self.database, self._carriers, self._workflows, timing=self._its.timing, watch=False
        )

    @property
    def imports(self) -> ImportActivities:
        """A chunk a leg: whatever else a worker does, a chunk is what it can lose."""
        return ImportActivities(self.database, self._workflows, leg_s=0.0, chunk_rows=3)

    @property
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
        self.life.over = True
        await self._accounts.close()
        await self.database.close()


async def open_account(process: Process, its: Installation, *, url: str, account_sid: str, secret: str) -> UUID:
    """The only carrier account there is leads to the simulator."""
    async with process.database.transaction_over_all() as session:
        sql = "UPDATE carrier_accounts SET account_sid = :sid, secret = :secret, base_url = :url RETURNING id"
        given = {"sid": account_sid, "secret": its.seal.close(secret), "url": url}
        return (await session.execute(text(sql), given)).scalar_one()
