"""The runs of recurring campaigns: those that went on, and those that did not come to it, each with its reason."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from dialer.domain.runs import RunOutcome, RunTrigger
from dialer.store.tables.base import Tenant, one_of


class CampaignRun(Tenant):
    """One run, due at ``due_at``: by its Schedule, or when somebody launched it. It goes on until ``ended_at``.

    ``calls_before`` and ``reached_before`` are the campaign's counts when it began; ``calls`` and ``reached`` are what
    it added, once it has ended.
    """

    __tablename__ = "campaign_runs"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    trigger: Mapped[str]
    due_at: Mapped[datetime]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    calls_before: Mapped[int] = mapped_column(server_default="0")
    reached_before: Mapped[int] = mapped_column(server_default="0")
    calls: Mapped[int | None]
    reached: Mapped[int | None]

    __table_args__ = (
        one_of("outcome", RunOutcome),
        one_of("trigger", RunTrigger),
        Unique("campaign_id", "due_at"),
        Index(
            "uq_campaign_runs_open",
            "campaign_id",
            unique=True,
            postgresql_where=text("outcome = 'running'"),
        ),
    )
