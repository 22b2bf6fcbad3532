"""What a campaign's figures look like: status, statistics, results."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.schemas.base import Document, Moment, View
from api.schemas.campaign_rules import Zone
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.states import ProspectState


class WaitOut(View):
    """People, or calls, that wait for one thing."""

    reason: str = Field(
        description="`window`: calling hours. `due`: a redial, or the time that was agreed. `slots`: as many calls as "
        "allowed are in flight, of the campaign, the workspace, the carrier account or the caller numbers. `numbers`: "
        "the caller numbers have made all calls of 24 hours. `turn`: may be called now, one after the other. "
        "`held`: until something is mended. "
        "Others: what the campaign as a whole waits for.",
        examples=["window"],
    )
    count: int
    exact: bool = Field(description="False: at least so many.")
    until: datetime | None
    time_zone: str | None = Field(description="Whose clock `until` is told by in `text`.")
    text: str = Field(
        examples=["1,204 people wait for their calling hours: the next window opens 09:00 America/New_York"]
    )


class StatusOut(View):
    """Small and fast, for polling."""

    status: str
    paused_reason: str | None
    paused_details: dict[str, Any] | None = None
    prospects_total: int
    prospects_done: int
    calls_in_flight: int
    calls_total: int
    waiting_for: str | None = Field(description="Why no call goes out now, in words; null while calls do.")
    waiting: list[WaitOut] = Field(description="The same for programs: who waits for what.")
    next_call_at: datetime | None
    progress: float


class HourOut(View):
    """One hour (UTC)."""

    hour: str
    dialed: int
    answered: int


class StepOut(View):
    """One hour or day of a clock: from `start` to the next one's."""

    start: datetime
    dialed: int
    answered: int


class SeriesOut(View):
    """Hours or days in which something happened, oldest first."""

    by: Literal["hour", "day"]
    time_zone: str
    steps: list[StepOut]


class StatsOut(View):
    """Counts kept as states change."""

    prospects_total: int
    prospects: dict[str, int]
    calls_total: int
    dispositions: dict[str, int]
    outcomes: dict[str, int]
    attempts: dict[str, int] = Field(description="How many prospects had so many attempts.")
    answered: int
    answer_rate: float
    talk_seconds: int
    cost: str
    inbound: int = Field(default=0, description="Calls of people who rang back, in none of the other counts.")
    hours: list[HourOut]
    series: SeriesOut | None = Field(default=None, description="When `by` asks for it.")


class RangeQuery(Document):
    """Which part of a campaign's time. `to` is not part of it."""

    time_zone: Annotated[Zone, Field(description="Whose hours and days.", examples=["Europe/Rome"])] = "UTC"
    from_: Annotated[Moment | None, Field(alias="from", description="Left out: from the first call.")] = None
    to: Annotated[Moment | None, Field(description="Left out: until now.")] = None


class StatsQuery(RangeQuery):
    by: Annotated[Literal["hour", "day"] | None, Field(description="Adds a series to the totals.")] = None


class DispositionQuery(RangeQuery):
    by: Literal["hour", "day"] = "hour"


class CountedStep(View):
    start: datetime
    calls: int


class CountedNumber(View):
    """A caller number, and how many of the calls went out over it."""

    phone_number_id: UUID | None
    phone: str | None
    calls: int


class DispositionStatsOut(View):
    """Calls that ended in one way, counted by what may explain it."""

    disposition: str
    group: str
    calls: int
    share: float = Field(description="Of all calls that ended in the range, 0 to 1.")
    attempts: dict[str, int] = Field(description="By the number of the attempt.")
    numbers: list[CountedNumber] = Field(description="By caller number, the most frequent first.")
    sip_codes: dict[str, int]
    error_codes: dict[str, int] = Field(description="The carrier's own codes.")
    by: Literal["hour", "day"]
    time_zone: str
    steps: list[CountedStep] = Field(description="By when they were dialed, oldest first.")


class ResultFilters(Document):
    """Which people."""

    state: ProspectState | None = None
    disposition: Annotated[Disposition | None, Field(description="Of the last call.")] = None
    outcome: Annotated[Outcome | None, Field(description="Of the last call.")] = None
    columns: Annotated[
        str | None,
        Field(
            max_length=5000,
            description="Instead of the campaign's `display_columns`: names with commas between them.",
            examples=["name,phone,disposition,talk_seconds"],
        ),
    ] = None


class ColumnOut(View):
    name: str
    label: str


class ResultsOut(View):
    """One row per prospect."""

    display_columns: list[ColumnOut]
    rows: list[dict[str, Any]]
    next_cursor: str | None
