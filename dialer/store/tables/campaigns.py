"""Campaigns, and the people that they are to reach."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, SmallInteger, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from dialer.domain.states import CampaignStatus, ProspectState
from dialer.store.tables.base import NOW, Base, Tenant, one_of


class Campaign(Tenant):
    """The row is the truth: ``control_version`` moves with every change of status, ``settings_version`` with the rules.

    ``judged_from``: of calls claimed before nothing is concluded, since somebody has launched or resumed it then.
    ``idle_until`` is set while no dispatch leg runs; whoever makes something callable earlier clears it and nudges.
    ``reopening``: an edit or a launch has left held people for the legs to look at again.
    Runs of a recurrence that were due after ``recurs_since`` are owed.
    """

    __tablename__ = "campaigns"

    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    slug: Mapped[str | None]
    name: Mapped[str]
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    status: Mapped[str] = mapped_column(server_default="draft")
    control_version: Mapped[int] = mapped_column(server_default="1")
    settings_version: Mapped[int] = mapped_column(server_default="1")
    settings: Mapped[dict[str, Any]]
    max_concurrent: Mapped[int]
    weight: Mapped[float] = mapped_column(server_default="1")
    paused_reason: Mapped[str | None]
    paused_details: Mapped[dict[str, Any] | None]
    completed_reason: Mapped[str | None]
    launched_at: Mapped[datetime | None]
    judged_from: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    idle_until: Mapped[datetime | None]
    wants_until: Mapped[datetime | None]
    recurs_since: Mapped[datetime | None]
    hidden_at: Mapped[datetime | None]
    tallies_checked_at: Mapped[datetime | None]
    reopening: Mapped[bool] = mapped_column(server_default=text("false"))
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("batches.id"))

    __table_args__ = (
        one_of("status", CampaignStatus),
        Unique("workspace_id", "slug"),
        Unique("id", "workspace_id"),
        Index("ix_campaigns_workspace_id", "workspace_id", "created_at", "id"),
        Index("uq_campaigns_batch_id", "batch_id", unique=True, postgresql_where=text("batch_id IS NOT NULL")),
        Index(
            "ix_campaigns_open",
            "status",
            postgresql_where=text("status IN ('scheduled', 'running', 'paused')"),
        ),
    )


class CampaignNumber(Base):
    """The caller numbers of a campaign, in order."""

    __tablename__ = "campaign_numbers"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    phone_number_id: Mapped[UUID] = mapped_column(ForeignKey("phone_numbers.id"), primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    position: Mapped[int] = mapped_column(SmallInteger)

    __table_args__ = (Index("ix_campaign_numbers_phone_number_id", "phone_number_id"),)


class SettingVersion(Base):
    """A campaign's settings as they were from ``created_at`` on: everything that decides about its calls.

    Written once and never changed. Name, agent and caller numbers are None where only the rules are known.
    """

    __tablename__ = "setting_versions"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_by: Mapped[str | None]
    restored_from: Mapped[int | None]
    name: Mapped[str | None]
    agent_id: Mapped[UUID | None]
    caller_numbers: Mapped[list[str] | None]
    settings: Mapped[dict[str, Any]]

    __table_args__ = (Unique("campaign_id", "version"),)


class Contact(Base):
    """One phone number of one workspace, across campaigns. A claim locks it."""

    __tablename__ = "contacts"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    phone: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (Unique("workspace_id", "phone"),)


class Lane(Base):
    """The distinct (zone set, priority) pairs of a campaign: what a claim looks through instead of all prospects."""

    __tablename__ = "lanes"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    zone_set: Mapped[str] = mapped_column(primary_key=True)
    priority: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))


class Prospect(Tenant):
    """One person to reach in one campaign. ``zone_set`` is empty when no zone is known.

    ``phone`` is the first of their phones. ``phone_at`` is the one to be called next, 0 being the first; bit i of
    ``bad_phones`` is set once nobody can be called at phone i.

    ``attempts`` counts all; the allowance of ``requeue_id`` began after ``attempts_base`` of them, and is the policy's
    unless ``allowance`` says another. ``callback_id``: they asked to be called at ``callback_at``, and were not yet.
    ``rang_back_at``: they rang us while we were calling them, so that nobody calls again when that call is over.
    """

    __tablename__ = "prospects"

    workspace_id: Mapped[UUID] = mapped_column()
    campaign_id: Mapped[UUID]
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id"))
    phone: Mapped[str]
    extension: Mapped[str | None]
    external_id: Mapped[str | None]
    name: Mapped[str | None]
    variables: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    zone_set: Mapped[str] = mapped_column(server_default="")
    zone_source: Mapped[str] = mapped_column(server_default="none")
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="5")
    state: Mapped[str] = mapped_column(server_default="ready")
    held_reason: Mapped[str | None]
    next_due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    last_disposition: Mapped[str | None]
    last_outcome: Mapped[str | None]
    phone_at: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    bad_phones: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    requeue_id: Mapped[UUID | None] = mapped_column(ForeignKey("requeues.id"))
    attempts_base: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    allowance: Mapped[int | None] = mapped_column(SmallInteger)
    callback_id: Mapped[UUID | None]
    callback_at: Mapped[datetime | None]
    rang_back_at: Mapped[datetime | None]
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    import_row: Mapped[int | None]

    __table_args__ = (
        # Together the campaign's key: each key is looked up once per row of an import.
        ForeignKeyConstraint(["campaign_id", "workspace_id"], ["campaigns.id", "campaigns.workspace_id"]),
        one_of("state", ProspectState),
        CheckConstraint("state <> 'ready' OR next_due_at IS NOT NULL", name="ready_is_due"),
        CheckConstraint("state <> 'ready' OR attempts >= 0", name="attempts_counted"),
        Unique("campaign_id", "phone"),
        Index(
            "uq_prospects_campaign_id_external_id",
            "campaign_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index(
            "ix_prospects_due",
            "campaign_id",
            "zone_set",
            "priority",
            "next_due_at",
            "id",
            postgresql_where=text("state = 'ready'"),
        ),
        Index(
            "ix_prospects_callback",
            "campaign_id",
            "zone_set",
            "next_due_at",
            "id",
            postgresql_where=text("state = 'ready' AND callback_id IS NOT NULL"),
        ),
        Index("ix_prospects_campaign_id_created", "campaign_id", "created_at", "id"),
        Index("ix_prospects_campaign_id_state", "campaign_id", "state", "id"),
        Index(
            "ix_prospects_done", "campaign_id", "state", "created_at", "id", postgresql_where=text("state <> 'ready'")
        ),
        Index(
            "ix_prospects_disposition",
            "campaign_id",
            "last_disposition",
            "created_at",
            "id",
            postgresql_where=text("last_disposition IS NOT NULL"),
        ),
        Index(
            "ix_prospects_outcome",
            "campaign_id",
            "last_outcome",
            "created_at",
            "id",
            postgresql_where=text("last_outcome IS NOT NULL"),
        ),
        Index("ix_prospects_contact_id", "contact_id"),
        Index("ix_prospects_import_id", "import_id", "import_row"),
        Index("ix_prospects_in_call", "updated_at", postgresql_where=text("state = 'in_call'")),
    )


class ProspectPhone(Base):
    """A further phone of a prospect, tried in order of ``position`` after the first, which is in their own row."""

    __tablename__ = "prospect_phones"

    prospect_id: Mapped[UUID] = mapped_column(ForeignKey("prospects.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id"))
    phone: Mapped[str]
    extension: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("position BETWEEN 1 AND 4", name="position_known"),
        Unique("campaign_id", "phone"),
        Index("ix_prospect_phones_contact_id", "contact_id"),
    )
