"""What a finished attempt tells the Temporal Web UI, as the result of its workflow. No personal data."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """How one attempt ended and what follows. Times are RFC 3339 in UTC; absent ones did not happen.

    ``caller_number`` is the number of the caller number (never its digits).
    """

    state: str
    disposition: str | None = None
    attempt: str | None = None
    caller_number: int | None = None
    dialed_at: str | None = None
    ringing_at: str | None = None
    answered_at: str | None = None
    ended_at: str | None = None
    talk_seconds: int | None = None
    prospect_state: str | None = None
    next_due_at: str | None = None
    why: str | None = None

    def packed(self) -> list[str | int | None]:
        """Values alone, in the order of the fields: a signal repeats what the result will say, and bytes count."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def unpacked(cls, values: Sequence[object]) -> Self:
        """The inverse of ``packed``. Raises ValueError for anything else."""
        known = fields(cls)
        if len(values) != len(known):
            raise ValueError(f"{len(values)} values for {len(known)} fields")
        numbers = ("caller_number", "talk_seconds")
        for field, value in zip(known, values, strict=True):
            right = int if field.name in numbers else str
            fits = isinstance(value, right) and not isinstance(value, bool)
            if not fits and (value is not None or field.name == "state"):
                raise ValueError(f"{field.name} is not of its type")
        facts: dict[str, Any] = {field.name: value for field, value in zip(known, values, strict=True)}
        return cls(**facts)


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
