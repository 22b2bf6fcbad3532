"""One clock for the whole product, which can stand at another time than the machine's.

Tests and demonstrations live through a change to daylight-saving time or a closed calling window by starting
every process with the same offset; SQL has the same clock as ``dialer_now()``.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

_DURATION = TypeAdapter(timedelta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The machine's clock plus a fixed offset (zero in production)."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The present instant as an aware datetime in UTC."""
        return datetime.now(UTC) + self.offset


def parse_offset(text: str, now: datetime) -> timedelta:
    """How far a clock described by ``text`` is from ``now``.

    ``text`` is a signed ISO 8601 duration (``PT3H``, ``-P1D``) or an RFC 3339 instant
    (``2026-03-29T00:59:00Z``) at which the clock starts. An instant must be turned into an offset once for
    all processes, or those that start later live earlier; :func:`format_offset` writes what they are given.

    Raises ``ValueError`` for anything else, also for an instant without a zone.
    """
    wanted = text.strip()
    if wanted.lstrip("+-").upper().startswith("P"):
        try:
            return _DURATION.validate_python(wanted)
        except ValidationError as error:
            raise ValueError(f"not an ISO 8601 duration: {wanted!r}") from error
    try:
        instant = datetime.fromisoformat(wanted)
    except ValueError as error:
        raise ValueError(f"neither an ISO 8601 duration nor an RFC 3339 instant: {wanted!r}") from error
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone, for example {wanted}Z")
    return instant - now


def format_offset(offset: timedelta) -> str:
    """The offset as a signed ISO 8601 duration, exact to the microsecond."""
    sign = "-" if offset < timedelta(0) else ""
    size = abs(offset)
    whole = size.days * 86_400 + size.seconds
    return f"{sign}PT{whole}.{size.microseconds:06d}S"


def steady_seconds() -> float:
    """A clock that nobody sets, and that goes on while the process or the machine is frozen."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
