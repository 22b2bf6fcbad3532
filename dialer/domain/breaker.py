"""Circuit breakers: when dialing over an account is put off, and when a campaign is paused because its calls fail.

An account whose requests fail one after the other (no connection, throttled, server errors) is left alone for a
while, twice as long each time; then one call asks whether the carrier answers again. That mends itself.

A campaign whose calls fail far more often than calls do is paused until a person has looked: the list, the caller
numbers or the route are wrong, and more of the same burns people and reputation.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dialer.domain.dispositions import Disposition
from dialer.domain.states import PausedReason

#: So many failures in a row, without an answer in between, and the account is left alone.
FAILURES_IN_A_ROW = 3


class Trouble(StrEnum):
    """Why a request told nothing about the person."""

    UNREACHABLE = "unreachable"
    """No connection: nothing was sent."""
    THROTTLED = "throttled"
    """Too many requests: nothing was done."""
    FAILING = "failing"
    """A server error, a broken connection or no answer: a phone may have rung."""


def is_open_after(failures: int) -> bool:
    return failures >= FAILURES_IN_A_ROW


def backoff_s(trips: int, first_s: float, most_s: float, retry_after_s: float | None = None) -> float:
    """Seconds for which an account is left alone, the ``trips``-th time (1 is the first) since it last answered.

    The carrier's own wish counts when it is longer, up to the longest.
    """
    doubled = first_s * 2.0 ** min(max(trips - 1, 0), 30)
    return min(max(doubled, retry_after_s or 0.0), most_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a campaign is paused: of its last ``window`` ended calls, at least ``min_calls``, and of those beside them
    that go on (``GoingOn``), such shares failed.

    ``carrier_share``: the carrier or the way to the person failed. ``failed_share``: these, and phones at which nobody
    can be called.
    """

    window: int = 50
    min_calls: int = 20
    carrier_share: float = 0.5
    failed_share: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """A call that is over. ``took``: from its claim to its end."""

    disposition: Disposition
    claimed_at: datetime
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingOn:
    """Which calls that are not over have worked, as far as failed ones tell.

    Of those claimed at ``claimed_from`` or later: who was answered, and who the carrier has had for more than
    ``older_than``.
    """

    claimed_from: datetime
    older_than: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Why a campaign is to be paused; ``figures`` are for people and programs."""

    reason: PausedReason
    figures: Mapping[str, Any]


_BY_CARRIER = frozenset({Disposition.CARRIER_ERROR, Disposition.PROVIDER_ERROR, Disposition.CALLER_ID_BLOCKED})
_BY_NUMBER = frozenset(
    {Disposition.INVALID_NUMBER, Disposition.DISCONNECTED, Disposition.BLOCKED, Disposition.UNREACHABLE}
)
_FAILED = _BY_CARRIER | _BY_NUMBER


def going_on_beside(newest: Sequence[EndedCall]) -> GoingOn | None:
    """Which calls are to be counted beside the failed of ``newest``. None when none failed.

    Failures are often over sooner than calls that work, so that soon after a launch they are all that has ended. A call
    that rings tells only when it has outlived them: many routes ring for a while and fail then.

    Who was claimed before them says nothing of a carrier that has begun to fail since. The oldest quarter is not
    looked at, since one failure that took long would reach back to all of these.
    """
    failed = [one for one in newest if one.disposition in _FAILED]
    if not failed:
        return None
    claimed = sorted(one.claimed_at for one in failed)
    return GoingOn(claimed_from=claimed[len(claimed) // 4], older_than=max(one.took for one in failed))


def judge_calls(rules: BreakerRules, newest: Sequence[Disposition], going_on: int = 0) -> Trip | None:
    """``newest`` are the dispositions of the campaign's ended calls, the last one first.

    ``unknown`` is left out: such a request has put off its account already, which mends itself. ``going_on``: so many
    others are not over, and have not failed.
    """
    seen = [one for one in newest if one is not Disposition.UNKNOWN][: rules.window]
    if len(seen) < rules.min_calls:
        return None
    calls = len(seen) + going_on
    failed = {
        PausedReason.CARRIER_FAILING: (_BY_CARRIER, rules.carrier_share),
        PausedReason.FAILURE_RATE: (_FAILED, rules.failed_share),
    }
    for reason, (kinds, threshold) in failed.items():
        found = Counter(one.value for one in seen if one in kinds)
        share = found.total() / calls
        if share >= threshold:
            figures = {
                "calls": calls,
                "failed": found.total(),
                "share": round(share, 3),
                "threshold": threshold,
                "dispositions": dict(found.most_common()),
            }
            return Trip(reason=reason, figures=figures)
    return None
