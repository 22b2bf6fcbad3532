"""The outcome: which rules were looked at, how often, and every violation by ids, never by phone number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dialer.domain.timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far the two sides may differ before it is a violation. Seconds, and measured against our ``timing``.

    ``clock_s``: the carrier's clock against ours. ``late_s``: a call that surfaced after it was given up must be over
    by then. ``end_s``: our record of an end against the carrier's. ``slack_s``: what the sweep may take to repair, on
    top of each deadline. ``pace_memory_s``: a turn taken at the earlier rate may be used so long after a change.
    ``deletions``: people may have been deleted by hand, so that fewer than an import created say nothing.
    """

    timing: Timing = Timing()
    clock_s: float = 0.0
    late_s: float = 2.0
    end_s: float = 2.0
    slack_s: float = 60.0
    pace_memory_s: float = 3.0
    deletions: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule: ``ids`` by kind (``call``, ``carrier_call``, ``prospect`` …), and a sentence for people."""

    rule: str
    ids: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCall:
    """A call that surfaced at the carrier after it was given up, and was hung up in time."""

    call_id: UUID
    carrier_call_id: str
    surfaced_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule. ``not_judged`` says why it could not be looked at; ``not_decidable`` counts single cases like that.

    ``rows_only``: looked at without the carrier's word, which would have made it sharper.
    """

    rule: str
    checked: int = 0
    violations: tuple[Violation, ...] = ()
    not_decidable: int = 0
    not_judged: str | None = None
    rows_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The size of what was judged.

    ``foreign``: calls at the carrier that were not placed from our caller numbers, or before our first dial.
    ``later``: calls that the carrier accepted after the moment of the evidence. ``unknown_at_carrier``: calls that
    ended as unknown and were there after all.
    """

    calls: int = 0
    carrier_calls: int = 0
    prospects: Mapping[str, int] = field(default_factory=dict[str, int])
    unknown: int = 0
    unknown_at_carrier: int = 0
    deferred: int = 0
    late: int = 0
    foreign: int = 0
    later: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``rules`` in their order, ``violations`` all of theirs together."""

    rules: tuple[RuleResult, ...]
    late: tuple[LateCall, ...]
    counts: Counts

    @property
    def violations(self) -> tuple[Violation, ...]:
        return tuple(violation for result in self.rules for violation in result.violations)

    @property
    def not_judged(self) -> tuple[str, ...]:
        """The rules that could not be looked at."""
        return tuple(result.rule for result in self.rules if result.not_judged is not None)

    @property
    def clean(self) -> bool:
        """True when every rule was looked at and none was broken."""
        return not self.violations and not self.not_judged
