"""Changes to and from daylight saving time during which a calling window opens or closes.

A run's clocks start shortly before the change. Most of its people live where it happens, the others where the same
windows read another time; all windows are of local time, so a mistake of an hour calls somebody at a wrong time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LEAD_S = 45.0
"""The change comes so long after the start of the stack: some while after the launch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """At ``change``, clocks in ``zone`` are put, and by that the only window opens or closes."""

    name: str
    change: datetime
    zone: str
    start: str
    end: str
    opens: bool

    def offset(self, now: datetime) -> timedelta:
        """For ``DIALER_CLOCK``, so that the change comes ``LEAD_S`` after ``now``."""
        return self.change - timedelta(seconds=LEAD_S) - now

    @property
    def hours(self) -> dict[str, object]:
        """The campaign's ``calling_hours``."""
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        return {"windows": [{"days": days, "start": self.start, "end": self.end}], "zone": "prospect"}


def _at(year: int, month: int, day: int, hour: int) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def _scenes() -> tuple[Scene, ...]:
    new_york, london = "America/New_York", "Europe/London"
    rows = (
        # Forward: 02:00 becomes 03:00 in New York, 01:00 becomes 02:00 in London.
        ("US spring, opens", _at(2027, 3, 14, 7), new_york, "03:00", "24:00", True),
        ("Europe spring, closes", _at(2027, 3, 28, 1), london, "00:00", "01:30", False),
        # Back: 02:00 becomes 01:00 in both.
        ("US autumn, opens", _at(2026, 11, 1, 6), new_york, "00:00", "01:30", True),
        ("Europe autumn, closes", _at(2026, 10, 25, 1), london, "01:30", "03:00", False),
        ("US spring, closes", _at(2027, 3, 14, 7), new_york, "00:00", "02:30", False),
        ("Europe spring, opens", _at(2027, 3, 28, 1), london, "02:00", "24:00", True),
        ("US autumn, closes", _at(2026, 11, 1, 6), new_york, "01:30", "03:00", False),
        ("Europe autumn, opens", _at(2026, 10, 25, 1), london, "00:00", "01:30", True),
    )
    return tuple(
        Scene(name=name, change=change, zone=zone, start=start, end=end, opens=opens)
        for name, change, zone, start, end, opens in rows
    )


SCENES = _scenes()
