"""What a campaign's Schedule in Temporal should be, and what follows from how it is found.

The campaign's row is the truth, but people may also pause a Schedule where they see it. So each time a Schedule is
written it is told whether the campaign is paused. What it tells later is then compared with both: a Schedule that is
not as it was written was changed by somebody in Temporal, and the campaign follows; otherwise it is the campaign that
has changed, and the Schedule follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.cron import Calendar
from dialer.domain.recurrence import Recurrence
from dialer.domain.states import CampaignStatus

_LIVE = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When it fires: by its calendars in its zone, and at single moments on days on which its clock changes."""

    calendars: frozenset[Calendar]
    moments: frozenset[datetime]
    zone: str
    start_at: datetime | None
    end_at: datetime | None
    catch_up: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSchedule:
    """``paused_reason`` is None for a campaign that is not paused."""

    timetable: Timetable
    paused_reason: str | None

    @property
    def paused(self) -> bool:
        return self.paused_reason is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSchedule:
    """``written_paused``: what it was told when it was last written; None when that cannot be read.

    ``timetable`` is None for one that was not written by us.
    """

    timetable: Timetable | None
    paused: bool
    written_paused: bool | None


class Repair(StrEnum):
    """What makes row and Schedule agree."""

    NOTHING = "nothing"
    WRITE = "write"
    DELETE = "delete"
    PAUSE_CAMPAIGN = "pause_campaign"
    RESUME_CAMPAIGN = "resume_campaign"


def timetable_of(recurrence: Recurrence, now: datetime) -> Timetable:
    """Single moments are told for this year and the next."""
    return Timetable(
        calendars=frozenset(recurrence.calendars),
        moments=recurrence.moments_of_change(now.year),
        zone=recurrence.zone,
        start_at=recurrence.start_at,
        end_at=recurrence.end_at,
        catch_up=recurrence.catch_up,
    )


def wanted_schedule(
    status: str, paused_reason: str | None, settings: Mapping[str, Any], now: datetime
) -> WantedSchedule | None:
    """None for a campaign that has no Schedule: it does not recur, or it is a draft, or over."""
    recurrence = rules_from_json(settings).recurrence
    if recurrence is None or status not in _LIVE:
        return None
    paused = status == CampaignStatus.PAUSED
    return WantedSchedule(
        timetable=timetable_of(recurrence, now), paused_reason=(paused_reason or "user") if paused else None
    )


def repair_for(wanted: WantedSchedule | None, seen: SeenSchedule | None) -> Repair:
    """What to do about a Schedule that is found so, or not found."""
    if wanted is None:
        return Repair.NOTHING if seen is None else Repair.DELETE
    if seen is None:
        return Repair.WRITE
    touched = seen.written_paused is not None and seen.paused != seen.written_paused
    if touched and seen.paused != wanted.paused:
        return Repair.PAUSE_CAMPAIGN if seen.paused else Repair.RESUME_CAMPAIGN
    agrees = seen.paused == wanted.paused == seen.written_paused and seen.timetable == wanted.timetable
    return Repair.NOTHING if agrees else Repair.WRITE
