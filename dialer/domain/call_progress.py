"""How a carrier's report changes a call: forwards only, whatever the order in which reports arrive.

Callbacks come late, twice and out of order, and a poll may overtake them. The first terminal report ends the call; what
comes after it may tell who answered, where the recording is and what it cost, and nothing else.
"""

from dataclasses import dataclass
from enum import StrEnum

from dialer.domain.carrier_events import TERMINAL, CarrierEvent, CarrierStatus
from dialer.domain.states import PROGRESS, CallState


class Fit(StrEnum):
    """Whether a report is about the call that it names."""

    OURS = "ours"
    LATE = "late"
    """It surfaced after the call was given up: hang it up."""
    ANOTHER = "another"
    """The call already has another carrier id: hang that one up and raise the alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state after a report. ``ends`` is True for the one report that ends the call."""

    state: CallState
    ends: bool


_STATES = {
    CarrierStatus.QUEUED: CallState.ACCEPTED,
    CarrierStatus.INITIATED: CallState.ACCEPTED,
    CarrierStatus.RINGING: CallState.RINGING,
    CarrierStatus.IN_PROGRESS: CallState.IN_PROGRESS,
}


def fit(state: CallState, carrier_call_id: str | None, event: CarrierEvent) -> Fit:
    """Compare the call's carrier id, if it is known, with the report's."""
    if carrier_call_id is not None:
        return Fit.OURS if carrier_call_id == event.carrier_call_id else Fit.ANOTHER
    return Fit.LATE if state in (CallState.ENDED, CallState.DEFERRED) else Fit.OURS


def progress(state: CallState, event: CarrierEvent) -> Progress:
    """The state after ``event``; never a lower one."""
    if event.status is None or state in (CallState.ENDED, CallState.DEFERRED):
        return Progress(state=state, ends=False)
    if event.status in TERMINAL:
        return Progress(state=CallState.ENDED, ends=True)
    reported = _STATES[event.status]
    return Progress(state=reported if PROGRESS[reported] > PROGRESS[state] else state, ends=False)


def contradicts(state: CallState, event: CarrierEvent) -> bool:
    """True for a report that says of an ended call how it went on: its end is known, and so is who answered.

    When it rang may still be learned from a report that was overtaken.
    """
    over = state in (CallState.ENDED, CallState.DEFERRED)
    return over and event.kind == "status" and event.status is not CarrierStatus.RINGING
