"""The rules of one campaign, read from the one JSON object in which they are kept.

This is the only reader of that object: whoever needs a rule asks here, so that a default exists once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dialer.domain.breaker import BreakerRules
from dialer.domain.calling_hours import WEEKDAYS_9_TO_20, CallingHours, hours_from_json
from dialer.domain.durations import parse_duration
from dialer.domain.inbound import InboundRules, inbound_from_json
from dialer.domain.recurrence import Recurrence, recurrence_from_json
from dialer.domain.redial import RedialPolicy
from dialer.domain.voicemail import OptOut, Voicemail, opt_out_from_json, voicemail_from_json

DEFAULT_MAX_ATTEMPTS = 4
DEFAULT_MAX_CONCURRENT = 10
DEFAULT_CALLS_PER_SECOND = 1.0
DEFAULT_WEIGHT = 1.0
DEFAULT_RING_TIMEOUT_S = 25
DEFAULT_MAX_CALL_S = 300


class AnsweringMachine(StrEnum):
    """What is asked of the carrier about who answered."""

    OFF = "off"
    DETECT = "detect"
    DETECT_ASYNC = "detect_async"
    MESSAGE_END = "message_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``max_concurrent`` live calls, ``calls_per_second`` new ones, ``weight`` when campaigns share an account."""

    max_concurrent: int = DEFAULT_MAX_CONCURRENT
    calls_per_second: float = DEFAULT_CALLS_PER_SECOND
    weight: float = DEFAULT_WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRules:
    """Everything that decides whether, when and how a campaign calls somebody."""

    start_at: datetime | None = None
    end_at: datetime | None = None
    recurrence: Recurrence | None = None
    hours: CallingHours = WEEKDAYS_9_TO_20
    redial: RedialPolicy = RedialPolicy()
    pace: Pace = Pace()
    ring_timeout_s: int = DEFAULT_RING_TIMEOUT_S
    max_call_s: int = DEFAULT_MAX_CALL_S
    answering_machine: AnsweringMachine = AnsweringMachine.DETECT
    keep_open: bool = False
    record: bool = False
    voicemail: Voicemail = Voicemail()
    opt_out: OptOut = OptOut()
    inbound: InboundRules = InboundRules()
    breaker: BreakerRules | None = BreakerRules()
    """None: whatever becomes of its calls, the campaign goes on."""


def rules_from_json(data: Mapping[str, Any]) -> CampaignRules:
    """Read the stored settings. Raises KeyError, TypeError or ValueError for a row that the API did not write."""
    schedule: Mapping[str, Any] = data.get("schedule") or {}
    pace: Mapping[str, Any] = data.get("pace") or {}
    redial: Mapping[str, Any] = data.get("redial") or {}
    delays: Mapping[str, list[str]] = redial.get("delays") or {}
    hours = data.get("calling_hours")
    voicemail = voicemail_from_json(data.get("voicemail"))
    return CampaignRules(
        start_at=_moment(schedule.get("start_at")),
        end_at=_moment(schedule.get("end_at")),
        recurrence=recurrence_from_json(schedule),
        hours=hours_from_json(hours) if hours else WEEKDAYS_9_TO_20,
        redial=RedialPolicy(
            max_attempts=redial.get("max_attempts", DEFAULT_MAX_ATTEMPTS),
            delays={key: _delays(value) for key, value in delays.items()},
            other_daypart=redial.get("other_daypart", False),
        ),
        pace=Pace(
            max_concurrent=pace.get("max_concurrent", DEFAULT_MAX_CONCURRENT),
            calls_per_second=pace.get("calls_per_second", DEFAULT_CALLS_PER_SECOND),
            weight=pace.get("weight", DEFAULT_WEIGHT),
        ),
        ring_timeout_s=data.get("ring_timeout_s", DEFAULT_RING_TIMEOUT_S),
        max_call_s=data.get("max_call_s", DEFAULT_MAX_CALL_S),
        # A message can only be left behind the beep.
        answering_machine=AnsweringMachine.MESSAGE_END
        if voicemail.leaves_messages
        else AnsweringMachine(data.get("answering_machine", AnsweringMachine.DETECT)),
        keep_open=data.get("keep_open", False),
        record=data.get("record", False),
        voicemail=voicemail,
        opt_out=opt_out_from_json(data.get("opt_out")),
        inbound=inbound_from_json(data.get("inbound")),
        breaker=_breaker(data.get("breaker", {})),
    )


def _breaker(data: Mapping[str, Any] | None) -> BreakerRules | None:
    return None if data is None else BreakerRules(**data)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _delays(values: list[str]) -> tuple[timedelta, ...]:
    return tuple(parse_duration(value) for value in values)
