"""Prospects as clients write and read them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, to_json

from api.schemas.accounts import ListFilters, Region
from api.schemas.base import Document, Metadata, Moment, Owned, Patch, View
from api.schemas.campaign_rules import Zone
from api.schemas.prospect_variables import MissingVariable
from dialer.domain.dispositions import Disposition
from dialer.domain.person_phones import MOST_PHONES
from dialer.domain.prospect_rows import EXTERNAL_ID_LIMIT, NAME_LIMIT, PRIORITY_LIMIT, VARIABLES_LIMIT
from dialer.domain.states import ProspectState
from dialer.domain.zones import ZoneSource

MAX_UPSERT = 1000


def _few(variables: dict[str, Any]) -> dict[str, Any]:
    if len(to_json(variables)) > VARIABLES_LIMIT:
        raise PydanticCustomError("variables_too_large", "The variables of one prospect take at most 16 KB")
    return variables


RawPhone = Annotated[
    str, Field(min_length=1, max_length=60, description="E.164, or any usual spelling.", examples=["+12025550123"])
]
Extension = Annotated[str, Field(pattern=r"^[0-9]{1,9}$", examples=["12"])]
OtherPhones = Annotated[
    list[RawPhone],
    Field(
        max_length=MOST_PHONES - 1,
        description="Further phones of the same person, tried in this order after the first.",
        examples=[["+12025550124", "+12025550125 x12"]],
    ),
]
ExternalId = Annotated[str, Field(min_length=1, max_length=EXTERNAL_ID_LIMIT)]
PersonName = Annotated[str, Field(max_length=NAME_LIMIT)]
Variables = Annotated[dict[str, Any], AfterValidator(_few)]
Priority = Annotated[
    int, Field(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT, description="Higher is called sooner; 0 is usual.")
]
Country = Annotated[str, Field(pattern=r"^[A-Za-z]{2}$", description="ISO 3166 alpha-2")]
Place = Annotated[str, Field(max_length=100)]


class ProspectIn(Document):
    """One person to reach."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "external_id": "crm-17",
                    "phone": "+12025550123",
                    "name": "Ada Lovelace",
                    "variables": {"plan": "gold"},
                    "time_zone": "America/New_York",
                }
            ]
        }
    )

    phone: RawPhone
    extension: Extension | None = Field(default=None, description="Dialed once the phone is answered.")
    other_phones: OtherPhones | None = None
    external_id: ExternalId | None = None
    name: PersonName | None = None
    variables: Variables = Field(default_factory=dict[str, Any])
    time_zone: Zone | None = Field(default=None, description="IANA; left out: every zone that the numbers may be in.")
    country: Country | None = Field(default=None, description="Of the address, and of a number without country code.")
    region: Place | None = Field(default=None, description="State or province of the address.")
    postal_code: Place | None = None
    priority: Priority | None = None


class UpsertIn(Document):
    """Up to 1,000 people; known ones, by external_id or phone, are updated."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_UPSERT)] = Field(
        description=(
            "Each as one prospect: external_id, phone, name, variables, time_zone, priority. Members that begin with "
            "dialer_ are ignored, so that lines of an exported file can be sent as they are."
        ),
        examples=[[{"external_id": "crm-17", "phone": "+12025550123", "name": "Ada", "variables": {"plan": "gold"}}]],
    )


class ProspectFilters(ListFilters):
    """Which people of a campaign."""

    state: ProspectState | None = None
    import_id: UUID | None = None
    last_disposition: Disposition | None = None
    phone: Annotated[str | None, Field(max_length=60, description="Any usual spelling; also further phones.")] = None
    external_id: Annotated[str | None, Field(max_length=EXTERNAL_ID_LIMIT)] = None
    time_zone_source: ZoneSource | None = None


class ProspectPatch(Patch):
    """Changes to a prospect; what is left out stays, variables are merged."""

    phone: RawPhone = ""
    other_phones: OtherPhones = Field(default_factory=list[str])
    external_id: ExternalId | None = None
    name: PersonName | None = None
    variables: Variables = Field(default_factory=dict[str, Any])
    time_zone: Zone | None = None
    priority: Priority = 0
    metadata: Metadata = Field(default_factory=dict[str, Any])


class ProspectOut(Owned):
    """One person in one campaign."""

    campaign_id: UUID
    external_id: str | None
    phone: str
    extension: str | None
    other_phones: list[str] = Field(description="In the order in which they are tried, an extension behind an x.")
    next_phone: str = Field(description="The phone that is called next, or is being called.")
    name: str | None
    variables: dict[str, Any]
    time_zones: list[str]
    time_zone_source: str
    priority: int
    state: str
    held_reason: str | None
    attempts: int
    next_due_at: datetime | None
    callback_at: datetime | None = Field(description="When they asked to be called, until they were.")
    last_disposition: str | None
    last_outcome: str | None
    import_id: UUID | None


class ItemError(View):
    """Why one item was not written."""

    index: int
    field: str
    code: str
    message: str
    suggestion: str | None = None


class UpsertOut(View):
    """What became of the items."""

    created: int
    updated: int
    failed: int
    errors: list[ItemError]
    missing_variables: list[MissingVariable] = Field(
        default_factory=list[MissingVariable], description="What the campaign's agent says and some of these lack."
    )


class Gate(View):
    """One gate between a person and a call."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    name: str
    passed: bool = Field(alias="pass")
    why: str
    next_eligible_at: datetime | None = None


class ExplainOut(View):
    """May this person be called now?"""

    callable: bool
    blocked_by: str | None
    next_eligible_at: datetime | None
    gates: list[Gate]


class ImportStarted(View):
    """The file is stored and is being read."""

    import_id: UUID
    workflow_id: str
    trace_url: str | None


class UploadOptions(Document):
    """The fields beside the file."""

    mapping: dict[str, str] = Field(default_factory=dict[str, str])
    default_region: Region | None = None
    encoding: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="Of a text file, where it is not recognised.", examples=["windows-1257"]
    )
    on_duplicate: Literal["skip", "update"] = "skip"
    dry_run: bool = False


class ZoneSetCount(View):
    """People who may be in any of these zones."""

    time_zones: list[str]
    people: int


class ZonesReport(View):
    """How the zones of the new people are known, and the largest sets of zones."""

    by_source: dict[str, int] = Field(description="`explicit`, `address`, `phone`, or `none`", examples=[{"phone": 93}])
    sets: list[ZoneSetCount]
    in_other_sets: int
    without: int = Field(description="Without a zone: held, unless the campaign goes by a zone of its own")


class DuplicatesReport(View):
    """Rows about people who are there already: of an earlier row of the file, or in the campaign."""

    in_file: int
    in_campaign: int


class HourOfCalls(View):
    """First calls in one hour."""

    hour: datetime
    calls: int


class FirstCallsReport(View):
    """When the new people would be called for the first time, if the campaign were launched now: the best case.

    An hour has at most the calls that `pace.calls_per_second` allows, and those that `pace.max_concurrent` slots allow
    if a call takes `assumed_call_s`. Whoever waits in the campaign already is called first.
    """

    starts_at: datetime
    assumed_call_s: int
    calls_per_hour: int
    hours: list[HourOfCalls]
    later: int = Field(description="Not within seven days, or not before the campaign's end")


class ImportReport(View):
    """What an upload would do: the rest is told by the counts of the import, and by its errors."""

    errors: dict[str, int] = Field(description="Bad rows by code", examples=[{"phone_missing": 2}])
    states: dict[str, int] = Field(description="New people by state", examples=[{"ready": 90, "held": 2}])
    zones: ZonesReport
    duplicates: DuplicatesReport
    first_calls: FirstCallsReport


class ImportOut(Owned):
    """One uploaded file: ``rows_read = created + updated + skipped + failed``."""

    campaign_id: UUID
    status: str
    filename: str
    size_bytes: int
    rows_total: int | None
    rows_read: int
    created: int
    updated: int
    skipped: int
    failed: int
    encoding: str | None
    delimiter: str | None
    mapping: dict[str, str] | None
    error: dict[str, Any] | None
    dry_run: bool
    report: ImportReport | None = Field(description="Of a dry run, once it has ended.")
    started_at: datetime | None
    finished_at: datetime | None
    progress: float
    workflow_id: str
    trace_url: str | None


class ImportErrorOut(View):
    """One bad row."""

    row: int
    column: str | None
    value: str | None
    code: str
    message: str
    suggestion: str | None


class SuppressionIn(Document):
    """A phone that is not to be called: by the whole workspace, or by one campaign."""

    phone: RawPhone
    campaign_id: UUID | None = None
    reason: Annotated[str, Field(max_length=500)] = ""


class SuppressionOut(Owned):
    """A do-not-call entry."""

    phone: str
    campaign_id: UUID | None
    reason: str
    source: str
    undecided: int | None = Field(
        default=None, description="Calls to this phone that had begun, and have no answer from the carrier yet."
    )


class SuppressionCheck(View):
    """Whether a phone may not be called, and because of which entries."""

    phone: str
    suppressed: bool
    entries: list[SuppressionOut]


class CallsFilter(Document):
    """Which calls."""

    campaign_id: UUID | None = None
    prospect_id: UUID | None = None
    agent_id: UUID | None = None
    disposition: str | None = None
    outcome: str | None = None
    state: str | None = None
    channel: str | None = None
    direction: str | None = None
    phone: RawPhone | None = None
    started_after: Moment | None = None
    started_before: Moment | None = None
