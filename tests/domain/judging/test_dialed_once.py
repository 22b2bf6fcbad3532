"""Never twice: what the judge must convict, and what it must not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.judging.evidence import Evidence
from dialer.domain.states import CallState, ProspectState
from tests.domain.judging.ledgers import CALLER, Town, at, broken, changed, clean, sid, verdict_on

Doctor = Callable[[Evidence], Evidence]


def also_at_carrier(evidence: Evidence, **facts: object) -> Evidence:
    """With one more record, like the carrier's last."""
    assert evidence.carrier is not None
    stranger = replace(evidence.carrier[-1], **{"carrier_call_id": "CA" + "e" * 32, **facts})  # type: ignore[arg-type]
    return replace(evidence, carrier=(*evidence.carrier, stranger))


def on_another_phone(evidence: Evidence) -> Evidence:
    """Ann is called again on her second phone."""
    second = changed(evidence, "calls", 7, to_phone="+12125550177", contact_id=uuid4())
    return changed(second, "carrier", 4, to="+12125550177")


CONVICTED: dict[str, tuple[str, Doctor]] = {
    "a call id dialed twice": ("one_carrier_call_per_call", also_at_carrier),
    "a call id dialed twice, hours apart": (
        "one_carrier_call_per_call",
        lambda e: also_at_carrier(e, created_at=at(550), ended_at=at(555)),
    ),
    "a second call while the first goes on, at the carrier": (
        "one_live_call_per_person",
        lambda e: changed(e, "carrier", 0, ended_at=at(70)),
    ),
    "a first call that never ends at the carrier": (
        "one_live_call_per_person",
        lambda e: changed(e, "carrier", 0, ended_at=None),
    ),
    "a second row while the first is live": (
        "one_live_call_per_person",
        lambda e: changed(changed(e, "calls", 0, ended_at=at(70)), "carrier", 0, ended_at=at(5)),
    ),
    "two live rows of one person": (
        "one_live_call_per_person",
        lambda e: changed(e, "calls", 0, state=CallState.RINGING, disposition=None, ended_at=None),
    ),
    "two rows of one phone in two campaigns": (
        "one_live_call_per_person",
        lambda e: changed(changed(e, "calls", 5, contact_id=e.calls[0].contact_id), "calls", 0, ended_at=at(11)),
    ),
    "two live calls of one person on two phones, at the carrier": (
        "one_live_call_per_person",
        lambda e: changed(on_another_phone(e), "carrier", 0, ended_at=at(70)),
    ),
    "two live calls of one person on two phones, in our rows": (
        "one_live_call_per_person",
        lambda e: changed(changed(on_another_phone(e), "calls", 0, ended_at=at(70)), "carrier", 0, ended_at=at(5)),
    ),
    "a call of our number without a call id": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=None),
    ),
    "a call of our number with an id that is nobody's": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=uuid4()),
    ),
    "a call with an id of ours, and no row is left": (
        "carrier_calls_known",
        lambda e: replace(also_at_carrier(e, call_id=uuid4()), calls=(), prospects=()),
    ),
    "a row that forgot the carrier's call": (
        "carrier_calls_known",
        lambda e: changed(e, "calls", 10, carrier_call_id=None),
    ),
    "a row that says it was never dialed": (
        "carrier_calls_known",
        lambda e: changed(e, "calls", 10, state=CallState.DEFERRED, disposition=None),
    ),
    "a row that was never let through": (
        "carrier_calls_known",
        lambda e: changed(e, "calls", 10, state=CallState.CLAIMED, disposition=None, gated_at=None),
    ),
    "a refused call that the carrier made": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=e.calls[4].id, to=e.calls[4].to_phone, created_at=at(4)),
    ),
    "a late call that went on too long": (
        "carrier_calls_known",
        lambda e: changed(e, "carrier", 3, ended_at=at(112.001)),
    ),
    "a late call that goes on": ("carrier_calls_known", lambda e: changed(e, "carrier", 3, ended_at=None)),
    "an acceptance long after the gate": (
        "no_dial_outlives_its_gate",
        lambda e: changed(e, "carrier", 7, created_at=at(421.901), ended_at=at(425)),
    ),
}

ACQUITTED: dict[str, tuple[str, Doctor]] = {
    "a second call that begins as the first ends": (
        "one_live_call_per_person",
        lambda e: changed(e, "carrier", 0, ended_at=at(66)),
    ),
    "a second call on another phone once the first is over": ("one_live_call_per_person", on_another_phone),
    "a call from a number that is not ours": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=None, from_="+16505550199"),
    ),
    "a call over an account that is not ours": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=None, account_sid="AC" + "9" * 32),
    ),
    "a call of our number before our first dial": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=None, created_at=at(-5), ended_at=at(-4)),
    ),
    "a call that the carrier accepted after the moment of the evidence": (
        "carrier_calls_known",
        lambda e: also_at_carrier(e, call_id=None, created_at=at(600.5), ended_at=None),
    ),
    "a row in doubt that has no carrier id yet": (
        "carrier_calls_known",
        lambda e: changed(
            e, "calls", 10, state=CallState.UNKNOWN, disposition=None, carrier_call_id=None, ended_at=None
        ),
    ),
    "a late call hung up after exactly two seconds": (
        "carrier_calls_known",
        lambda e: changed(e, "carrier", 3, ended_at=at(112)),
    ),
    "an acceptance as late as a request can take": (
        "no_dial_outlives_its_gate",
        lambda e: changed(e, "carrier", 7, created_at=at(421.9), ended_at=at(425)),
    ),
}


@pytest.mark.parametrize("name", CONVICTED)
def test_the_judge_convicts(name: str) -> None:
    rule, doctor = CONVICTED[name]
    assert rule in broken(doctor(clean()))


@pytest.mark.parametrize("name", ACQUITTED)
def test_the_judge_acquits(name: str) -> None:
    rule, doctor = ACQUITTED[name]
    assert rule not in broken(doctor(clean()))


def test_a_violation_names_the_calls_that_it_is_about() -> None:
    (violation,) = verdict_on(also_at_carrier(clean(), call_id=None)).violations
    assert violation.ids == {"carrier_call": "CA" + "e" * 32}
    (first, *_) = verdict_on(changed(clean(), "carrier", 0, ended_at=at(70))).violations
    assert first.ids["call"] == str(clean().calls[0].id)
    assert first.ids["other_call"] == str(clean().calls[7].id)


def test_a_call_without_our_id_is_known_by_the_carriers() -> None:
    """Twilio's list does not tell our call id."""
    nameless = replace(clean(), carrier=tuple(replace(each, call_id=None) for each in clean().carrier or ()))
    assert broken(nameless) == set()


def test_times_of_whole_seconds_are_read_as_what_they_may_mean() -> None:
    """A list whose times are cut to the second must not make a clean campaign look guilty."""
    cut = tuple(
        replace(
            record,
            created_at=record.created_at.replace(microsecond=0),
            ended_at=None if record.ended_at is None else record.ended_at.replace(microsecond=0),
            resolution_s=1.0,
            call_id=None,
        )
        for record in clean().carrier or ()
    )
    assert broken(replace(clean(), carrier=cut), clock_s=1.0) == set()


def test_a_carrier_whose_clock_is_ahead_is_forgiven_within_the_tolerance() -> None:
    ahead = tuple(
        replace(record, created_at=record.created_at + timedelta(seconds=0.8), ended_at=record.ended_at)
        for record in clean().carrier or ()
    )
    assert broken(replace(clean(), carrier=ahead), clock_s=1.0) == set()


def test_a_call_of_the_evidences_last_second_is_not_judged_by_a_carrier_that_counts_whole_seconds() -> None:
    just_now = also_at_carrier(clean(), call_id=None, created_at=at(599), ended_at=None, resolution_s=1.0)
    assert "carrier_calls_known" in broken(just_now)
    assert broken(replace(just_now, now=at(599.9))) == set()
    assert verdict_on(replace(just_now, now=at(599.9))).counts.later == 1


def test_an_unknown_call_that_was_over_when_it_surfaced_is_known_and_not_listed_as_hung_up() -> None:
    evidence = changed(clean(), "carrier", 3, ended_at=at(70), status=CarrierStatus.NO_ANSWER)
    assert broken(evidence) == set()
    assert verdict_on(evidence).late == ()
    deferred = changed(evidence, "calls", 6, state=CallState.DEFERRED, disposition=None)
    assert "carrier_calls_known" in broken(deferred)


def test_a_late_call_that_was_deferred_before_is_listed_and_not_convicted() -> None:
    town = Town()
    given_up = town.call(
        "ann",
        0,
        None,
        recorded=False,
        lasts=25,
        then=ProspectState.READY,
        state=CallState.DEFERRED,
        due=30,
        late_at=at(26),
        next_state=None,
    )
    town.calls[0] = replace(given_up, carrier_call_id=sid(given_up.id))
    town.record(given_up, 0.5, ended=27, status=CarrierStatus.CANCELED, from_=CALLER)
    evidence = town.evidence()
    assert broken(evidence) == set()
    assert [late.call_id for late in verdict_on(evidence).late] == [given_up.id]
    assert "carrier_calls_known" in broken(changed(evidence, "carrier", 0, ended_at=at(28.5)))


def test_a_row_that_ends_by_the_carriers_faster_clock_does_not_reach_into_the_next_call() -> None:
    """A row's end is the carrier's time, and the next claim is ours."""
    first, second = (call for call in clean().calls if call.prospect_id == clean().calls[0].prospect_id)
    assert second.claimed_at is not None
    index = [call.id for call in clean().calls].index(first.id)
    ends = second.claimed_at + timedelta(seconds=0.5)
    evidence = changed(clean(), "calls", index, ended_at=ends)
    assert "one_live_call_per_person" in broken(evidence)
    assert "one_live_call_per_person" not in broken(evidence, clock_s=1.0)
