"""What goes wrong between two programs that talk over a network, on purpose and repeatable."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Faults(BaseModel):
    """How often things go wrong, each a probability.

    The callback faults apply to status, recording and answering-machine callbacks, each callback on its own;
    the others to requests that create a call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lost_callback: Probability = 0.0
    """Never sent."""
    late_callback: Probability = 0.0
    """Sent ``late_callback_s`` later, out of the order of its call."""
    duplicate_callback: Probability = 0.0
    """Sent twice, with the same idempotency token."""
    reordered_callback: Probability = 0.0
    """Sent after the next one of its call."""
    throttled: Probability = 0.0
    """429 with code 20429, nothing created."""
    error_before_accept: Probability = 0.0
    """5xx, nothing created."""
    error_after_accept: Probability = 0.0
    """Created, but answered with a 5xx or by dropping the connection."""
    slow_answer: Probability = 0.0
    """Created, but answered only after ``slow_answer_s``."""


class Mishap(StrEnum):
    """What can happen to a request that creates a call."""

    THROTTLED = "http_429"
    """429 with code 20429; nothing is created."""
    ERROR_BEFORE = "http_500"
    """500; nothing is created."""
    UNAVAILABLE_BEFORE = "http_503"
    """503; nothing is created."""
    DROP_BEFORE = "refuse_before_accept"
    """The connection closes without an answer; nothing is created."""
    ERROR_AFTER = "error_after_accept"
    """500, but the call is created."""
    DROP_AFTER = "drop_after_accept"
    """The connection closes without an answer, but the call is created."""
    SLOW_AFTER = "timeout_after_accept"
    """The call is created; the answer comes after the client gave up."""


NOTHING_CREATED = frozenset({Mishap.THROTTLED, Mishap.ERROR_BEFORE, Mishap.UNAVAILABLE_BEFORE, Mishap.DROP_BEFORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFate:
    """What happens to one callback on its way."""

    lost: bool = False
    late: bool = False
    duplicated: bool = False
    reordered: bool = False


class Dice:
    """One sequence of chances per seed: the same requests in the same order meet the same faults."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"{seed}|faults")

    def mishap(self, faults: Faults) -> Mishap | None:
        """The fate of a request that would create a call; at most one thing goes wrong with it."""
        if self._hits(faults.throttled):
            return Mishap.THROTTLED
        if self._hits(faults.error_before_accept):
            return self._random.choice((Mishap.ERROR_BEFORE, Mishap.UNAVAILABLE_BEFORE))
        if self._hits(faults.error_after_accept):
            return self._random.choice((Mishap.ERROR_AFTER, Mishap.DROP_AFTER))
        if self._hits(faults.slow_answer):
            return Mishap.SLOW_AFTER
        return None

    def fate(self, faults: Faults) -> CallbackFate:
        """The fate of one callback. A lost one is nothing else; the other faults may meet."""
        if self._hits(faults.lost_callback):
            return CallbackFate(lost=True)
        return CallbackFate(
            late=self._hits(faults.late_callback),
            duplicated=self._hits(faults.duplicate_callback),
            reordered=self._hits(faults.reordered_callback),
        )

    def _hits(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability
