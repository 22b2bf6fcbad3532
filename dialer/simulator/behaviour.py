"""How the carrier and the town behave: one frozen value, replaced as a whole by ``PUT /_sim/behaviour``."""

import math
from typing import Annotated, Self, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dialer.simulator.faults import Faults, Probability
from dialer.simulator.phones import DEFAULT_MIX, PhoneKind

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class Behaviour(BaseModel):
    """Everything that can be turned. Times of the town are virtual seconds: real ones = virtual × time_scale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    time_scale: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 1.0
    calls_per_second: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 100.0
    """Calls dialed per account and second of real time; the rest waits in the queue."""
    mix: dict[PhoneKind, Probability] = Field(default_factory=lambda: dict(DEFAULT_MIX))
    faults: Faults = Faults()

    queue_limit_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 86_400.0
    """A create that would wait longer in the queue is refused with 22005."""
    late_callback_s: Seconds = 20.0
    price_delay_s: Seconds = 5.0
    """How long after its end a call has its price."""
    slow_answer_s: Annotated[float, Field(ge=0, le=120, allow_inf_nan=False)] = 12.0
    """Real seconds: clients time out in real time."""
    owned_numbers: tuple[str, ...] | None = None
    """Caller numbers the accounts own; another From is refused with 21210. None: every valid number."""
    suffixes: dict[str, PhoneKind] = Field(default_factory=dict[str, PhoneKind])
    """Last digits of a number → what it is, whatever the mix says; the longest matching suffix wins."""

    @field_validator("mix")
    @classmethod
    def _mix_is_a_distribution(cls, mix: dict[PhoneKind, float]) -> dict[PhoneKind, float]:
        if not math.isclose(sum(mix.values()), 1.0, abs_tol=1e-6):
            raise ValueError("the shares of a mix must add up to 1")
        return mix

    @field_validator("suffixes")
    @classmethod
    def _suffixes_are_digits(cls, suffixes: dict[str, PhoneKind]) -> dict[str, PhoneKind]:
        if not all(suffix.isascii() and suffix.isdigit() for suffix in suffixes):
            raise ValueError("a suffix is made of digits")
        return suffixes

    def changed(self, patch: dict[str, object]) -> Self:
        """A copy with ``patch`` applied; fields left out stay as they are, within ``faults`` too.

        Shares given in ``mix`` hold exactly; the kinds left out share the rest in the proportion they had.
        Raises pydantic's ``ValidationError`` and changes nothing when a value is not acceptable.
        """
        merged: dict[str, object] = self.model_dump() | patch
        faults = patch.get("faults")
        if isinstance(faults, dict):
            merged["faults"] = self.faults.model_dump() | cast(dict[str, object], faults)
        mix = patch.get("mix")
        if isinstance(mix, dict):
            merged["mix"] = _completed(cast(dict[object, object], mix), self.mix)
        return type(self).model_validate(merged)


def _completed(given: dict[object, object], before: dict[PhoneKind, float]) -> dict[object, object]:
    """``given`` plus the remaining share spread over the kinds it does not name."""
    numbers = [v for v in given.values() if isinstance(v, int | float) and not isinstance(v, bool)]
    rest = 1.0 - sum(numbers)
    if len(numbers) != len(given) or not 1e-9 < rest <= 1.0:
        return dict(given)
    left = {kind: share for kind, share in before.items() if kind not in given}
    if sum(left.values()) <= 0:
        left = {kind: share for kind, share in DEFAULT_MIX.items() if kind not in given}
    total = sum(left.values())
    if total <= 0:
        return dict(given)
    return dict(given) | {kind: share * rest / total for kind, share in left.items()}
