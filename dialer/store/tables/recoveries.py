"""Restores of the database, from when they were noticed until the carrier was asked for the calls that were lost."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from dialer.store.tables.base import NOW, Base


class Recovery(Base):
    """One restore. Open until ``recovered_at``; it belongs to no workspace and tells nothing of one.

    ``newest_call_at``: when the newest call was made that the database held when the restore was noticed; null when
    it held none. ``since``: from when on the carrier was asked.
    """

    __tablename__ = "recoveries"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    noticed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    newest_call_at: Mapped[datetime | None]
    since: Mapped[datetime | None]
    recovered_at: Mapped[datetime | None]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
