"""What operations work with, wired once per process."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Generic, TypeVar

from api.operations.signing_accounts import SigningAccounts
from dialer.carrier_accounts import CarrierAccounts
from dialer.clock import Clock
from dialer.domain.actors import Actor
from dialer.sealing import Seal
from dialer.settings import Settings
from dialer.store.database import Database
from workflows.starts import WorkflowClient

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A bounded memory that forgets each entry after ``seconds`` and the least recently used one when full."""

    def __init__(self, *, size: int, seconds: float) -> None:
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._size = size
        self._seconds = seconds

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] < monotonic():
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: K, value: V) -> None:
        self._entries[key] = (monotonic() + self._seconds, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that an operation may touch. ``actors`` and ``secrets`` save round trips; both forget soon, so that a
    revoked key and a changed secret act within seconds."""

    database: Database
    workflows: WorkflowClient
    carriers: CarrierAccounts
    settings: Settings
    clock: Clock
    seal: Seal
    actors: Remembered[bytes, Actor] = field(default_factory=lambda: Remembered[bytes, Actor](size=1000, seconds=5))
    secrets: Remembered[bytes, str] = field(default_factory=lambda: Remembered[bytes, str](size=1000, seconds=300))

    signing: SigningAccounts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signing", SigningAccounts(self.database))

    def now(self) -> datetime:
        """The product's clock."""
        return self.clock.now()

    def open_secret(self, sealed: bytes) -> str:
        """The plain secret of a carrier account. Raises SealBroken."""
        plain = self.secrets.get(sealed)
        if plain is None:
            plain = self.seal.open(sealed)
            self.secrets.put(sealed, plain)
        return plain
