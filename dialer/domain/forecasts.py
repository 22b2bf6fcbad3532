"""When people would be called for the first time: simple arithmetic over calling hours, pace and concurrency.

Time is cut into quarters of an hour, since clocks of all zones differ by such. In each of them a campaign places at
most ``calls_per_second`` × 900 calls, and at most ``max_concurrent`` × 900 / ASSUMED_CALL_S, which all whose calling
hours are open at its beginning share in proportion to their number. Whoever waited before is called first. Redials,
other campaigns and the limits of workspace, carrier account and caller numbers are left out: it is the best case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor

from dialer.domain.calling_hours import CallingHours
from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.zones import ZoneSet

ASSUMED_CALL_S = 60
"""Seconds for which a call takes a slot, ringing and talking: a guess between a busy line and a conversation."""

HORIZON = timedelta(days=7)
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """``hours`` has those in which somebody new is called, with how many; ``later`` are called after the horizon,
    after the campaign's end, or never, because their calling hours do not open before. ``calls_per_hour`` is the
    most that pace and concurrency allow."""

    starts_at: datetime
    calls_per_hour: int
    hours: tuple[tuple[datetime, int], ...]
    later: int


@dataclass(slots=True, kw_only=True)
class _Queue:
    """People of one zone set: those who wait already come first."""

    zones: ZoneSet | None
    before: int = 0
    new: int = 0

    def take(self, n: int) -> int:
        """Call ``n``; how many of them are new."""
        old = min(self.before, n)
        new = min(self.new, n - old)
        self.before -= old
        self.new -= new
        return new

    @property
    def size(self) -> int:
        return self.before + self.new


def first_calls(people: Mapping[str, int], waiting: Mapping[str, int], rules: CampaignRules, now: datetime) -> Forecast:
    """For new ``people`` by the keys of their zone sets, beside those who are ``waiting`` in the campaign already.

    As if the campaign were launched at ``now``, or begins at its ``start_at``.
    """
    starts_at = max(now, rules.start_at or now)
    per_second = min(rules.pace.calls_per_second, rules.pace.max_concurrent / ASSUMED_CALL_S)
    queues = {key: _Queue(zones=ZoneSet.parse(key) if key else None) for key in {*people, *waiting}}
    for key, n in waiting.items():
        queues[key].before = n
    for key, n in people.items():
        queues[key].new = n
    hours: dict[datetime, int] = {}
    capacity = 0.0
    for start, end in _quarters(starts_at, min(starts_at + HORIZON, rules.end_at or starts_at + HORIZON)):
        reachable = _reachable(queues.values(), rules.hours, start)
        # What nobody could use is lost, but for the fraction of a call.
        capacity = (capacity % 1 if reachable else 0.0) + per_second * (end - start).total_seconds()
        called, new = _share(reachable, floor(capacity))
        capacity -= called
        if new:
            hour = start.replace(minute=0, second=0, microsecond=0)
            hours[hour] = hours.get(hour, 0) + new
        if not any(queue.new for queue in queues.values()):
            break
    return Forecast(
        starts_at=starts_at,
        calls_per_hour=floor(per_second * 3600),
        hours=tuple(sorted(hours.items())),
        later=sum(queue.new for queue in queues.values()),
    )


def _quarters(start: datetime, until: datetime) -> Iterable[tuple[datetime, datetime]]:
    at = start.astimezone(UTC)
    while at < until:
        following = at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0) + _QUARTER
        yield at, min(following, until)
        at = following


def _reachable(queues: Iterable[_Queue], hours: CallingHours, at: datetime) -> list[_Queue]:
    """Those with people in them whose calling hours are open; each zone's clock is looked at once."""
    is_open: dict[str, bool] = {}
    found: list[_Queue] = []
    for queue in queues:
        zones = hours.zones_for(queue.zones) if queue.size else None
        if zones is None:
            continue
        for name in zones.names:
            if name not in is_open:
                is_open[name] = hours.is_open(at, ZoneSet((name,)))
        if all(is_open[name] for name in zones.names):
            found.append(queue)
    return found


def _share(queues: list[_Queue], most: int) -> tuple[int, int]:
    """Call up to ``most`` people, of each queue in proportion; how many, and how many of them are new."""
    waiting = sum(queue.size for queue in queues)
    if waiting <= most:
        return waiting, sum(queue.take(queue.size) for queue in queues)
    new = rest = 0
    for queue in queues:
        # Dealing out by a running sum gives away exactly ``most``.
        share, rest = divmod(queue.size * most + rest, waiting)
        new += queue.take(share)
    return most, new
