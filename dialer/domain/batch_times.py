"""When a batch may be dialed, or a campaign begin."""

from datetime import datetime, timedelta

from dialer.domain.field_errors import FieldError

#: Clocks differ and people are slow: what has just passed means now. What is longer ago is a mistake, perhaps of the
#: time zone, and must not make phones ring at once.
JUST_PASSED = timedelta(hours=1)
FARTHEST = timedelta(days=366)


def time_problem(scheduled_at: datetime | None, now: datetime, end_at: datetime | None = None) -> FieldError | None:
    """What is wrong with a time to begin at, None meaning as soon as possible; ``end_at`` is the campaign's."""
    if scheduled_at is None:
        return None
    if has_passed(scheduled_at, now):
        return _wrong("in_the_past", "scheduled_at has passed; leave it out to begin at once")
    if scheduled_at > now + FARTHEST:
        return _wrong("too_far", "scheduled_at lies at most a year ahead")
    if end_at is not None and scheduled_at >= end_at:
        return _wrong("after_the_end", "scheduled_at must be before schedule.end_at")
    return None


def has_passed(begin: datetime, now: datetime) -> bool:
    """True for a time to begin at that is a mistake by now."""
    return begin < now - JUST_PASSED


def _wrong(code: str, message: str) -> FieldError:
    return FieldError(field="scheduled_at", code=code, message=message)
