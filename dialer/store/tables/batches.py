"""Batches: one uploaded file that is dialed once, at a given time."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column

from dialer.store.tables.base import Tenant


class Batch(Tenant):
    """What neither its import nor its campaign knows; the status follows from all three.

    The campaign refers to it by ``campaigns.batch_id`` and has its name. Without ``scheduled_at`` it is dialed as soon
    as its file is imported. ``error`` says why it could not be launched.
    """

    __tablename__ = "batches"

    # Added by itself, since an import refers to its campaign, and that one to the batch.
    import_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("imports.id", name="fk_batches_import_id", ondelete="SET NULL", use_alter=True)
    )
    scheduled_at: Mapped[datetime | None]
    ignore_missing_variables: Mapped[bool] = mapped_column(server_default=false())
    error: Mapped[dict[str, Any] | None]

    __table_args__ = (
        Index("ix_batches_workspace_id", "workspace_id", "created_at", "id"),
        Index("ix_batches_import_id", "import_id"),
    )
