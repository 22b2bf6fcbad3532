"""Batches as clients write and read them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Metadata, Moment, Name, Owned, Patch, Phone, View
from api.schemas.campaigns import CampaignRulesIn
from dialer.domain.states import BatchStatus

TIME = "From when on its people are called; left out, as soon as the file is imported."


class BatchIn(CampaignRulesIn):
    """Everything beside the file, apart from how it is to be read. Rules are those of a campaign."""

    agent_id: UUID
    name: Name | None = Field(default=None, description="Left out: the time at which it was made.")
    caller_numbers: Annotated[list[Phone], Field(max_length=1000)] | None = None
    scheduled_at: Moment | None = Field(default=None, description=TIME)
    ignore_missing_variables: bool = False
    metadata: Metadata = Field(default_factory=dict[str, Any])


class BatchPatch(Patch):
    """Another time to begin at, until it has begun; null means as soon as possible."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scheduled_at": "2036-12-01T09:00:00Z"}]})

    scheduled_at: Moment | None = Field(default=None, description="A time that has just passed means now.")
    metadata: Metadata = Field(default_factory=dict[str, Any])


class BatchCounts(View):
    """Rows of the file as they were imported, and the people and calls of its campaign."""

    rows_total: int | None = Field(description="An estimate until the file is read.")
    rows_read: int
    created: int
    updated: int
    skipped: int
    failed: int
    prospects_total: int
    prospects_done: int
    calls_total: int


class BatchOut(Owned):
    """A file that is dialed once.

    ``progress`` is that of what goes on: rows read while importing, people done while dialing.
    """

    name: str
    status: BatchStatus
    agent_id: UUID
    campaign_id: UUID
    import_id: UUID | None
    filename: str | None
    scheduled_at: datetime | None = Field(description="null: as soon as the file is imported")
    launched_at: datetime | None
    completed_at: datetime | None
    paused_reason: str | None
    error: dict[str, Any] | None = Field(
        description="Why it failed: `code`, `message`, and `errors` by field when it could not be launched."
    )
    progress: float
    counts: BatchCounts
    workflow_id: str
    trace_url: str | None


class BatchCancelled(BatchOut):
    """A batch that begins no more calls. ``undecided`` calls have no answer from the carrier yet."""

    calls_in_flight: int
    undecided: int | None = None
