"""Who owns what: workspaces, keys, agents, carrier accounts and caller numbers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from dialer.store.tables.base import Row, Tenant


class Workspace(Row):
    """The tenant, with the limits that hold over all of its campaigns."""

    __tablename__ = "workspaces"

    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    max_concurrent: Mapped[int] = mapped_column(server_default="100")
    calls_per_second: Mapped[float] = mapped_column(server_default="50")
    default_region: Mapped[str | None]


class ApiKey(Tenant):
    """A key as its SHA-256; the plain text is shown once."""

    __tablename__ = "api_keys"

    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    requests_per_minute: Mapped[int] = mapped_column(server_default="6000")
    revoked_at: Mapped[datetime | None]


class Agent(Tenant):
    """The voice agent that talks."""

    __tablename__ = "agents"

    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    name: Mapped[str]
    architecture: Mapped[str] = mapped_column(server_default="pipeline")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    visibility: Mapped[str] = mapped_column(server_default="private")
    system_prompt: Mapped[str] = mapped_column(server_default="")
    first_message: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str] = mapped_column(server_default="en-US")
    llm: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    stt: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    tts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    realtime: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    tools: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    max_call_s: Mapped[int] = mapped_column(server_default="300")
    archived_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_agents_workspace_id", "workspace_id", "created_at"),)


class CarrierAccount(Tenant):
    """Credentials at a carrier, the secret encrypted, and the account's own limits."""

    __tablename__ = "carrier_accounts"

    carrier: Mapped[str] = mapped_column(server_default="twilio")
    label: Mapped[str]
    account_sid: Mapped[str]
    secret: Mapped[bytes]
    base_url: Mapped[str | None]
    calls_per_second: Mapped[float] = mapped_column(server_default="1")
    max_concurrent: Mapped[int] = mapped_column(server_default="100")

    __table_args__ = (Unique("workspace_id", "account_sid"),)


class PhoneNumber(Tenant):
    """A caller number that the workspace owns at a carrier."""

    __tablename__ = "phone_numbers"

    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    phone: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")
    carrier_account_id: Mapped[UUID] = mapped_column(ForeignKey("carrier_accounts.id"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"))
    max_concurrent: Mapped[int | None]
    calls_per_second: Mapped[float | None]
    calls_per_day: Mapped[int | None]

    __table_args__ = (Unique("workspace_id", "phone"),)
