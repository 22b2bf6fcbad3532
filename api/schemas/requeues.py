"""Calling people again: those who were not reached, and those who asked for it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.base import Document, Moment, View
from api.schemas.campaign_rules import MAX_ATTEMPTS, Zone
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.redial import UNREACHED

RequeueState = Literal["exhausted", "expired", "reached", "invalid", "suppressed"]
_LOCAL = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$"


class RequeueIn(Document):
    """Whom to call again. With neither dispositions nor outcomes: everybody in one of the states."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"dispositions": ["no_answer", "busy"], "attempts": 2, "dry_run": True}]}
    )

    dispositions: list[Disposition] = Field(
        default_factory=list[Disposition], description="Those whose last call ended in one of these."
    )
    outcomes: list[Outcome] = Field(default_factory=list[Outcome], description="Or brought one of these.")
    states: Annotated[list[RequeueState], Field(min_length=1)] = Field(
        default_factory=lambda: [state.value for state in UNREACHED],  # pyright: ignore[reportArgumentType]
        description="And who stand so: reached, invalid and suppressed people only if they are named. Whoever is on "
        "the do-not-call list or asked for no more calls is never called again.",
    )
    attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = Field(
        default=None, description="The fresh allowance; left out: the campaign's redial.max_attempts."
    )
    not_before: Moment | None = Field(default=None, description="Nobody is called before this.")
    dry_run: bool = Field(default=False, description="Count, and change nothing.")
    launch: bool = Field(
        default=False, description="Launch the campaign if it is completed and anybody of those is ready now."
    )


class RequeueOut(View):
    """What became of it. A completed campaign calls nobody before its next launch."""

    requeue_id: UUID | None = Field(description="Null for a dry run.")
    requeued: int
    skipped: dict[str, int] = Field(
        description="Others whose last call ended so, by why: suppressed, opted_out, live (in a call), no_time_zone, "
        "or the state that was not chosen.",
        examples=[{"suppressed": 2, "live": 1, "reached": 40}],
    )
    dry_run: bool
    status: str = Field(description="The campaign's.")


class CallbackIn(Document):
    """When somebody wants to be called: a moment, or the time that their clock shows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"local_time": "2036-12-01T15:00", "time_zone": None}]})

    at: Moment | None = Field(default=None, description="With an offset from UTC.")
    local_time: Annotated[str, Field(pattern=_LOCAL, examples=["2036-12-01T15:00"])] | None = Field(
        default=None, description="By the clock in time_zone."
    )
    time_zone: Zone | None = Field(default=None, description="Left out: the person's, if only one is known.")

    @model_validator(mode="after")
    def _one(self) -> "CallbackIn":
        if (self.at is None) == (self.local_time is None):
            raise PydanticCustomError("one_of", "Give either at or local_time")
        if self.time_zone is not None and self.local_time is None:
            raise PydanticCustomError("one_of", "time_zone says what local_time means; at has its offset")
        return self


class CallbackOut(View):
    """The request as it is kept."""

    id: UUID
    prospect_id: UUID
    campaign_id: UUID
    asked_for: datetime
    due_at: datetime = Field(description="The same, or when the person's calling hours open after it.")
    campaign_status: str = Field(description="A completed campaign calls nobody before its next launch.")
