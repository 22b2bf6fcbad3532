"""The gates between a person and a call, one by one, each with its reason: what ``explain`` shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCheck:
    """One gate. ``next_eligible_at`` is when it may open, where that is known."""

    name: str
    passed: bool
    why: str
    next_eligible_at: datetime | None = None


def first_closed(checks: Sequence[GateCheck]) -> GateCheck | None:
    """The gate that blocks, or None when the person may be called now."""
    return next((check for check in checks if not check.passed), None)
