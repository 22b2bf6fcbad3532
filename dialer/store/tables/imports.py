"""Uploaded files, what became of their rows, and what was wrong with the others."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dialer.domain.states import ImportStatus
from dialer.store.tables.base import NOW, Base, Tenant, one_of


class Import(Tenant):
    """One uploaded file and how far its reading has come: the next chunk begins at byte ``next_offset``.

    Without ``started_at`` its bytes are still arriving. A retry raises ``run``.
    """

    __tablename__ = "imports"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    status: Mapped[str] = mapped_column(server_default="running")
    filename: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(server_default="0")
    options: Mapped[dict[str, Any]]
    shape: Mapped[dict[str, Any] | None]
    rows_total: Mapped[int | None]
    rows_read: Mapped[int] = mapped_column(server_default="0")
    next_offset: Mapped[int | None]
    next_row: Mapped[int | None]
    created: Mapped[int] = mapped_column(server_default="0")
    updated: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[dict[str, Any] | None]
    report: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    run: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        one_of("status", ImportStatus),
        CheckConstraint("rows_read = created + updated + skipped + failed", name="rows_add_up"),
        Index("ix_imports_workspace_id", "workspace_id", "created_at", "id"),
        Index("ix_imports_campaign_id", "campaign_id", "status"),
    )


class ImportPiece(Base):
    """A piece of the uploaded bytes; deleted after seven days."""

    __tablename__ = "import_pieces"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    data: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class ImportProblem(Base):
    """One bad row: which column, what stood there, and what to do."""

    __tablename__ = "import_errors"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    column: Mapped[str | None]
    value: Mapped[str | None]
    code: Mapped[str]
    message: Mapped[str]
    suggestion: Mapped[str | None]
    cells: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
