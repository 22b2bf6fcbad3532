"""Phones on purpose: what one number does, attempt by attempt, instead of what the town would have it do."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dialer.simulator.behaviour import Behaviour, Seconds
from dialer.simulator.faults import Mishap
from dialer.simulator.phones import EndStatus, PhoneBehaviour, PhoneKind, behave, draw_kind

AnsweredBy = Literal[
    "human", "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"
]
CallbackEvent = Literal["initiated", "ringing", "answered", "completed", "amd", "recording"]

_KIND_OF_STATUS: dict[EndStatus, PhoneKind] = {
    "completed": PhoneKind.HUMAN,
    "busy": PhoneKind.BUSY,
    "no-answer": PhoneKind.NO_ANSWER,
    "failed": PhoneKind.CARRIER_ERROR,
}


class PhoneScript(BaseModel):
    """One attempt at one number. What is left out follows from ``kind``, or from ``status`` without a kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: PhoneKind | None = None
    status: EndStatus | None = None
    sip: Annotated[int, Field(ge=100, le=699)] | None = None
    error_code: Annotated[int, Field(ge=10_000, le=99_999)] | None = None
    answered_by: AnsweredBy | None = None
    ring_s: Seconds | None = None
    talk_s: Seconds | None = None
    amd_s: Seconds | None = None
    rings: bool | None = None
    presses: Annotated[str, Field(pattern=r"^[0-9*#]{0,32}$")] = ""
    lose_callbacks: tuple[CallbackEvent, ...] = ()
    """Callbacks of these events are never sent."""
    create_error: Annotated[int, Field(ge=10_000, le=99_999)] | Mishap | None = None
    """A Twilio error code, or a mishap of the request that creates the call."""

    def played(self, seed: int, number: str, attempt: int, natural: PhoneKind) -> PhoneBehaviour:
        """The behaviour this script describes, with the town filling the gaps."""
        kind = self.kind or (_KIND_OF_STATUS[self.status] if self.status else natural)
        base = behave(seed, number, attempt, kind)
        given = {
            name: value
            for name in ("status", "sip", "error_code", "answered_by", "ring_s", "talk_s", "amd_s", "rings")
            if (value := getattr(self, name)) is not None
        }
        return replace(base, presses=self.presses, lose_callbacks=frozenset(self.lose_callbacks), **given)


class PhoneScripts(BaseModel):
    """The body of ``PUT /_sim/phones/{number}``: one behaviour, or one per attempt (the last one repeats)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    behaviour: PhoneScript | PhoneKind | None = None
    behaviours: tuple[PhoneScript | PhoneKind, ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> "PhoneScripts":
        if (self.behaviour is None) == (not self.behaviours):
            raise ValueError("give behaviour, or a list of behaviours that is not empty")
        return self

    def at(self, attempt: int) -> PhoneScript:
        """The script for the attempt with that number (0 is the first)."""
        chain = self.behaviours or (self.behaviour or PhoneScript(),)
        step = chain[min(attempt, len(chain) - 1)]
        return PhoneScript(kind=step) if isinstance(step, PhoneKind) else step


class Town:
    """All phones: the scripted ones, and everybody else as the seed has it."""

    def __init__(self) -> None:
        self._scripts: dict[str, PhoneScripts] = {}

    def scripts(self) -> dict[str, PhoneScripts]:
        """A copy of the scripts by number."""
        return dict(self._scripts)

    def script(self, number: str, scripts: PhoneScripts) -> None:
        """Let a number behave on purpose from its next attempt on."""
        self._scripts[number] = scripts

    def unscript(self, number: str | None = None) -> None:
        """Forget one script, or all of them."""
        if number is None:
            self._scripts.clear()
        else:
            self._scripts.pop(number, None)

    def create_error(self, number: str, attempt: int) -> int | Mishap | None:
        """What shall go wrong with the request that creates this call."""
        scripts = self._scripts.get(number)
        return scripts.at(attempt).create_error if scripts else None

    def phone(self, number: str, attempt: int, behaviour: Behaviour) -> PhoneBehaviour:
        """How the phone behaves on this attempt."""
        natural = self._natural(number, attempt, behaviour)
        scripts = self._scripts.get(number)
        if scripts is None:
            return behave(behaviour.seed, number, attempt, natural)
        return scripts.at(attempt).played(behaviour.seed, number, attempt, natural)

    def _natural(self, number: str, attempt: int, behaviour: Behaviour) -> PhoneKind:
        ends = [s for s in behaviour.suffixes if number.endswith(s)]
        if ends:
            return behaviour.suffixes[max(ends, key=len)]
        return draw_kind(behaviour.seed, number, attempt, behaviour.mix)
