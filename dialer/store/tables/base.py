"""What all tables share: names of constraints, types of columns, identity and ownership."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, MetaData, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dialer.domain.states import LIVE_STATES, CallState

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
NOW = text("dialer_now()")
LIVE = "state IN (" + ", ".join(f"'{state}'" for state in CallState if state in LIVE_STATES) + ")"


def one_of(column: str, enum: type[StrEnum]) -> CheckConstraint:
    """A check that a text column holds one of an enum's values."""
    values = ", ".join(f"'{member.value}'" for member in enum)
    return CheckConstraint(f"{column} IN ({values})", name=f"{column}_known")


class Base(DeclarativeBase):
    """Names every constraint by one convention, so that errors can be decided by name."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
        bytes: BYTEA,
        int: BigInteger,
    }


class Row(Base):
    """What everything has."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_by: Mapped[str | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'"))


class Tenant(Row):
    """What belongs to exactly one workspace."""

    __abstract__ = True

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
