"""The workspace, its key, its carrier accounts and its caller numbers."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from api.schemas.base import Document, Metadata, Moment, Name, Owned, Patch, Phone, Rate, View, Whole
from dialer.domain.countries import is_region

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
Slug = Annotated[str, Field(pattern=f"^{SLUG.pattern}$", max_length=64, examples=["spring-sale"])]


def _real(region: str) -> str:
    if not is_region(region):
        raise PydanticCustomError("unknown_region", "There are no phone numbers in such a country")
    return region


Region = Annotated[
    str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166 alpha-2", examples=["US"]), AfterValidator(_real)
]


class WorkspacePatch(Patch):
    """Changes to the workspace; what is left out stays."""

    name: Name = ""
    slug: Slug = ""
    max_concurrent: Whole = 1
    calls_per_second: Rate = 1.0
    default_region: Region | None = None
    metadata: Metadata = Field(default_factory=dict[str, Any])


class WorkspaceOut(Owned):
    """The tenant, with the limits that hold over all of its campaigns."""

    number: int
    name: str
    slug: str
    max_concurrent: int
    calls_per_second: float
    default_region: str | None


class Limits(View):
    """How many requests a minute."""

    requests_per_minute: int


class MeOut(View):
    """Who asks, and what they may do."""

    workspace: WorkspaceOut
    principal: str
    scopes: list[str]
    rate_limits: Limits


class AccountFields(Document):
    """What may be left out."""

    calls_per_second: Rate = 1.0
    max_concurrent: Whole = 100
    metadata: Metadata = Field(default_factory=dict[str, Any])


Sid = Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$", examples=["AC" + "0" * 32])]
Secret = Annotated[SecretStr, Field(min_length=8, max_length=200, description="Stored encrypted, never returned.")]


class AccountIn(AccountFields):
    """Credentials at a carrier."""

    carrier: Literal["twilio"] = "twilio"
    label: Name = Field(examples=["Twilio main account"])
    account_sid: Sid
    secret: Secret


class AccountPatch(AccountFields, Patch):
    """Changes to a carrier account; what is left out stays."""

    label: Name = ""
    secret: Secret = SecretStr("")


class AccountOut(Owned):
    """A carrier account, without its secret."""

    carrier: str
    label: str
    account_sid: str
    base_url: str | None = Field(description="Where the carrier's API is served; null is the carrier itself.")
    calls_per_second: float
    max_concurrent: int


class AccountTest(View):
    """What the carrier said to a harmless request."""

    ok: bool
    status: str | None = Field(description="The carrier's word for the account's state.")
    code: str | None = Field(description="Why it is not ok: account_refused, not_processed or unreachable.")
    carrier_code: int | None = None


class NumberFields(Document):
    """What may be left out."""

    label: Annotated[str, Field(max_length=200)] = ""
    agent_id: UUID | None = Field(default=None, description="The agent that calls from this number by default.")
    max_concurrent: Whole | None = None
    calls_per_second: Rate | None = None
    calls_per_day: Whole | None = None
    metadata: Metadata = Field(default_factory=dict[str, Any])


class NumberIn(NumberFields):
    """A caller number that the workspace owns at a carrier."""

    phone: Phone
    carrier_account_id: UUID | None = Field(
        default=None, description="May be left out while there is only one account."
    )


class NumberPatch(NumberFields, Patch):
    """Changes to a caller number; what is left out stays."""

    carrier_account_id: UUID = UUID(int=0)


class NumberOut(Owned):
    """A caller number."""

    number: int
    phone: str
    label: str
    carrier_account_id: UUID
    agent_id: UUID | None
    max_concurrent: int | None
    calls_per_second: float | None
    calls_per_day: int | None


class ListFilters(Document):
    """Filters that most lists take."""

    created_by: Annotated[str | None, Field(max_length=200)] = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    search: Annotated[str | None, Field(max_length=200)] = None
