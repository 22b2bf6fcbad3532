"""Calls as clients ask for them and read them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.base import MAX_INTEGER, Document, Metadata, Moment, Owned, Patch, View
from api.schemas.prospects import Gate, RawPhone, Variables
from dialer.domain.dispositions import Disposition, Outcome

ShownState = Literal["claimed", "dialing", "accepted", "ringing", "in_progress", "unknown", "ended", "deferred"]


class CallFilters(Document):
    """Which calls."""

    campaign_id: UUID | None = None
    batch_id: UUID | None = None
    prospect_id: UUID | None = None
    agent_id: UUID | None = None
    disposition: Disposition | None = None
    outcome: Outcome | None = None
    state: ShownState | None = None
    channel: Annotated[str | None, Field(max_length=20)] = None
    direction: Annotated[
        str | None, Field(max_length=20, description="`outbound`: we called them. `inbound`: they called us.")
    ] = None
    phone: RawPhone | None = None
    started_after: Moment | None = None
    started_before: Moment | None = None
    settings_version: Annotated[int | None, Field(ge=1, le=MAX_INTEGER)] = None


class CallIn(Document):
    """One outbound call now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agent_id": "0199a1b2-0000-7000-8000-000000000001",
                    "from": "+16505550150",
                    "to": "+12025550123",
                    "variables": {"name": "Ada"},
                }
            ]
        }
    )

    agent_id: UUID
    from_: RawPhone | None = Field(default=None, alias="from", description="Left out: the agent's first number.")
    to: RawPhone
    variables: Variables = Field(default_factory=dict[str, Any])


class CallPatch(Patch):
    """What people may write at a call."""

    notes: Annotated[str, Field(max_length=10_000)] | None = None
    metadata: Metadata = Field(default_factory=dict[str, Any])
    outcome: Outcome | None = Field(
        default=None, description="What was said, once somebody has answered; it decides whether they are called again."
    )
    callback_at: Moment | None = Field(
        default=None, description="With the outcome callback_requested: when they want to be called."
    )

    @model_validator(mode="after")
    def _asked_for(self) -> "CallPatch":
        if self.callback_at is not None and self.outcome is not Outcome.CALLBACK_REQUESTED:
            raise PydanticCustomError("callback_not_asked_for", "callback_at goes with outcome callback_requested")
        if "outcome" in self.model_fields_set and self.outcome is None:
            raise PydanticCustomError("outcome_not_removable", "An outcome is replaced by another, and not removed")
        return self


class CallOut(Owned):
    """One attempt to reach one person, or a call of theirs to us."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    number: int
    campaign_id: UUID | None
    prospect_id: UUID | None
    agent_id: UUID | None
    attempt: int | None = Field(description="Null for a call that came in: it is no attempt.")
    direction: str = Field(description="`outbound`, or `inbound` for a call that came in.")
    channel: str
    settings_version: int | None = Field(description="The version of the campaign's settings that the call is under.")
    from_: str | None = Field(alias="from")
    to: str | None
    state: str
    disposition: str | None
    outcome: str | None
    deferred_reason: str | None
    carrier: str | None
    carrier_call_id: str | None
    answered_by: str | None
    sip_code: int | None
    error_code: int | None
    claimed_at: datetime | None
    dialed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    talk_seconds: int | None
    detected_language: str | None
    notes: str | None
    cost: Decimal | None
    recording_url: str | None
    next_state: str | None = Field(description="The prospect's state after this attempt.")
    next_due_at: datetime | None
    next_reason: str | None
    requeue_id: UUID | None = Field(description="The requeue that allowed this attempt, if one did.")
    callback_id: UUID | None = Field(description="The request that this call answers, if somebody asked for it.")
    workflow_id: str | None
    trace_url: str | None


class EventOut(View):
    """One report of the carrier."""

    id: UUID
    kind: str
    status: str | None
    sequence: int | None
    carrier_call_id: str | None
    occurred_at: datetime | None
    received_at: datetime
    payload: dict[str, Any]


class EventsOut(View):
    """Every report about one call, in the order in which they came."""

    items: list[EventOut]


class CallStarted(View):
    """The call will be placed at once."""

    call_id: UUID
    state: str
    workflow_id: str
    trace_url: str | None


class HangUpOut(View):
    """The carrier was asked to end the call, or will be as soon as it tells the call's id."""

    call_id: UUID
    state: str
    disposition: str | None


class BlockedCall(View):
    """The gates that a refused call did not pass, as explain shows them."""

    gates: list[Gate]
