"""What activities need from outside their layer, given to them by the worker's composition root."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from dialer.carriers.base import Carrier
from dialer.domain.call_results import CallEnded
from dialer.store.sealed_accounts import SealedAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class CallToStart:
    """One claimed call, as its workflow is started."""

    workspace_id: UUID
    call_id: UUID
    campaign_id: UUID | None
    prospect_id: UUID | None
    attempt: int
    summary: str


class Workflows(Protocol):
    """Starting and signalling workflows. Each method is idempotent, and a workflow that is gone is no error."""

    async def start_calls(self, calls: Sequence[CallToStart]) -> None:
        """Start ``call-{id}`` for each; one that runs already or has run is left alone."""
        ...

    async def start_campaign(self, workspace_id: UUID, campaign_id: UUID, name: str) -> None:
        """Start ``campaign-{id}``, or leave the running one alone."""
        ...

    async def start_import(self, workspace_id: UUID, import_id: UUID, campaign_id: UUID, run: int) -> None:
        """Start ``import-{id}``, or leave the open one alone."""
        ...

    async def start_batch(self, workspace_id: UUID, batch_id: UUID, campaign_id: UUID, name: str) -> None:
        """Start ``batch-{id}``, or leave the open one alone."""
        ...

    async def nudge_batch(self, batch_id: UUID) -> None:
        """Tell a batch that waits to look at its rows again."""
        ...

    async def cancel_import(self, import_id: UUID) -> None:
        """Tell a running import that it is cancelled."""
        ...

    async def nudge_campaign(self, campaign_id: UUID) -> None:
        """Tell an idle campaign that something has changed."""
        ...

    async def call_ended(self, call_id: UUID, ended: CallEnded) -> None:
        """Tell the call's workflow how it ended."""
        ...


class Carriers(Protocol):
    """The carrier of each account, connected once per process."""

    async def of(self, workspace_id: UUID, carrier_account_id: UUID) -> Carrier:
        """Raises LookupError for an unknown account, and dialer.sealing.SealBroken for a secret of another key."""
        ...

    async def at(self, account: SealedAccount) -> Carrier:
        """The same for an account that was just read. Raises dialer.sealing.SealBroken."""
        ...
