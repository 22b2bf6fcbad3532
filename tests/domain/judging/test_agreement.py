"""Rows and the carrier: leaked slots and contradictions that the judge must convict, and what it must not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.judging.evidence import Evidence
from dialer.domain.judging.verdicts import Tolerances
from dialer.domain.states import CallState, ProspectState
from dialer.domain.timing import Timing
from tests.domain.judging.ledgers import Town, at, broken, changed, clean, sid

LEAKED, AGREE = "no_leaked_slots", "rows_agree_with_carrier"
Doctor = Callable[[Evidence], Evidence]
TIMING = Timing()
SLACK = Tolerances().slack_s


def live(state: CallState, *, ended: float | None = None, recorded: bool = True, now: float, **facts: Any) -> Evidence:
    """One call accepted at 0, live in our rows; at the carrier until ``ended``."""
    town = Town()
    town.call(
        "ann",
        0,
        None,
        recorded=False,
        then=ProspectState.IN_CALL,
        **{"state": state, "ended_at": None, "answered_at": None, "next_state": None, **facts},
    )
    if recorded:
        status = CarrierStatus.IN_PROGRESS if ended is None else CarrierStatus.COMPLETED
        town.record(town.calls[0], 0, ended=ended, status=status)
        town.calls[0] = replace(town.calls[0], carrier_call_id=sid(town.calls[0].id))
    else:
        elsewhere = {"carrier_call_id": "CA" + "0" * 32, "call_id": None, "from_": "+16505550199"}
        town.record(town.calls[0], -1, ended=1, status=CarrierStatus.COMPLETED, **elsewhere)
    return town.evidence(now=now)


def leaks_after(seconds: float, state: CallState, **facts: Any) -> None:
    """The slot is convicted once that many seconds have passed, and not before."""
    assert LEAKED not in broken(live(state, now=seconds, **facts))
    assert LEAKED in broken(live(state, now=seconds + 0.001, **facts))


def test_a_claim_that_nobody_took_up_leaks_after_its_expiry_and_a_sweep() -> None:
    facts = {"recorded": False, "gated_at": None, "dialed_at": None, "claimed_at": at(0)}
    leaks_after(TIMING.claim_expiry_s + SLACK, CallState.CLAIMED, **facts)


def test_an_undecided_call_leaks_after_its_grace_and_a_sweep() -> None:
    for state in (CallState.DIALING, CallState.UNKNOWN):
        facts = {"recorded": False, "gated_at": at(0)}
        leaks_after(TIMING.undecided_s + TIMING.grace_s + SLACK, state, **facts)


def test_a_call_that_is_over_at_the_carrier_leaks_after_its_deadline_and_a_sweep() -> None:
    facts = {"ended": 10.0, "deadline_at": at(100)}
    leaks_after(100 + SLACK, CallState.IN_PROGRESS, **facts)


def test_a_deadline_that_was_never_set_is_no_excuse() -> None:
    """Ring and talk limits are known: 15 + 25 + 300 s and three margins of 15 s."""
    leaks_after(-0.1 + 385 + SLACK, CallState.IN_PROGRESS, ended=10.0, deadline_at=None)
    leaks_after(-0.1 + 385 + SLACK, CallState.IN_PROGRESS, ended=10.0, deadline_at=at(10_000))


def test_a_slot_is_held_by_no_call_of_which_nobody_knows_when_it_began() -> None:
    facts = {"deadline_at": None, "gated_at": None, "claimed_at": None, "carrier_call_id": "CA" + "a" * 32}
    assert LEAKED in broken(live(CallState.RINGING, now=600, recorded=False, **facts))


def test_a_live_call_that_the_carrier_has_too_leaks_nothing() -> None:
    assert broken(live(CallState.IN_PROGRESS, now=290, deadline_at=at(320))) == set()


def test_a_live_call_that_the_carrier_does_not_have_leaks_after_its_deadline() -> None:
    facts = {"recorded": False, "carrier_call_id": "CA" + "a" * 32, "deadline_at": at(100)}
    leaks_after(100 + SLACK, CallState.RINGING, **facts)


def test_without_the_carriers_log_the_deadline_alone_decides() -> None:
    for now, guilty in ((100 + SLACK, False), (100.001 + SLACK, True)):
        evidence = replace(live(CallState.RINGING, now=now, deadline_at=at(100)), carrier=None)
        assert (LEAKED in broken(evidence)) is guilty


CONVICTED: dict[str, tuple[str, Doctor]] = {
    "over for us and live at the carrier": (LEAKED, lambda e: changed(e, "carrier", 7, ended_at=None)),
    "over at the carrier much later": (LEAKED, lambda e: changed(e, "carrier", 7, ended_at=at(417.001))),
    "busy at the carrier, answered in our row": (
        AGREE,
        lambda e: changed(e, "carrier", 7, status=CarrierStatus.BUSY),
    ),
    "answered at the carrier, busy in our row": (
        AGREE,
        lambda e: changed(e, "carrier", 0, status=CarrierStatus.COMPLETED),
    ),
    "canceled at the carrier, unanswered in our row": (
        AGREE,
        lambda e: changed(e, "carrier", 1, status=CarrierStatus.CANCELED),
    ),
    "canceled in our row, without our asking": (
        AGREE,
        lambda e: changed(e, "calls", 1, disposition=Disposition.CANCELED),
    ),
    "failed at the carrier, answered in our row": (
        AGREE,
        lambda e: changed(e, "carrier", 7, status=CarrierStatus.FAILED),
    ),
    "busy, with a time at which somebody answered": (AGREE, lambda e: changed(e, "calls", 0, answered_at=at(3))),
    "another carrier call in our row": (
        AGREE,
        lambda e: changed(e, "calls", 10, carrier_call_id="CA" + "b" * 32),
    ),
    "a carrier call that the carrier does not have": (
        AGREE,
        lambda e: replace(e, carrier=(e.carrier or ())[:-1]),
    ),
    "another phone at the carrier": (AGREE, lambda e: changed(e, "carrier", 7, to="+12125550199")),
    "another caller number at the carrier": (AGREE, lambda e: changed(e, "carrier", 7, from_="+16505550199")),
    "another account at the carrier": (AGREE, lambda e: changed(e, "carrier", 7, account_sid="AC" + "9" * 32)),
    "two rows with one carrier call": (
        AGREE,
        lambda e: changed(e, "calls", 10, carrier_call_id=e.calls[8].carrier_call_id),
    ),
}

ACQUITTED: dict[str, tuple[str, Doctor]] = {
    "over at the carrier two seconds later": (LEAKED, lambda e: changed(e, "carrier", 7, ended_at=at(417))),
    "ended as unknown, and the carrier had it after all": (
        AGREE,
        lambda e: changed(
            changed(e, "carrier", 0, status=CarrierStatus.COMPLETED), "calls", 0, disposition=Disposition.UNKNOWN
        ),
    ),
    "canceled because we asked": (
        AGREE,
        lambda e: changed(e, "calls", 1, disposition=Disposition.CANCELED, cancel_reason="hang_up"),
    ),
    "busy, and refused by the network's code": (
        AGREE,
        lambda e: changed(e, "calls", 0, disposition=Disposition.REJECTED),
    ),
    "busy, and another disposition by its error code": (
        AGREE,
        lambda e: changed(e, "calls", 0, disposition=Disposition.UNREACHABLE, error_code=32009),
    ),
    "our document failed while somebody listened": (
        AGREE,
        lambda e: changed(e, "calls", 10, disposition=Disposition.PROVIDER_ERROR),
    ),
    "a forgotten phone": (AGREE, lambda e: changed(e, "calls", 10, to_phone=None, from_phone=None)),
    "a carrier call older than the log": (AGREE, lambda e: replace(e, carrier=(e.carrier or ())[2:])),
}


@pytest.mark.parametrize("name", CONVICTED)
def test_the_judge_convicts(name: str) -> None:
    rule, doctor = CONVICTED[name]
    assert rule in broken(doctor(clean()))


@pytest.mark.parametrize("name", ACQUITTED)
def test_the_judge_acquits(name: str) -> None:
    rule, doctor = ACQUITTED[name]
    assert rule not in broken(doctor(clean()))
