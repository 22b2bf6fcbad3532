"""Why somebody may be called more often than the policy says: everybody of one kind again, or because they asked."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from dialer.store.tables.base import Tenant


class Requeue(Tenant):
    """People of a campaign who got a fresh allowance of attempts. Kept for ever: their calls are judged by it.

    ``chosen`` says who (states, dispositions, outcomes); ``attempts`` is None when the policy's number counts. The next
    batch begins behind ``after_id`` among those in ``at_state``; there is none once ``finished_at`` is set.
    """

    __tablename__ = "requeues"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    chosen: Mapped[dict[str, Any]]
    attempts: Mapped[int | None] = mapped_column(SmallInteger)
    not_before: Mapped[datetime | None]
    at_state: Mapped[str | None]
    after_id: Mapped[UUID | None]
    requeued: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    finished_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_requeues_campaign_id", "campaign_id", "created_at", "id"),)


class CallbackRequest(Tenant):
    """Somebody asked to be called at ``asked_for``, on ``call_id`` if it was on a call. Permits one call.

    ``due_at`` is the first moment from then on that lies inside their calling hours.
    """

    __tablename__ = "callback_requests"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    prospect_id: Mapped[UUID] = mapped_column(ForeignKey("prospects.id", ondelete="CASCADE"))
    call_id: Mapped[UUID | None]
    asked_for: Mapped[datetime]
    due_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_callback_requests_prospect_id", "prospect_id", "created_at"),
        Index("ix_callback_requests_campaign_id", "campaign_id", "created_at"),
    )
