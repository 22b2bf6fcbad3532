"""When a person may be called: windows of local time, in every zone that the person may be in.

Wall clocks decide: at a change to or from daylight saving time the local time that the called person reads counts, as
the laws on calling hours say (47 CFR 64.1200(c)(1): local time at the called party's location).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from dialer.domain.zones import ZoneSet

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PROSPECT_ZONE = "prospect"
MINUTES_PER_DAY = 24 * 60
HORIZON = timedelta(days=14)
#: Looked at first, since most openings are the next morning's.
_NEAR = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some days, and from when to when: closed at the start and open at the end (09:00 rings, 20:00 does not).

    ``start`` and ``end`` are minutes after midnight, ``end`` up to 1440. A window whose end is not after its start
    crosses midnight and belongs to the day on which it starts.
    """

    days: frozenset[int]
    start: int
    end: int

    @property
    def length(self) -> int:
        """Minutes from start to end."""
        return (self.end - self.start) % MINUTES_PER_DAY or MINUTES_PER_DAY

    def covers(self, weekday: int, minute: int) -> bool:
        """True when ``minute`` after the midnight that begins ``weekday`` lies inside; minutes may exceed one day."""
        return weekday in self.days and self.start <= minute < self.start + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingHours:
    """Windows, holidays on which none of them opens, and whose clock counts."""

    windows: tuple[Window, ...]
    holidays: str | None = None
    zone: str = PROSPECT_ZONE

    def zones_for(self, prospect_zones: ZoneSet | None) -> ZoneSet | None:
        """The zones whose clocks decide; None when they are not known, and then nobody is called."""
        return prospect_zones if self.zone == PROSPECT_ZONE else ZoneSet((self.zone,))

    def is_open(self, now: datetime, prospect_zones: ZoneSet | None) -> bool:
        """True when every zone that the person may be in is inside a window."""
        zones = self.zones_for(prospect_zones)
        return zones is not None and all(self._open_in(now, name) for name in zones.names)

    def is_open_for(self, now: datetime, margin: timedelta, prospect_zones: ZoneSet | None) -> bool:
        """True when it is open now and still will be after ``margin``: a phone rings for a while."""
        return self.is_open(now, prospect_zones) and self.is_open(now + margin, prospect_zones)

    def next_open(self, now: datetime, margin: timedelta, prospect_zones: ZoneSet | None) -> datetime | None:
        """The first moment from ``now`` on at which a call may begin, or None within 14 days."""
        zones = self.zones_for(prospect_zones)
        if zones is None:
            return None
        if self.is_open_for(now, margin, prospect_zones):
            return now
        near = self._first_open(now, margin, zones, _NEAR)
        # Later than that a window may begin that was not looked at: days have 23 to 25 hours, and zones their own days.
        if near is not None and near + margin <= now + _NEAR - timedelta(days=1):
            return near
        return self._first_open(now, margin, zones, HORIZON)

    def _first_open(self, now: datetime, margin: timedelta, zones: ZoneSet, within: timedelta) -> datetime | None:
        changes = {at for name in zones.names for at in self._changes(now, name, within)}
        starts = changes | {at - margin for at in changes}
        return next((at for at in sorted(starts) if at > now and self._is_open_through(at, margin, zones)), None)

    def _is_open_through(self, now: datetime, margin: timedelta, zones: ZoneSet) -> bool:
        return all(self._open_in(now, name) and self._open_in(now + margin, name) for name in zones.names)

    def _open_in(self, now: datetime, zone: str) -> bool:
        local = now.astimezone(clock_of(zone))
        minute = local.hour * 60 + local.minute
        today = local.date()
        return self._open_on(today, minute) or self._open_on(today - timedelta(days=1), minute + MINUTES_PER_DAY)

    def _open_on(self, day: date, minute: int) -> bool:
        weekday = day.weekday()
        return any(window.covers(weekday, minute) for window in self.windows) and not self._is_holiday(day)

    def _is_holiday(self, day: date) -> bool:
        return self.holidays is not None and day in holiday_calendar(self.holidays)

    def _changes(self, now: datetime, zone: str, within: timedelta) -> Iterator[datetime]:
        """Every moment so soon at which a window may begin in the zone: when a clock reads its start, both times where
        it does so twice, and when a clock is put forward past it or back into it.
        """
        info = clock_of(zone)
        first = now.astimezone(info).date() - timedelta(days=1)
        for offset in range(within.days + 2):
            day = first + timedelta(days=offset)
            for window in self.windows:
                if day.weekday() in window.days:
                    local = datetime(day.year, day.month, day.day, *divmod(window.start, 60), tzinfo=info)
                    yield local.astimezone(UTC)
                    yield local.replace(fold=1).astimezone(UTC)
        yield from _clock_changes(now.astimezone(UTC), info, within)


ALWAYS = CallingHours(windows=(Window(days=frozenset(range(7)), start=0, end=MINUTES_PER_DAY),), zone="UTC")
WEEKDAYS_9_TO_20 = CallingHours(windows=(Window(days=frozenset(range(5)), start=9 * 60, end=20 * 60),))


def _clock_changes(now: datetime, info: ZoneInfo, within: timedelta) -> Iterator[datetime]:
    """The moments so soon at which the zone's clocks are put forward or back."""
    for day in range(within.days + 2):
        before, after = now + timedelta(days=day - 1), now + timedelta(days=day)
        if before.astimezone(info).utcoffset() == after.astimezone(info).utcoffset():
            continue
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) / 2
            if middle.astimezone(info).utcoffset() == before.astimezone(info).utcoffset():
                before = middle
            else:
                after = middle
        yield after.replace(microsecond=0)


@lru_cache(maxsize=1024)
def clock_of(zone: str) -> ZoneInfo:
    """The zone by the pinned ``tzdata`` package: the machine's own data may be a year older than the law.

    Raises ValueError for a name that is no IANA zone.
    """
    try:
        with resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=zone)
    except (OSError, ValueError) as error:
        raise ValueError(f"{zone!r} is no IANA time zone") from error


@lru_cache(maxsize=64)
def holiday_calendar(code: str) -> Mapping[date, str]:
    """The public holidays of ``US`` or ``US-CA`` (ISO 3166), computed by the ``holidays`` package as years are asked.

    Raises ValueError naming the code when there is no such calendar.
    """
    country, _, subdivision = code.partition("-")
    try:
        calendar: Any = holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError as error:
        raise ValueError(f"there is no holiday calendar {code!r}") from error
    return calendar


def parse_clock(text: str) -> int:
    """Minutes after midnight for ``HH:MM``, up to ``24:00``. Raises ValueError."""
    hours, separator, minutes = text.partition(":")
    if not (separator and len(hours) == 2 and len(minutes) == 2 and text.isascii() and (hours + minutes).isdigit()):
        raise ValueError(f"{text!r} is not a time of day like 09:00")
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > MINUTES_PER_DAY:
        raise ValueError(f"{text!r} is not a time of day between 00:00 and 24:00")
    return total


def format_clock(minute: int) -> str:
    """``HH:MM`` for minutes after midnight."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def hours_from_json(data: Mapping[str, Any]) -> CallingHours:
    """Read the ``calling_hours`` object of the API. Raises ValueError or KeyError for what the API has not checked."""
    windows = tuple(
        Window(
            days=frozenset(DAYS.index(day) for day in window["days"]),
            start=parse_clock(window["start"]),
            end=parse_clock(window["end"]),
        )
        for window in data["windows"]
    )
    return CallingHours(windows=windows, holidays=data.get("holidays"), zone=data.get("zone", PROSPECT_ZONE))


def hours_to_json(hours: CallingHours) -> dict[str, Any]:
    """The ``calling_hours`` object of the API."""
    return {
        "windows": [
            {
                "days": [DAYS[day] for day in sorted(window.days)],
                "start": format_clock(window.start),
                "end": format_clock(window.end),
            }
            for window in hours.windows
        ],
        "holidays": hours.holidays,
        "zone": hours.zone,
    }
