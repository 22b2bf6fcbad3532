"""The town: what stands behind each phone number, and how it behaves when it rings.

A number's behaviour is a pure function of the seed, the number and how often it was called before. What a
line *is* (disconnected, a fax, a company's menu) stays; whether its owner is busy, away or there is drawn
anew for each attempt, so that calling again later makes sense.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

EndStatus = Literal["completed", "busy", "no-answer", "failed"]
"""How a call ends if nobody interferes; ``completed`` means that the phone answers."""


class PhoneKind(StrEnum):
    """What can stand behind a number."""

    HUMAN = "human"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    VOICEMAIL = "voicemail"
    DISCONNECTED = "disconnected"
    FAX = "fax"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    CARRIER_ERROR = "carrier_error"
    CALLER_ID_BLOCKED = "caller_id_blocked"
    IVR = "ivr"


_PERMANENT = frozenset({PhoneKind.DISCONNECTED, PhoneKind.FAX, PhoneKind.IVR})

DEFAULT_MIX: Mapping[PhoneKind, float] = MappingProxyType(
    {
        PhoneKind.HUMAN: 0.40,
        PhoneKind.BUSY: 0.07,
        PhoneKind.NO_ANSWER: 0.22,
        PhoneKind.VOICEMAIL: 0.18,
        PhoneKind.DISCONNECTED: 0.04,
        PhoneKind.FAX: 0.01,
        PhoneKind.REJECTED: 0.02,
        PhoneKind.UNREACHABLE: 0.03,
        PhoneKind.CARRIER_ERROR: 0.01,
        PhoneKind.CALLER_ID_BLOCKED: 0.0,
        PhoneKind.IVR: 0.02,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneBehaviour:
    """What one phone does on one attempt. Times are virtual seconds.

    ``ring_s`` is how long it rings before anything happens; a caller who is less patient hears no answer.
    ``talk_s`` is how long this side stays on the line if the caller does not hang up first. ``answered_by``
    is what answering-machine detection finds (its long name, or None: worked out from ``kind``), ``amd_s``
    how long it takes. ``presses`` are the digits this person dials at the next prompt for input.
    """

    kind: PhoneKind
    status: EndStatus
    sip: int
    rings: bool
    ring_s: float
    talk_s: float
    amd_s: float
    greeting_s: float = 0.0
    error_code: int | None = None
    answered_by: str | None = None
    presses: str = ""
    lose_callbacks: frozenset[str] = frozenset()
    """Events of this call whose callback is never sent."""

    def detected(self, mode: Literal["Enable", "DetectMessageEnd"]) -> str:
        """The ``AnsweredBy`` that detection reports for this phone."""
        if self.answered_by is not None:
            return self.answered_by
        if self.kind is PhoneKind.FAX:
            return "fax"
        if self.kind in (PhoneKind.VOICEMAIL, PhoneKind.IVR):
            return "machine_start" if mode == "Enable" else "machine_end_beep"
        return "human"

    def detection_s(self, mode: Literal["Enable", "DetectMessageEnd"]) -> float:
        """How long detection takes: to the end of the greeting if the beep is waited for."""
        machine = self.detected("Enable").startswith("machine")
        return self.amd_s + (self.greeting_s if machine and mode == "DetectMessageEnd" else 0.0)


def draw_kind(seed: int, number: str, attempt: int, mix: Mapping[PhoneKind, float]) -> PhoneKind:
    """What answers at ``number`` when it is called for the time ``attempt`` (0 is the first)."""
    line = _pick(mix, random.Random(f"{seed}|{number}").random())
    if attempt == 0 or line in _PERMANENT:
        return line
    moods = {kind: share for kind, share in mix.items() if kind not in _PERMANENT}
    return _pick(moods, random.Random(f"{seed}|{number}|mood|{attempt}").random())


def behave(seed: int, number: str, attempt: int, kind: PhoneKind) -> PhoneBehaviour:
    """The details of one attempt at a phone of that kind."""
    dice = random.Random(f"{seed}|{number}|{attempt}|{kind}")
    answer_s, patience_s = dice.uniform(3, 18), dice.uniform(8, 90)
    setup_s, amd_s, greeting_s = dice.uniform(0.5, 2), dice.uniform(1.5, 3.5), dice.uniform(6, 14)

    def refusing(status: EndStatus, sip: int, ring_s: float = setup_s, rings: bool = False) -> PhoneBehaviour:
        return PhoneBehaviour(kind=kind, status=status, sip=sip, rings=rings, ring_s=ring_s, talk_s=0, amd_s=0)

    def answering(ring_s: float, talk_s: float) -> PhoneBehaviour:
        return PhoneBehaviour(
            kind=kind, status="completed", sip=200, rings=True, ring_s=ring_s, talk_s=talk_s,
            amd_s=amd_s, greeting_s=greeting_s,
        )  # fmt: skip

    match kind:
        case PhoneKind.HUMAN:
            return answering(answer_s, patience_s)
        case PhoneKind.VOICEMAIL:
            return answering(dice.uniform(12, 20), 120)
        case PhoneKind.IVR:
            return answering(dice.uniform(1, 3), 180)
        case PhoneKind.FAX:
            return answering(dice.uniform(3, 8), 40)
        case PhoneKind.BUSY:
            return refusing("busy", 486)
        case PhoneKind.NO_ANSWER:
            return refusing("no-answer", 487, ring_s=86_400, rings=True)
        case PhoneKind.REJECTED:
            return refusing("failed", 603, ring_s=dice.uniform(2, 6), rings=True)
        case PhoneKind.UNREACHABLE:
            return refusing("failed", 480, ring_s=dice.uniform(2, 5))
        case PhoneKind.DISCONNECTED:
            return refusing("failed", 404)
        case PhoneKind.CARRIER_ERROR:
            return refusing("failed", 503)
        case PhoneKind.CALLER_ID_BLOCKED:
            return refusing("failed", 608)


def _pick(mix: Mapping[PhoneKind, float], point: float) -> PhoneKind:
    total = sum(mix.values())
    if total <= 0:
        return PhoneKind.HUMAN
    reached = 0.0
    last = PhoneKind.HUMAN
    for kind in PhoneKind:  # a fixed order, so that the order of a request's JSON does not change the town
        share = mix.get(kind, 0.0) / total
        if share > 0:
            reached, last = reached + share, kind
            if point < reached:
                return kind
    return last
