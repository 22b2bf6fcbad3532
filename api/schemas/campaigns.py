"""Campaigns as clients write and read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, to_json

from api.operations.references import as_uuid
from api.schemas.accounts import Slug
from api.schemas.base import MAX_INTEGER, Document, Metadata, Name, Owned, Patch, Phone, View
from api.schemas.campaign_rules import MAX_CALL_S, RING_TIMEOUT_S, Breaker, CallingHours, Pace, Redial, Schedule
from api.schemas.voicemail import Inbound, OptOut, Voicemail
from dialer.domain import campaign_rules as rules
from dialer.domain.campaign_rules import AnsweringMachine

Purpose = Literal["quote_request", "cold_calling", "appointment", "qualification", "inbound"]
Approval = Literal["none", "required"]
CallLanguageMode = Literal["auto", "fixed"]
DEFAULT_DISPLAY_COLUMNS = ["name", "phone", "disposition", "outcome"]
RESERVED_SLUGS = frozenset({"options"})
MAX_SCHEMA_BYTES = 64 * 1024
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "schedule": Schedule().model_dump(mode="json"),
    "calling_hours": CallingHours().model_dump(mode="json"),
    "redial": Redial().model_dump(mode="json"),
    "pace": Pace().model_dump(mode="json"),
}

EXAMPLE: dict[str, Any] = {
    "name": "Spring sale",
    "agent_id": "0199a1b2-0000-7000-8000-000000000001",
    "caller_numbers": ["+16505550150"],
    "purpose": "cold_calling",
    "schedule": {"end_at": "2036-12-20T20:00:00Z", "time_zone": "Europe/Rome"},
    "calling_hours": {
        "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "20:00"}],
        "holidays": "US",
        "zone": "prospect",
    },
    "redial": {"max_attempts": 4, "delays": {"busy": ["PT15M", "PT1H"], "no_answer": ["PT4H", "P1D"]}},
    "pace": {"max_concurrent": 50, "calls_per_second": 5, "weight": 1},
}


def _free_slug(slug: str) -> str:
    """A slug stands wherever an id does, so it must not look like one, or like a path of ours."""
    if slug in RESERVED_SLUGS or as_uuid(slug) is not None:
        raise PydanticCustomError("reserved_slug", "This slug is reserved")
    return slug


CampaignSlug = Annotated[Slug, AfterValidator(_free_slug)]
ExpectedVersion = Annotated[
    Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None,
    Field(description="The settings_version that this was written against: 409 when the campaign is at another one."),
]


def _normal_schema(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """JSON Schema says ``required: [names]``; ``required: true`` at a property is a common slip that means the same."""
    if schema is None:
        return None
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict):
        raise PydanticCustomError(
            "not_an_object_schema", 'This must be a JSON Schema of "type": "object" with properties'
        )
    if len(to_json(schema)) > MAX_SCHEMA_BYTES:
        raise PydanticCustomError("too_large", "A schema takes at most 64 KB")
    given: Any = schema.get("required", [])
    required: list[str] = list(given) if isinstance(given, list) else []  # pyright: ignore[reportUnknownArgumentType]
    normal: dict[str, Any] = {}
    for name, part in properties.items():  # pyright: ignore[reportUnknownVariableType]
        if isinstance(part, dict) and isinstance(part.get("required"), bool):  # pyright: ignore[reportUnknownMemberType]
            if part["required"] and name not in required:
                required.append(str(name))  # pyright: ignore[reportUnknownArgumentType]
            part = {key: value for key, value in part.items() if key != "required"}  # pyright: ignore[reportUnknownVariableType]
        normal[str(name)] = part  # pyright: ignore[reportUnknownArgumentType]
    return {**schema, "properties": normal, **({"required": required} if required else {})}


class CampaignRulesIn(Document):
    """Everything of a campaign that is kept as its settings."""

    purpose: Purpose = "cold_calling"
    schedule: Schedule = Schedule()
    calling_hours: CallingHours = Field(default_factory=CallingHours)
    redial: Redial = Redial()
    pace: Pace = Pace()
    breaker: Breaker | None = Field(default=Breaker(), description="null: go on, whatever becomes of the calls.")
    ring_timeout_s: Annotated[int, Field(ge=RING_TIMEOUT_S[0], le=RING_TIMEOUT_S[1])] = rules.DEFAULT_RING_TIMEOUT_S
    max_call_s: Annotated[int, Field(ge=MAX_CALL_S[0], le=MAX_CALL_S[1])] = rules.DEFAULT_MAX_CALL_S
    answering_machine: AnsweringMachine = AnsweringMachine.DETECT
    record: bool = False
    voicemail: Voicemail = Voicemail()
    opt_out: OptOut = OptOut()
    inbound: Inbound = Inbound()
    approval: Approval = "none"
    keep_open: bool = Field(default=False, description="Idle instead of completing, and call whoever is added.")
    public_status: bool = Field(default=False, description="Let anybody read the status, aggregates only.")
    call_language_mode: CallLanguageMode = "auto"
    output_language: Annotated[
        str, Field(pattern=r"^(same_as_call|[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)$", max_length=35)
    ] = "same_as_call"
    extraction_schema: Annotated[dict[str, Any] | None, AfterValidator(_normal_schema)] = None
    display_columns: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)] = Field(
        default_factory=lambda: list(DEFAULT_DISPLAY_COLUMNS)
    )

    @field_validator("approval")
    @classmethod
    def _approval_not_yet(cls, value: Approval) -> Approval:
        if value != "none":
            raise PydanticCustomError("not_available", "Approval before a launch is not available yet; leave it none")
        return value

    @field_validator("purpose")
    @classmethod
    def _outbound(cls, value: Purpose) -> Purpose:
        if value == "inbound":
            raise PydanticCustomError("not_available", "Inbound campaigns are not available yet")
        return value


class CampaignFields(CampaignRulesIn):
    """What may be left out."""

    slug: CampaignSlug | None = None
    caller_numbers: Annotated[list[Phone], Field(max_length=1000)] | None = Field(
        default=None, description="Numbers of this workspace, E.164; left out: the agent's own."
    )
    metadata: Metadata = Field(default_factory=dict[str, Any])


class CampaignIn(CampaignFields):
    """A campaign."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Name
    agent_id: UUID


class CampaignPatch(CampaignFields, Patch):
    """Changes to a campaign; what is left out stays, objects are merged by member, lists are replaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pace": {"max_concurrent": 20}, "expected_version": 3}]})

    name: Name = ""
    agent_id: UUID = UUID(int=0)
    expected_version: ExpectedVersion = None


class CloneIn(Document):
    """What is different in the copy."""

    name: Name | None = None
    slug: CampaignSlug | None = None


class CampaignOut(Owned):
    """A campaign."""

    number: int
    slug: str | None
    name: str
    agent_id: UUID
    batch_id: UUID | None = Field(description="The batch that it belongs to.")
    caller_numbers: list[str]
    status: str
    paused_reason: str | None
    paused_details: dict[str, Any] | None = Field(
        description="The figures that a pause for carrier_failing or failure_rate rests on."
    )
    completed_reason: str | None
    settings_version: int
    launched_at: datetime | None
    completed_at: datetime | None
    purpose: str
    schedule: dict[str, Any]
    calling_hours: dict[str, Any]
    redial: dict[str, Any]
    pace: dict[str, Any]
    breaker: dict[str, Any] | None = Field(default_factory=lambda: Breaker().model_dump())
    ring_timeout_s: int
    max_call_s: int
    answering_machine: str
    record: bool
    voicemail: dict[str, Any] = Field(default_factory=lambda: Voicemail().model_dump(mode="json"))
    opt_out: dict[str, Any] = Field(default_factory=lambda: OptOut().model_dump(mode="json"))
    inbound: dict[str, Any] = Field(default_factory=lambda: Inbound().model_dump(mode="json"))
    approval: str
    keep_open: bool
    public_status: bool
    call_language_mode: str
    output_language: str
    extraction_schema: dict[str, Any] | None
    display_columns: list[str]
    workflow_id: str
    trace_url: str | None

    @field_validator("schedule", "calling_hours", "redial", "pace", mode="before")
    @classmethod
    def _complete(cls, stored: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """A campaign stored by an older version reads with the defaults of what that version did not know."""
        return {**_DEFAULTS[info.field_name or ""], **stored}


class Launched(View):
    """The campaign runs, or is scheduled."""

    status: str
    workflow_id: str
    trace_url: str | None


class LiveCalls(Document):
    """What becomes of calls in flight."""

    calls: Literal["finish", "hang_up"] = "finish"


class ControlOut(View):
    """The campaign after pause, resume or stop. ``undecided`` calls have no answer from the carrier yet."""

    status: str
    calls_in_flight: int
    undecided: int | None = None
