"""Cron expressions of five fields, as the sets of minutes, hours and days that they name.

A day that is named by day of the month and by weekday is refused: some programs take either for a match and some want
both, so that nobody can know what was meant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

CRON_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class BadCron(ValueError):
    """What cannot be read, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Days of the week count from Sunday, 0, to Saturday, 6. All five must hold."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days_of_week: frozenset[int]

    def has(self, day: date) -> bool:
        """True when it has times on this day."""
        return day.month in self.months and day.day in self.days_of_month and day.isoweekday() % 7 in self.days_of_week

    def times(self) -> Iterator[tuple[int, int]]:
        """Its hours and minutes."""
        return ((hour, minute) for hour in self.hours for minute in self.minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    least: int
    most: int
    names: Sequence[str] = ()
    first: int = 0

    def values(self, text: str) -> frozenset[int]:
        """Raises BadCron."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, text: str) -> range:
        span, _, step = text.partition("/")
        every = self._number(step, text) if "/" in text else 1
        if every < 1:
            raise BadCron(f"{text!r} steps by nothing")
        if span in ("*", "?"):
            return range(self.least, self.most + 1, every)
        low, dash, high = span.partition("-")
        start = self._value(low, text)
        end = self._value(high, text) if dash else self.most if "/" in text else start
        if end < start:
            raise BadCron(f"{text!r} ends before it begins")
        return range(start, end + 1, every)

    def _value(self, word: str, text: str) -> int:
        if word in self.names:
            return self.names.index(word) + self.first
        value = self._number(word, text)
        if not self.least <= value <= self.most:
            raise BadCron(f"{text!r} is no {self.name}: {self.least} to {self.most}")
        return value

    def _number(self, word: str, text: str) -> int:
        if not (word.isascii() and word.isdigit() and len(word) <= 4):
            raise BadCron(f"{text!r} is no {self.name}")
        return int(word)


_MINUTE = _Field(name="minute", least=0, most=59)
_HOUR = _Field(name="hour", least=0, most=23)
_DAY = _Field(name="day of the month", least=1, most=31)
_MONTH = _Field(name="month", least=1, most=12, names=_MONTHS, first=1)
_WEEKDAY = _Field(name="day of the week", least=0, most=7, names=CRON_DAYS)


def parse_cron(text: str) -> Calendar:
    """``minute hour day-of-month month day-of-week``, with names, lists, ranges and steps. Raises BadCron."""
    line = " ".join(text.lower().split())
    fields = _SHORTHANDS.get(line, line).split(" ")
    if len(fields) != 5:
        raise BadCron("Write five fields, minute hour day-of-month month day-of-week, such as 0 9 * * mon-fri")
    minute, hour, day, month, weekday = fields
    if day[0] not in "*?" and weekday[0] not in "*?":
        raise BadCron("Name days of the month or days of the week; for days that are both, write calendars")
    return Calendar(
        minutes=_MINUTE.values(minute),
        hours=_HOUR.values(hour),
        days_of_month=_DAY.values(day),
        months=_MONTH.values(month),
        days_of_week=frozenset(value % 7 for value in _WEEKDAY.values(weekday)),
    )
