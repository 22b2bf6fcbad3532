"""What activities need from outside: workflows that only remember what was asked of them, and one carrier for all."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from temporalio.testing import ActivityEnvironment

from activities.ports import CallToStart
from dialer.carriers.base import Carrier
from dialer.domain.call_results import CallEnded
from dialer.sealing import SealBroken
from dialer.store.sealed_accounts import SealedAccount

Hook = Callable[[], Awaitable[None]]


@dataclass
class Recorder:
    """Temporal, as far as activities know it. The hooks run ahead of every start of calls and of every nudge."""

    calls: list[CallToStart] = field(default_factory=list[CallToStart])
    campaigns: list[UUID] = field(default_factory=list[UUID])
    imports: list[UUID] = field(default_factory=list[UUID])
    nudged: list[UUID] = field(default_factory=list[UUID])
    batches: list[UUID] = field(default_factory=list[UUID])
    nudged_batches: list[UUID] = field(default_factory=list[UUID])
    cancelled_imports: list[UUID] = field(default_factory=list[UUID])
    ended: dict[UUID, CallEnded] = field(default_factory=dict[UUID, CallEnded])
    before_calls: Hook | None = None
    before_nudge: Hook | None = None

    async def start_calls(self, calls: Sequence[CallToStart]) -> None:
        if calls and self.before_calls is not None:
            await self.before_calls()
        self.calls += calls

    async def start_campaign(self, workspace_id: UUID, campaign_id: UUID, name: str) -> None:
        self.campaigns.append(campaign_id)

    async def start_import(self, workspace_id: UUID, import_id: UUID, campaign_id: UUID, run: int) -> None:
        self.imports.append(import_id)

    async def start_batch(self, workspace_id: UUID, batch_id: UUID, campaign_id: UUID, name: str) -> None:
        self.batches.append(batch_id)

    async def nudge_batch(self, batch_id: UUID) -> None:
        self.nudged_batches.append(batch_id)

    async def cancel_import(self, import_id: UUID) -> None:
        self.cancelled_imports.append(import_id)

    async def nudge_campaign(self, campaign_id: UUID) -> None:
        if self.before_nudge is not None:
            await self.before_nudge()
        self.nudged.append(campaign_id)

    async def call_ended(self, call_id: UUID, ended: CallEnded) -> None:
        self.ended[call_id] = ended


@dataclass
class OneCarrier:
    """The same carrier for every account, or the error that opening it raises. ``before`` runs ahead of each use."""

    carrier: Carrier | None = None
    error: Exception | None = None
    before: Hook | None = None
    refused_accounts: set[UUID] = field(default_factory=set[UUID])

    async def of(self, workspace_id: UUID, carrier_account_id: UUID) -> Carrier:
        if self.before is not None:
            await self.before()
        if self.error is not None:
            raise self.error
        if self.carrier is None or carrier_account_id in self.refused_accounts:
            raise LookupError(f"there is no carrier account {carrier_account_id}")
        return self.carrier

    async def at(self, account: SealedAccount) -> Carrier:
        if self.before is not None:
            await self.before()
        if self.error is not None:
            raise self.error
        if self.carrier is None or account.id in self.refused_accounts:
            raise SealBroken
        return self.carrier


async def run(activity: Callable[..., Awaitable[Any]], argument: object) -> Any:
    """The activity's result, inside an activity's environment."""
    return await ActivityEnvironment().run(activity, argument)
