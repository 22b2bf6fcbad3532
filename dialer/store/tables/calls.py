"""Calls and what the carrier said of them.

Live calls are unique per contact and per (carrier account, from, to), so that one person is never in two calls and a
call found at the carrier belongs to one of ours at most.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, SmallInteger, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from dialer.domain.states import CallState
from dialer.store.tables.base import LIVE, NOW, Base, Tenant, one_of


class Call(Tenant):
    """One attempt to reach one person. Its id is chosen before anything is dialed.

    A call that came in (``direction``) is no attempt: its ``attempt`` and ``claimed_at`` are null, and ``next_state``
    is what it made of the person's redial, if anything.

    ``requeue_id`` is the allowance under which it was claimed, ``callback_id`` the request for a call that it answers.
    """

    __tablename__ = "calls"

    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"))
    prospect_id: Mapped[UUID | None] = mapped_column(ForeignKey("prospects.id"))
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("contacts.id"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"))
    carrier_account_id: Mapped[UUID | None] = mapped_column(ForeignKey("carrier_accounts.id"))
    phone_number_id: Mapped[UUID | None] = mapped_column(ForeignKey("phone_numbers.id"))
    from_phone: Mapped[str | None]
    to_phone: Mapped[str | None]
    attempt: Mapped[int | None] = mapped_column(SmallInteger, server_default="1")
    channel: Mapped[str] = mapped_column(server_default="phone")
    direction: Mapped[str] = mapped_column(server_default="outbound")
    carrier: Mapped[str | None]
    carrier_call_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="claimed")
    disposition: Mapped[str | None]
    outcome: Mapped[str | None]
    deferred_reason: Mapped[str | None]
    settings_version: Mapped[int | None]
    requeue_id: Mapped[UUID | None] = mapped_column(ForeignKey("requeues.id"))
    callback_id: Mapped[UUID | None]
    zone_set: Mapped[str | None]
    claimed_at: Mapped[datetime | None]
    gated_at: Mapped[datetime | None]
    dialed_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    ringing_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    hang_up_at: Mapped[datetime | None]
    hang_up_sent_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    amd_due_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]
    message_played: Mapped[bool] = mapped_column(server_default=text("false"))
    sip_code: Mapped[int | None]
    error_code: Mapped[int | None]
    talk_seconds: Mapped[int | None]
    cost: Mapped[Decimal | None]
    recording_url: Mapped[str | None]
    detected_language: Mapped[str | None]
    next_state: Mapped[str | None]
    next_due_at: Mapped[datetime | None]
    next_reason: Mapped[str | None]
    notes: Mapped[str | None]
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    traced: Mapped[bool] = mapped_column(server_default=text("true"))

    __table_args__ = (
        one_of("state", CallState),
        CheckConstraint("(state = 'ended') = (disposition IS NOT NULL)", name="ended_has_disposition"),
        Index(
            "uq_calls_prospect_id_attempt",
            "prospect_id",
            "attempt",
            unique=True,
            postgresql_where=text("state <> 'deferred'"),
        ),
        Index("uq_calls_live_contact", "contact_id", unique=True, postgresql_where=text(LIVE)),
        Index(
            "uq_calls_live_route",
            "carrier_account_id",
            "from_phone",
            "to_phone",
            unique=True,
            postgresql_where=text(LIVE),
        ),
        Index(
            "uq_calls_carrier_call_id",
            "carrier_account_id",
            "carrier_call_id",
            unique=True,
            postgresql_where=text("carrier_call_id IS NOT NULL"),
        ),
        Index("ix_calls_live_campaign", "campaign_id", "state", postgresql_where=text(LIVE)),
        Index("ix_calls_live_workspace", "workspace_id", "state", postgresql_where=text(LIVE)),
        Index("ix_calls_live_account", "carrier_account_id", "state", postgresql_where=text(LIVE)),
        Index("ix_calls_live_number", "phone_number_id", "state", postgresql_where=text(LIVE)),
        Index("ix_calls_deadline", "deadline_at", postgresql_where=text(LIVE)),
        Index("ix_calls_inbound", "contact_id", postgresql_where=text("state = 'inbound'")),
        Index("ix_calls_amd_due", "amd_due_at", postgresql_where=text("amd_due_at IS NOT NULL")),
        Index("ix_calls_late", "late_at", postgresql_where=text("late_at IS NOT NULL AND hang_up_sent_at IS NULL")),
        Index("ix_calls_number_dialed", "phone_number_id", "dialed_at"),
        Index("ix_calls_prospect_id", "prospect_id", "created_at"),
        Index("ix_calls_campaign_id", "campaign_id", "created_at", "id"),
        Index("ix_calls_ended", "campaign_id", "ended_at", "id", postgresql_where=text("state = 'ended'")),
        Index("ix_calls_workspace_id", "workspace_id", "created_at", "id"),
        Index("ix_calls_contact_id", "contact_id", "created_at"),
        Index(
            "ix_calls_disposition",
            "campaign_id",
            "disposition",
            "created_at",
            "id",
            postgresql_where=text("disposition IS NOT NULL"),
        ),
        Index(
            "ix_calls_outcome",
            "campaign_id",
            "outcome",
            "created_at",
            "id",
            postgresql_where=text("outcome IS NOT NULL"),
        ),
        Index(
            "ix_calls_workspace_disposition",
            "workspace_id",
            "disposition",
            "created_at",
            "id",
            postgresql_where=text("disposition IS NOT NULL"),
        ),
    )


class CallEvent(Base):
    """Every carrier callback, once. ``dedupe`` is made of what the carrier sent."""

    __tablename__ = "call_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"))
    kind: Mapped[str]
    dedupe: Mapped[str]
    carrier_call_id: Mapped[str | None]
    status: Mapped[str | None]
    sequence: Mapped[int | None]
    occurred_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)
    payload: Mapped[dict[str, Any]]

    __table_args__ = (Unique("call_id", "dedupe"),)
