"""Do-not-call entries, pace, tallies, remembered answers, and what was in force when."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from dialer.store.tables.base import NOW, Base, Tenant


class Suppression(Tenant):
    """A do-not-call entry: workspace-wide, or for one campaign."""

    __tablename__ = "suppressions"

    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"))
    phone: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    source: Mapped[str] = mapped_column(server_default="api")

    __table_args__ = (Unique("workspace_id", "phone", "campaign_id", postgresql_nulls_not_distinct=True),)


class PaceRow(Base):
    """When the next call of a campaign, account or number may begin."""

    __tablename__ = "pace"

    scope: Mapped[str] = mapped_column(primary_key=True)
    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    next_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Share(Base):
    """How much a campaign has had of an account, or of its workspace: calls begun, divided by its weight.

    ``limit_id`` is the account's or the workspace's id. ``wants`` calls it could begin besides, as it said so before
    ``wants_until``. Rows that nobody has touched for a while are forgotten.
    """

    __tablename__ = "shares"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    limit_id: Mapped[UUID] = mapped_column(primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    weight: Mapped[float]
    served: Mapped[float] = mapped_column(server_default="0")
    wants: Mapped[int] = mapped_column(server_default="0")
    wants_until: Mapped[datetime] = mapped_column(server_default=NOW)


class Backoff(Base):
    """A carrier account whose last requests failed, from the first failure until an answer.

    ``failures`` in a row; after several nobody dials over the account before ``open_until``, and then one call asks.
    ``trips`` says how often it was so. ``reason``: ``unreachable``, ``throttled`` or ``failing``.
    """

    __tablename__ = "backoffs"

    carrier_account_id: Mapped[UUID] = mapped_column(
        ForeignKey("carrier_accounts.id", ondelete="CASCADE"), primary_key=True
    )
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    failures: Mapped[int] = mapped_column(server_default="0")
    trips: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=NOW)
    open_until: Mapped[datetime | None]


class Tally(Base):
    """Counts kept by triggers, spread over a few slots so that no row is hot."""

    __tablename__ = "tallies"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    n: Mapped[Decimal]


class IdempotencyKey(Base):
    """The first answer to a keyed request, given again for 24 hours."""

    __tablename__ = "idempotency_keys"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Change(Base):
    """What a call is judged by, from ``at`` on: a campaign's status and rules, a limit, a do-not-call entry.

    Written by triggers. ``facts`` is None once the subject is gone. ``settled_at`` is when a pause, stop or opt-out was
    answered: no call that had passed its gate before is undecided any more.
    """

    __tablename__ = "changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    subject: Mapped[str]
    subject_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    settled_at: Mapped[datetime | None]
    facts: Mapped[dict[str, Any] | None]

    __table_args__ = (
        Index("ix_changes_subject", "subject", "subject_id", "at"),
        Index("ix_changes_workspace_id", "workspace_id", "at"),
    )
