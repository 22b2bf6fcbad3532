"""Do-not-call entries, pace, tallies and remembered answers."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, SmallInteger
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
