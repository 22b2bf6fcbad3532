"""When a recurring campaign runs: calendars of local times in one zone, and the moments that follow from them.

Wall clocks decide, so that 09:00 stays 09:00 when the clocks change. A time that a clock skips is the moment that it
would have been without the change (02:30 becomes 03:30), and a time that it shows twice is the first of the two: each
fires once.

Schedulers differ here, and some are confused: Temporal's fires twice, an hour late or not at all on some of those days.
So a Schedule is told the runs of such a day one by one (``moments_of_change``), and whatever else it fires on that day
is refused when it comes (``is_stray``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from dialer.domain.calling_hours import DAYS, clock_of, parse_clock
from dialer.domain.cron import CRON_DAYS, BadCron, Calendar, parse_cron
from dialer.domain.durations import format_duration, parse_duration

#: A campaign that is to call whoever comes has ``keep_open``.
MIN_GAP = timedelta(minutes=15)
DEFAULT_CATCH_UP = timedelta(hours=1)
MIN_CATCH_UP = timedelta(minutes=1)
MAX_CATCH_UP = timedelta(days=7)
#: Every combination of a date and a weekday comes within 28 years, or 40 around a year without a 29 February.
_HORIZON_DAYS = 41 * 366
_GAPS_LOOKED_AT = 500
#: Calendars end with the year 9999, and clocks that are ahead or behind need a day around it.
_NO_MORE = date(9999, 1, 1)


class Dial(StrEnum):
    """Whom a run dials: those who are new, or also those whom earlier runs did not reach."""

    NEW = "new"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a recurrence cannot work."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """The union of its calendars, from ``start_at`` on and before ``end_at``.

    A run that could not start in time starts late, unless it is older than ``catch_up``.
    """

    calendars: tuple[Calendar, ...]
    zone: str
    start_at: datetime | None = None
    end_at: datetime | None = None
    dial: Dial = Dial.NEW
    catch_up: timedelta = DEFAULT_CATCH_UP

    def runs_after(self, after: datetime) -> Iterator[datetime]:
        """Every run later than ``after``, in UTC, in order."""
        begin = after if self.start_at is None else max(after, self.start_at - timedelta(microseconds=1))
        if begin.date() >= _NO_MORE:
            return
        zone, last = clock_of(self.zone), begin.astimezone(UTC)
        for wall in self._walls(begin.astimezone(zone).date() - timedelta(days=1)):
            at = wall.replace(tzinfo=zone).astimezone(UTC)
            if self.end_at is not None and at >= self.end_at:
                return
            if at > last:
                last = at
                yield at

    def next_run(self, after: datetime) -> datetime | None:
        """The first run later than ``after``, or None when there is none."""
        return next(self.runs_after(after), None)

    def next_runs(self, after: datetime, count: int) -> list[datetime]:
        """The first ``count`` runs later than ``after``."""
        return list(islice(self.runs_after(after), count))

    def runs_between(self, after: datetime, until: datetime, *, most: int) -> list[datetime]:
        """Runs later than ``after`` and not later than ``until``, the first ``most`` of them."""
        found: list[datetime] = []
        for at in self.runs_after(after):
            if at > until or len(found) == most:
                break
            found.append(at)
        return found

    def is_stray(self, at: datetime) -> bool:
        """True for a moment at which only a scheduler that a change of the clock confuses would fire.

        Other moments that are no runs are somebody's wish: on any day, and on this one to the second.
        """
        local = at.astimezone(clock_of(self.zone))
        if at.second or at.microsecond or not list(_days_of_change(clock_of(self.zone), local.date(), local.date())):
            return False
        return self.next_run(at - timedelta(microseconds=1)) != at

    def moments_of_change(self, year: int) -> frozenset[datetime]:
        """Runs of this and the next year that lie on a day on which the clock is changed."""
        zone = clock_of(self.zone)
        days = _days_of_change(zone, date(year, 1, 1), date(year + 1, 12, 31))
        found = (wall.replace(tzinfo=zone).astimezone(UTC) for day in days for wall in self._walls_on(day))
        return frozenset(at for at in found if self._is_inside(at))

    def problem(self, now: datetime) -> Problem | None:
        """Why it cannot work from ``now`` on, or None."""
        if self.next_run(now) is None:
            if self.end_at is None:
                return Problem(code="never_fires", message="No such day ever comes")
            return Problem(code="never_fires", message="It has no run before end_at")
        walls = islice(self._walls(now.date()), _GAPS_LOOKED_AT)
        if any(following - wall < MIN_GAP for wall, following in pairwise(walls)):
            return Problem(code="too_often", message=f"Runs are at least {format_duration(MIN_GAP)} apart")
        return None

    def _is_inside(self, at: datetime) -> bool:
        return (self.start_at is None or at >= self.start_at) and (self.end_at is None or at < self.end_at)

    def _walls(self, first: date) -> Iterator[datetime]:
        """What the clock is to show at each run, from a day on."""
        for offset in range(min(_HORIZON_DAYS, (_NO_MORE - first).days)):
            yield from self._walls_on(first + timedelta(days=offset))

    def _walls_on(self, day: date) -> Iterator[datetime]:
        """Two calendars at one time are one run."""
        times = {time for calendar in self.calendars if calendar.has(day) for time in calendar.times()}
        for hour, minute in sorted(times):
            yield datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall clock has no zone


def _days_of_change(zone: ZoneInfo, first: date, last: date) -> Iterator[date]:
    """Days that end with another offset from UTC than they began with."""
    day = first
    while day <= last:
        begin = datetime(day.year, day.month, day.day, tzinfo=zone)
        following = day + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=zone, fold=1)
        if begin.utcoffset() != end.utcoffset():
            yield day
        day = following


def recurrence_from_json(schedule: Mapping[str, Any]) -> Recurrence | None:
    """The recurrence of a stored ``schedule``; None without one.

    Raises KeyError, TypeError or ValueError (BadCron among them) for what the API would not have written.
    """
    data: Mapping[str, Any] | None = schedule.get("recurrence")
    if data is None:
        return None
    zone = schedule.get("time_zone")
    if not zone:
        raise ValueError("a recurrence without a time zone")
    calendars = [parse_cron(line) for line in data.get("cron") or ()]
    for each in data.get("calendars") or ():
        calendars += _calendars(each)
    return Recurrence(
        calendars=tuple(calendars),
        zone=zone,
        start_at=_moment(schedule.get("start_at")),
        end_at=_moment(schedule.get("end_at")),
        dial=Dial(data.get("dial") or Dial.NEW),
        catch_up=parse_duration(data["catch_up"]) if data.get("catch_up") else DEFAULT_CATCH_UP,
    )


def _calendars(data: Mapping[str, Any]) -> Iterator[Calendar]:
    """One calendar per time of day: hours and minutes of a calendar are combined, times are not."""
    days = [CRON_DAYS.index(day) for day in data.get("days") or DAYS]
    for text in data["at"]:
        hour, minute = divmod(parse_clock(text), 60)
        if hour > 23:
            raise BadCron("A day begins at 00:00 and its last run is at 23:59")
        yield Calendar(
            minutes=frozenset({minute}),
            hours=frozenset({hour}),
            days_of_month=frozenset(data.get("days_of_month") or range(1, 32)),
            months=frozenset(data.get("months") or range(1, 13)),
            days_of_week=frozenset(days),
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
