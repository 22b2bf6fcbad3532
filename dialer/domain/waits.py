"""What the people of a campaign wait for, counted, and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from dialer.domain.calling_hours import clock_of

WINDOW = "window"
DUE = "due"
HELD = "held"
SLOTS = "slots"
TURN = "turn"
NUMBERS = "numbers"

_HELD_FOR: Mapping[str, str] = MappingProxyType(
    {"zone_unresolved": "no time zone", "never_open": "no calling hours within 14 days"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """``n`` people, or at least so many when not ``exact``."""

    n: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.n:,}" if self.exact else f"at least {self.n:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """``count`` people wait for one ``reason``, until ``until`` where that is known; ``text`` says so in words."""

    reason: str
    count: int
    text: str
    exact: bool = True
    until: datetime | None = None
    time_zone: str | None = None


def share(total: int, looked: Sequence[Counted]) -> list[Counted]:
    """The groups of ``total`` people: one that was not counted to its end is what the others leave over.

    Two of them are not: then both stay "at least so many".
    """
    open_ended = [at for at, counted in enumerate(looked) if not counted.exact]
    if len(open_ended) != 1:
        return list(looked)
    (at,) = open_ended
    rest = total - sum(counted.n for counted in looked if counted.exact)
    return [Counted(n=max(rest, counted.n)) if n == at else counted for n, counted in enumerate(looked)]


def for_hours(people: Counted, until: datetime | None, zones: Sequence[str], now: datetime) -> Wait:
    """People who may not be called at this hour. The window opens when the last of their clocks lets it."""
    text = f"{_people(people)} for their calling hours"
    zone = None if until is None else _last_to_open(zones, until)
    if until is not None and zone is not None:
        text += f": the next window opens {clock(until, zone, now)}"
    return Wait(reason=WINDOW, count=people.n, exact=people.exact, until=until, time_zone=zone, text=text)


def for_their_time(people: Counted, until: datetime | None, zone: str, now: datetime) -> Wait:
    """People who are to be called later: after a redial's delay, or at the time that was agreed."""
    text = f"{_people(people)} for a redial"
    if until is not None:
        text += (
            f" at {clock(until, zone, now)}" if people == Counted(n=1) else f", the first at {clock(until, zone, now)}"
        )
    return Wait(reason=DUE, count=people.n, exact=people.exact, until=until, time_zone=zone, text=text)


def for_a_slot(people: Counted, live: int, slots: int) -> Wait:
    """People who may be called now, while as many calls as are allowed are in flight."""
    text = f"{_people(people)} for a slot: {live:,} of {slots:,} are taken"
    return Wait(reason=SLOTS, count=people.n, exact=people.exact, text=text)


def for_a_shared_slot(people: Counted, what: str) -> Wait:
    """The same for slots of the workspace, an account or the caller numbers: ``what`` is "a slot: all … are taken"."""
    return Wait(reason=SLOTS, count=people.n, exact=people.exact, text=f"{_people(people)} for {what}")


def for_numbers(people: Counted, what: str, until: datetime | None, zone: str, now: datetime) -> Wait:
    """People who may be called now, by numbers that have made all calls of a day."""
    text = f"{_people(people)} for {what}"
    text += "" if until is None else f", the next may leave at {clock(until, zone, now)}"
    return Wait(reason=NUMBERS, count=people.n, exact=people.exact, until=until, time_zone=zone, text=text)


def for_their_turn(people: Counted) -> Wait:
    """People who may be called now, and are, one after the other."""
    return Wait(reason=TURN, count=people.n, exact=people.exact, text=f"{_people(people)} for their turn")


def held(people: Counted, reasons: Sequence[str]) -> Wait:
    """People who cannot be called until something about them is mended, each for one of the reasons."""
    why = " or ".join(_HELD_FOR.get(reason, reason.replace("_", " ")) for reason in reasons)
    return Wait(reason=HELD, count=people.n, exact=people.exact, text=f"{people} held: {why}")


def clock(moment: datetime, zone: str, now: datetime) -> str:
    """``09:00 America/New_York``, with its day unless that is today there."""
    local, today = moment.astimezone(clock_of(zone)), now.astimezone(clock_of(zone)).date()
    days = (local.date() - today).days
    day = "" if days == 0 else f"{local:%a} " if 0 < days < 7 else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M} {zone}"


def _people(people: Counted) -> str:
    return f"{people} person waits" if people == Counted(n=1) else f"{people} people wait"


def _last_to_open(zones: Sequence[str], moment: datetime) -> str | None:
    """The westernmost clock: the one that reads the earliest hour at ``moment``."""
    return min(zones, key=lambda zone: moment.astimezone(clock_of(zone)).utcoffset() or timedelta(0), default=None)
