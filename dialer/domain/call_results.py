"""What a finished attempt tells the Temporal Web UI, as the result of its workflow. No personal data."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """How one attempt ended and what follows. Times are RFC 3339 in UTC; absent ones did not happen."""

    state: str
    disposition: str | None = None
    attempt: str | None = None
    caller_number_id: str | None = None
    dialed_at: str | None = None
    ringing_at: str | None = None
    answered_at: str | None = None
    ended_at: str | None = None
    talk_seconds: int | None = None
    prospect_state: str | None = None
    next_due_at: str | None = None
    why: str | None = None


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
