"""The parts of a campaign that decide whether, when and how somebody is called, checked field by field.

Defaults are those of the domain: they are written nowhere else.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, LiteralString, TypeVar

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.base import Document, Moment
from api.schemas.recurrence import Recurrence
from dialer.domain import campaign_rules as rules
from dialer.domain.breaker import BreakerRules
from dialer.domain.calling_hours import (
    DAYS,
    PROSPECT_ZONE,
    WEEKDAYS_9_TO_20,
    format_clock,
    holiday_calendar,
    hours_to_json,
    parse_clock,
)
from dialer.domain.dispositions import OUTCOME_RULES, RULES
from dialer.domain.durations import format_duration, parse_duration
from dialer.domain.zones import ZoneUnknown, canonical_zone

Value = TypeVar("Value")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

MAX_ATTEMPTS = 50
MAX_DELAY = timedelta(days=90)
MAX_DELAYS = 50
MAX_WINDOWS = 50
MAX_CONCURRENT = 100_000
MAX_CALLS_PER_SECOND = 1_000.0
MIN_CALLS_PER_SECOND = 0.001
MAX_WEIGHT = 1_000.0
MAX_BREAKER_WINDOW = 1_000
RING_TIMEOUT_S = (5, 600)
MAX_CALL_S = (10, 14_400)
BREAKER = BreakerRules()
REDIAL_GROUPS = tuple(sorted({rule.redial_group for rule in RULES.values() if rule.redial_group is not None}))


def _refuse(code: LiteralString, message: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{message}", {"message": message})


def _zone(name: str) -> str:
    try:
        return canonical_zone(name)
    except ZoneUnknown as error:
        raise _refuse("unknown_time_zone", f"{error.message}. {error.suggestion}.") from None


def _clock(text: str) -> str:
    try:
        return format_clock(parse_clock(text))
    except ValueError:
        raise _refuse("invalid_time_of_day", "Write a time of day as HH:MM, from 00:00 to 24:00") from None


def _delay(text: str) -> str:
    try:
        delay = parse_duration(text)
    except (ValueError, OverflowError):
        raise _refuse("invalid_duration", "Write an ISO 8601 duration such as PT15M or P1D") from None
    if delay > MAX_DELAY:
        raise _refuse("too_long", f"A redial waits at most {format_duration(MAX_DELAY)}")
    return format_duration(delay)


Zone = Annotated[str, Field(max_length=100), AfterValidator(_zone)]
Clock = Annotated[str, Field(max_length=5, examples=["09:00"]), AfterValidator(_clock)]
Duration = Annotated[str, Field(max_length=40, examples=["PT15M"]), AfterValidator(_delay)]


class Schedule(Document):
    """When the campaign runs."""

    start_at: Moment | None = Field(default=None, description="Launched before it, the campaign is scheduled.")
    end_at: Moment | None = Field(default=None, description="From then on nobody is called.")
    time_zone: Zone | None = Field(default=None, examples=["Europe/Rome"])
    recurrence: Recurrence | None = Field(default=None, description="The campaign runs again and again.")

    @model_validator(mode="after")
    def _in_order(self) -> "Schedule":
        if self.start_at is not None and self.end_at is not None and self.end_at <= self.start_at:
            raise _refuse("end_before_start", "end_at must be after start_at")
        return self


class Window(Document):
    """Some days, and from when to when. One whose end is before its start belongs to the day on which it starts."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    start: Clock
    end: Clock

    @field_validator("days")
    @classmethod
    def _sorted(cls, days: list[Day]) -> list[Day]:
        return sorted(set(days), key=DAYS.index)

    @model_validator(mode="after")
    def _opens(self) -> "Window":
        if self.start == self.end or self.start == "24:00":
            raise _refuse("never_opens", "This window never opens; all day is 00:00 to 24:00")
        return self


def _default_windows() -> list[Window]:
    return [Window.model_validate(window) for window in hours_to_json(WEEKDAYS_9_TO_20)["windows"]]


class CallingHours(Document):
    """When a person may be called, by the clock where they are."""

    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_WINDOWS)] = Field(
        default_factory=_default_windows
    )
    holidays: Annotated[str, Field(max_length=20, examples=["US"])] | None = Field(
        default=None, description="A calendar of public holidays on which nobody is called: ISO 3166, US or US-CA."
    )
    zone: Annotated[str, Field(max_length=100)] = Field(
        default=PROSPECT_ZONE, description="prospect, or one IANA zone for everybody."
    )

    @field_validator("holidays")
    @classmethod
    def _known_calendar(cls, code: str | None) -> str | None:
        if code is not None:
            try:
                holiday_calendar(code)
            except ValueError:
                raise _refuse("unknown_holidays", "There is no such calendar of public holidays") from None
        return code

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return name if name == PROSPECT_ZONE else _zone(name)


class Redial(Document):
    """Whether and when the same person is called again."""

    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] = rules.DEFAULT_MAX_ATTEMPTS
    delays: dict[str, Annotated[list[Duration], Field(max_length=MAX_DELAYS)]] = Field(
        default_factory=dict[str, list[str]],
        description="By disposition, outcome or group (voicemail, failed): the n-th end of a kind waits the n-th "
        "delay, then no more. Kinds left out take their defaults.",
        examples=[{"busy": ["PT15M", "PT1H"], "no_answer": ["PT4H", "P1D"]}],
    )
    other_daypart: bool = Field(
        default=False,
        description="After no answer, busy or voicemail call in a part of the day (morning, afternoon, evening, by the "
        "person's clock) that was tried less, not before the delay.",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_kinds(cls, data: Any) -> Any:
        delays: Any = data.get("delays") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownVariableType]
        if isinstance(delays, dict):
            known = {*RULES, *OUTCOME_RULES, *REDIAL_GROUPS}
            if any(key not in known for key in delays):  # pyright: ignore[reportUnknownVariableType]
                raise _refuse("unknown_disposition", "redial.delays takes dispositions, outcomes, voicemail and failed")
        return data  # pyright: ignore[reportUnknownVariableType]

    @field_validator("delays")
    @classmethod
    def _not_final(cls, delays: dict[str, list[str]]) -> dict[str, list[str]]:
        final = {kind.value for kind, rule in RULES.items() if rule.final}
        final |= {kind.value for kind, rule in OUTCOME_RULES.items() if rule.final}
        refused = sorted(kind for kind, values in delays.items() if values and kind in final)
        if refused:
            raise _refuse("final_disposition", f"Nobody is called again after {', '.join(refused)}")
        return delays


class Pace(Document):
    """How many at once, and how fast."""

    max_concurrent: Annotated[int, Field(ge=1, le=MAX_CONCURRENT)] = rules.DEFAULT_MAX_CONCURRENT
    calls_per_second: Annotated[float, Field(ge=MIN_CALLS_PER_SECOND, le=MAX_CALLS_PER_SECOND)] = (
        rules.DEFAULT_CALLS_PER_SECOND
    )
    weight: Annotated[float, Field(gt=0, le=MAX_WEIGHT)] = Field(
        default=rules.DEFAULT_WEIGHT, description="The campaign's share when several call over one account."
    )


Share = Annotated[float, Field(gt=0, le=1)]


class Breaker(Document):
    """When the campaign pauses by itself: such shares of its last calls failed."""

    window: Annotated[int, Field(ge=1, le=MAX_BREAKER_WINDOW)] = Field(
        default=BREAKER.window, description="So many of the last ended calls are looked at."
    )
    min_calls: Annotated[int, Field(ge=1, le=MAX_BREAKER_WINDOW)] = Field(
        default=BREAKER.min_calls, description="Of fewer nothing is concluded."
    )
    carrier_share: Share = Field(
        default=BREAKER.carrier_share,
        description="carrier_failing: carrier_error, provider_error and caller_id_blocked.",
    )
    failed_share: Share = Field(
        default=BREAKER.failed_share,
        description="failure_rate: these, and invalid_number, disconnected, blocked and unreachable.",
    )

    @model_validator(mode="after")
    def _within_the_window(self) -> "Breaker":
        if self.min_calls > self.window:
            raise _refuse("more_than_window", "min_calls is at most window")
        return self
