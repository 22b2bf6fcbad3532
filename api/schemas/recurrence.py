"""A recurring campaign: what is written, and what is told of its runs."""

from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.schemas.base import Document, View
from dialer.domain.calling_hours import DAYS, format_clock, parse_clock
from dialer.domain.cron import BadCron, parse_cron
from dialer.domain.durations import format_duration, parse_duration
from dialer.domain.recurrence import DEFAULT_CATCH_UP, MAX_CATCH_UP, MIN_CATCH_UP, Dial

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MAX_CRON = 20
MAX_CALENDARS = 50
MAX_TIMES = 96


def _refuse(code: LiteralString, message: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{message}", {"message": message})


def _cron(line: str) -> str:
    try:
        parse_cron(line)
    except BadCron as error:
        raise _refuse("invalid_cron", str(error)) from None
    return " ".join(line.split())


def _time(text: str) -> str:
    try:
        minute = parse_clock(text)
    except ValueError:
        minute = 24 * 60
    if minute == 24 * 60:
        raise _refuse("invalid_time_of_day", "Write a time of day as HH:MM, from 00:00 to 23:59")
    return format_clock(minute)


def _catch_up(text: str) -> str:
    try:
        lateness = parse_duration(text)
    except (ValueError, OverflowError):
        raise _refuse("invalid_duration", "Write an ISO 8601 duration such as PT1H") from None
    if not MIN_CATCH_UP <= lateness <= MAX_CATCH_UP:
        least, most = format_duration(MIN_CATCH_UP), format_duration(MAX_CATCH_UP)
        raise _refuse("out_of_range", f"A run is caught up for {least} to {most}")
    return format_duration(lateness)


class RecurringCalendar(Document):
    """Some days, and the times of day at which a run begins. A day must match everything that is named."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = Field(default_factory=lambda: list(DAYS))  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
    days_of_month: Annotated[list[Annotated[int, Field(ge=1, le=31)]], Field(min_length=1, max_length=31)] | None = None
    months: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(min_length=1, max_length=12)] | None = None
    at: Annotated[
        list[Annotated[str, Field(max_length=5, examples=["09:00"]), AfterValidator(_time)]],
        Field(min_length=1, max_length=MAX_TIMES),
    ]


class Recurrence(Document):
    """When runs begin: all of ``cron`` and ``calendars`` together, by the clock of ``schedule.time_zone``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"calendars": [{"days": ["mon", "thu"], "at": ["09:00", "16:30"]}], "dial": "new"}]
        }
    )

    cron: Annotated[
        list[Annotated[str, Field(max_length=200, examples=["0 9 * * mon-fri"]), AfterValidator(_cron)]],
        Field(max_length=MAX_CRON),
    ] = Field(default_factory=list[str], description="minute hour day-of-month month day-of-week")
    calendars: Annotated[list[RecurringCalendar], Field(max_length=MAX_CALENDARS)] = Field(
        default_factory=list[RecurringCalendar]
    )
    dial: Dial = Field(
        default=Dial.NEW,
        description="new: whoever was not called yet, or waits for a redial. not_reached: also those whom earlier runs "
        "did not reach, with fresh attempts.",
    )
    catch_up: Annotated[str, Field(max_length=40, examples=["PT1H"]), AfterValidator(_catch_up)] = Field(
        default=format_duration(DEFAULT_CATCH_UP),
        description="A run that could not begin in time begins late, unless it is older than this.",
    )


class ComingRun(View):
    """A run that lies ahead, by both clocks."""

    due_at: datetime
    local_time: str = Field(examples=["2026-12-01T09:00:00+01:00"])


class RunOut(View):
    """A run: ``running``, ``completed``, ``stopped``; or ``skipped`` or ``missed``, for a reason."""

    due_at: datetime
    local_time: str
    trigger: str
    outcome: str
    reason: str | None
    started_at: datetime | None
    ended_at: datetime | None
    calls: int | None
    reached: int | None


class ScheduleOut(View):
    """When a campaign runs again, and what became of its runs. ``temporal`` is how its Schedule is found there."""

    status: str
    paused_reason: str | None
    time_zone: str | None
    recurrence: dict[str, Any] | None
    coming: list[ComingRun]
    runs: list[RunOut]
    schedule_id: str | None
    schedule_url: str | None
    temporal: Literal["active", "paused", "none", "unknown"]
