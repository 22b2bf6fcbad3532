"""Mornings, afternoons and evenings: somebody who was not reached in one is tried in another.

The person's own clock says which it is. Where they may be in several zones, the one in the middle counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from dialer.domain.calling_hours import CallingHours, clock_of
from dialer.domain.zones import ZoneSet

#: So far ahead another part of the day is looked for; beyond, the redial's own delay counts.
AHEAD = timedelta(days=7)


class Daypart(StrEnum):
    """Until noon, until five, and after."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"


_BEGIN_HOURS = {Daypart.MORNING: 0, Daypart.AFTERNOON: 12, Daypart.EVENING: 17}


def daypart_of(moment: datetime, zones: ZoneSet) -> Daypart:
    """What the clock of the person says."""
    hour = moment.astimezone(clock_of(_middle(moment, zones))).hour
    return max((part for part in Daypart if _BEGIN_HOURS[part] <= hour), key=_BEGIN_HOURS.__getitem__)


def in_another_daypart(
    earliest: datetime, tried: Iterable[datetime], hours: CallingHours, margin: timedelta, zones: ZoneSet | None
) -> datetime:
    """When to call again: not before ``earliest``, inside ``hours``, in the part of the day that was tried the least.

    Of several, the one that comes first. ``earliest`` itself when no zone is known, or when the hours leave no other
    part of the day within a week. ``margin``: for how long a window must still be open.
    """
    clocks = zones or hours.zones_for(None)
    if clocks is None:
        return earliest
    found: dict[Daypart, datetime] = {}
    for moment in _beginnings(earliest, hours, margin, zones, clocks):
        found.setdefault(daypart_of(moment, clocks), moment)
        if len(found) == len(Daypart):
            break
    if not found:
        return earliest
    times = Counter(daypart_of(each, clocks) for each in tried)
    return min(found.items(), key=lambda each: (times[each[0]], each[1]))[1]


def _beginnings(
    earliest: datetime, hours: CallingHours, margin: timedelta, zones: ZoneSet | None, clocks: ZoneSet
) -> Iterator[datetime]:
    """The first callable moment, and then each at which one may call in a part of the day that has begun since."""
    moment = hours.next_open(earliest, margin, zones)
    while moment is not None and moment <= earliest + AHEAD:
        yield moment
        moment = hours.next_open(_next_begin(moment, clocks), margin, zones)


def _next_begin(moment: datetime, zones: ZoneSet) -> datetime:
    """When the next part of the day begins; a clock that is put forward past its hour begins it then."""
    name = _middle(moment, zones)
    today = moment.astimezone(clock_of(name)).date()
    begins = (_on(day, hour, name) for day in (today, today + timedelta(days=1)) for hour in _BEGIN_HOURS.values())
    return min(at for at in begins if at > moment)


def _on(day: date, hour: int, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=clock_of(zone)).astimezone(UTC)


def _middle(moment: datetime, zones: ZoneSet) -> str:
    def offset(name: str) -> tuple[timedelta, str]:
        return moment.astimezone(clock_of(name)).utcoffset() or timedelta(0), name

    return sorted(zones.names, key=offset)[len(zones.names) // 2]
