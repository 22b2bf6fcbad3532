"""What is judged: our rows, the history of what was in force, and the carrier's own record of its calls.

All of it is read as of one moment, ``Evidence.now``. Phone numbers are needed to compare the two sides; they are kept
out of ``repr``, and no verdict repeats them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.states import LIVE_STATES, CallState, CampaignStatus, ImportStatus, ProspectState

Subject = Literal["campaign", "workspace", "carrier_account", "phone_number", "suppression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRecord:
    """One call as the carrier wrote it down.

    ``call_id`` is ours, where the carrier tells it (Twilio's list does not). ``resolution_s`` is how coarse its times
    are: they may lie up to so much later than they say.
    """

    carrier_call_id: str
    account_sid: str
    call_id: UUID | None
    to: str = field(repr=False)
    from_: str = field(repr=False)
    status: CarrierStatus
    created_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    resolution_s: float = 0.0
    inbound: bool = False
    """It came in: nobody here has dialed it."""

    @property
    def created_by(self) -> datetime:
        """The latest moment at which it may have been created."""
        return self.created_at + timedelta(seconds=self.resolution_s)

    @property
    def ended_by(self) -> datetime | None:
        """The latest moment at which it may have ended; None while it is live."""
        return None if self.ended_at is None else self.ended_at + timedelta(seconds=self.resolution_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One row of ours: one attempt, or a claim that became none."""

    id: UUID
    workspace_id: UUID
    campaign_id: UUID | None
    prospect_id: UUID | None
    contact_id: UUID | None
    carrier_account_id: UUID | None
    phone_number_id: UUID | None
    from_phone: str | None = field(default=None, repr=False)
    to_phone: str | None = field(default=None, repr=False)
    state: CallState
    claimed_at: datetime | None
    outbound: bool = True
    inbound: bool = False
    ringing_at: datetime | None = None
    disposition: Disposition | None = None
    outcome: Outcome | None = None
    settings_version: int | None = None
    requeue_id: UUID | None = None
    callback_id: UUID | None = None
    zone_set: str | None = None
    carrier_call_id: str | None = None
    gated_at: datetime | None = None
    dialed_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None
    late_at: datetime | None = None
    amd_due_at: datetime | None = None
    cancel_reason: str | None = None
    error_code: int | None = None
    talk_seconds: int | None = None
    cost: Decimal | None = None
    next_state: ProspectState | None = None
    next_due_at: datetime | None = None

    @property
    def live(self) -> bool:
        """True while it holds a slot."""
        return self.state in LIVE_STATES

    @property
    def unknown(self) -> bool:
        """True when it ended and the carrier neither confirmed nor denied it."""
        return self.disposition is Disposition.UNKNOWN

    @property
    def counted(self) -> bool:
        """True for an attempt that the prospect's decision has counted: the carrier may have accepted it.

        A refused call has no carrier id; one that surfaced after it was given up was decided without it.
        """
        if self.state is not CallState.ENDED or self.amd_due_at is not None:
            return False
        return self.unknown or (self.carrier_call_id is not None and self.late_at is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProspectRecord:
    """One person in one campaign."""

    id: UUID
    campaign_id: UUID
    state: ProspectState
    attempts: int
    updated_at: datetime
    phone: str = field(default="", repr=False)
    zone_set: str = ""
    zone_source: str = "none"
    next_due_at: datetime | None = None
    requeue_id: UUID | None = None
    attempts_base: int = 0
    allowance: int | None = None
    import_id: UUID | None = None
    import_row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueRecord:
    """People of a campaign got a fresh allowance: of ``attempts``, or of the policy's. ``requeued`` is how many."""

    id: UUID
    campaign_id: UUID
    created_at: datetime
    requeued: int
    attempts: int | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRecord:
    """Somebody asked to be called; nobody does so before ``due_at``."""

    id: UUID
    prospect_id: UUID
    created_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign as it stands. ``tallies`` are its counts by (kind, key), as they are kept."""

    id: UUID
    workspace_id: UUID
    status: CampaignStatus
    settings_version: int
    settings: Mapping[str, Any]
    completed_at: datetime | None = None
    tallies: Mapping[tuple[str, str], Decimal] = field(default_factory=dict[tuple[str, str], Decimal])


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """The counts of one uploaded file."""

    id: UUID
    campaign_id: UUID
    status: ImportStatus
    rows_read: int
    created: int
    updated: int
    skipped: int
    failed: int
    rows_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRecord:
    """One caller number and the carrier's id of its account."""

    id: UUID
    workspace_id: UUID
    carrier_account_id: UUID
    account_sid: str
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What came into force ``at`` that moment. ``facts`` is None once the subject is gone.

    ``settled_at``: a pause, stop or opt-out was answered; nobody let through before was undecided any more.
    """

    subject: Subject
    subject_id: UUID
    workspace_id: UUID
    at: datetime
    settled_at: datetime | None = None
    facts: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a verdict rests on.

    ``judged`` are the campaigns asked about, None for all of them and for calls without one; other calls are there
    because they share limits with those. ``carrier`` is None as long as the carrier was not asked.
    """

    now: datetime
    judged: frozenset[UUID] | None = None
    calls: tuple[CallRecord, ...] = ()
    prospects: tuple[ProspectRecord, ...] = ()
    campaigns: tuple[CampaignRecord, ...] = ()
    imports: tuple[ImportRecord, ...] = ()
    numbers: tuple[NumberRecord, ...] = ()
    changes: tuple[Change, ...] = ()
    requeues: tuple[RequeueRecord, ...] = ()
    callbacks: tuple[CallbackRecord, ...] = ()
    carrier: tuple[CarrierRecord, ...] | None = None

    def with_carrier(self, records: Iterable[CarrierRecord]) -> "Evidence":
        """The same evidence and what the carrier says. A record that was listed twice counts once."""
        return replace(self, carrier=tuple({record.carrier_call_id: record for record in records}.values()))
