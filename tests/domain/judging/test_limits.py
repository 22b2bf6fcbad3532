"""Caps and pace: convicted one call above the limit, acquitted exactly at it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.dispositions import Disposition
from dialer.domain.judging.evidence import Evidence, Subject
from dialer.domain.timing import Timing
from tests.domain.judging.ledgers import (
    ACCOUNT,
    ACCOUNT_SID,
    CALLER,
    NUMBER,
    SETTINGS,
    WORKSPACE,
    Town,
    at,
    broken,
    changed,
    verdict_on,
)

CAPS, RATE, DAY = "concurrency_caps_held", "calls_per_second_held", "calls_per_day_held"
SUBJECTS: dict[Subject, UUID | None] = {
    "campaign": None,
    "workspace": WORKSPACE,
    "carrier_account": ACCOUNT,
    "phone_number": NUMBER,
}


def limited(subject: Subject, **limits: Any) -> Town:
    """A town in which only one subject limits anything."""
    generous = {"max_concurrent": 1000, "calls_per_second": 1000}
    town = Town({**SETTINGS, "pace": limits if subject == "campaign" else generous})
    for each in ("workspace", "carrier_account"):
        own = SUBJECTS[each]
        assert own is not None
        town.change(
            each, own, -900, account_sid=ACCOUNT_SID, **({**generous, **limits} if each == subject else generous)
        )
    if subject == "phone_number":
        town.change("phone_number", NUMBER, -900, phone=CALLER, carrier_account_id=str(ACCOUNT), **limits)
    return town


def ring(town: Town, starts: Sequence[float], lasts: float = 5.0) -> Evidence:
    """A call to somebody new at each of these seconds."""
    for number, start in enumerate(starts):
        town.call(f"person {number}", start, lasts=lasts)
    town.run("completed", max(starts) + 100)
    return town.evidence(now=max(starts) + 200)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_as_many_calls_at_once_as_the_cap_are_no_violation(subject: Subject) -> None:
    assert broken(ring(limited(subject, max_concurrent=3, calls_per_second=1000), [0, 1, 2])) == set()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_one_call_more_at_once_than_the_cap_is_convicted(subject: Subject) -> None:
    evidence = ring(limited(subject, max_concurrent=3, calls_per_second=1000), [0, 1, 2, 3])
    (violation,) = verdict_on(evidence).violations
    assert (violation.rule, violation.ids["call"]) == (CAPS, str(evidence.calls[3].id))
    assert subject in violation.ids


@pytest.mark.parametrize("subject", SUBJECTS)
def test_as_many_calls_in_a_second_as_rate_and_margin_allow_are_no_violation(subject: Subject) -> None:
    """10 a second: 10 + 10 % + 1 = 12."""
    town = limited(subject, max_concurrent=1000, calls_per_second=10)
    assert broken(ring(town, [number * 0.08 for number in range(12)])) == set()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_one_call_more_in_a_second_is_convicted(subject: Subject) -> None:
    town = limited(subject, max_concurrent=1000, calls_per_second=10)
    evidence = ring(town, [number * 0.08 for number in range(13)])
    (violation,) = verdict_on(evidence).violations
    assert violation.rule == RATE
    assert len(violation.ids["burst"].split()) == 13
    assert subject in violation.ids


def test_the_second_slides() -> None:
    """Half of the burst before the full second, half after it."""
    starts = [0.9 + number * 0.015 for number in range(13)]
    assert broken(ring(limited("campaign", max_concurrent=1000, calls_per_second=10), starts)) == {RATE}


@pytest.mark.parametrize("rate", [1, 5, 13.89, 19, 60, 200])
def test_calls_as_late_as_they_may_leave_and_a_while_on_the_way_are_no_violation(rate: float) -> None:
    """Those whose turns came while nothing moved reach the carrier together, and all after them at their turns."""
    late = Timing().turn_slack_s + 0.0499
    starts = [max(number / rate, late) for number in range(int(rate * 2) + 3)]
    assert broken(ring(limited("campaign", max_concurrent=1000, calls_per_second=rate), starts)) == set()


def test_calls_exactly_one_second_apart_are_not_in_one_second() -> None:
    """A rate of 0.5 allows one in any second (0.55 + 1)."""
    slow = {"max_concurrent": 1000, "calls_per_second": 0.5}
    assert broken(ring(limited("campaign", **slow), [0, 1])) == set()
    assert broken(ring(limited("campaign", **slow), [0, 0.999])) == {RATE}


def test_a_call_that_ends_as_another_begins_leaves_its_slot() -> None:
    town = limited("campaign", max_concurrent=1, calls_per_second=1000)
    assert broken(ring(town, [0, 5])) == set()


def test_a_call_that_never_ends_at_the_carrier_keeps_its_slot() -> None:
    evidence = ring(limited("campaign", max_concurrent=1, calls_per_second=1000), [0, 500])
    assert CAPS in broken(changed(evidence, "carrier", 0, ended_at=None))


def test_the_largest_cap_between_claim_and_dial_counts() -> None:
    """Claimed at -0.3 under a cap of 3, which is lowered to 1 before the carrier has the calls, or long before."""
    for lowered_at, guilty in ((-0.2, False), (-0.4, True)):
        town = limited("workspace", max_concurrent=3, calls_per_second=1000)
        town.change("workspace", WORKSPACE, lowered_at, max_concurrent=1, calls_per_second=1000)
        found = broken(ring(town, [0, 0]))
        assert found == ({CAPS} if guilty else set())


def test_a_rate_that_was_just_lowered_still_covers_turns_taken_before() -> None:
    for lowered_at, guilty in ((-2.5, False), (-3.5, True)):
        town = limited("workspace", max_concurrent=1000, calls_per_second=50)
        town.change("workspace", WORKSPACE, lowered_at, max_concurrent=1000, calls_per_second=1)
        assert broken(ring(town, [0, 0.1, 0.2])) == ({RATE} if guilty else set())


def test_a_raised_cap_does_not_excuse_calls_from_before() -> None:
    town = limited("workspace", max_concurrent=1, calls_per_second=1000)
    town.change("workspace", WORKSPACE, 10, max_concurrent=100, calls_per_second=1000)
    assert broken(ring(town, [0, 1])) == {CAPS}


def test_a_number_without_limits_limits_nothing() -> None:
    assert broken(ring(limited("phone_number"), [number / 100 for number in range(90)])) == set()


def test_the_slot_of_a_call_that_nobody_could_decide_is_given_back_when_it_is_given_up() -> None:
    town = limited("campaign", max_concurrent=1, calls_per_second=1000)
    town.call("ann", 0, Disposition.UNKNOWN, lasts=60, carrier_call_id=None, next_state=None)
    town.call("bob", 70)
    town.run("completed", 400)
    evidence = changed(town.evidence(), "carrier", 0, ended_at=at(100))
    assert CAPS not in broken(evidence)
    assert CAPS in broken(changed(evidence, "carrier", 1, created_at=at(59)))


def test_limits_of_a_time_before_the_history_are_not_decidable() -> None:
    town = limited("campaign", max_concurrent=1, calls_per_second=1)
    evidence = ring(town, [0, 0.1, 0.2])
    young = tuple(change for change in evidence.changes if change.subject != "campaign")
    results = {result.rule: result for result in verdict_on(replace(evidence, changes=young)).rules}
    assert results[CAPS].not_decidable == results[RATE].not_decidable == 3
    assert not results[CAPS].violations


def test_a_number_is_convicted_of_one_call_more_than_its_day_allows() -> None:
    day = 24 * 3600
    within = [0, 60, 120]
    assert broken(ring(limited("phone_number", calls_per_day=3), within)) == set()
    assert broken(ring(limited("phone_number", calls_per_day=2), within)) == {DAY}
    # Claimed when the first one's gate is exactly 24 hours old, and a moment sooner.
    hours = {"calling_hours": {"windows": [{"days": ["mon", "tue"], "start": "00:00", "end": "24:00"}]}}
    for start, guilty in ((day + 0.2, False), (day + 0.1, True)):
        town = limited("phone_number", calls_per_day=2)
        town.run("running", -50, settings={**town.settings, **hours})
        assert broken(ring(town, [0, 60, start])) == ({DAY} if guilty else set())


@given(
    starts=st.lists(st.integers(0, 4000).map(lambda ms: ms / 1000), min_size=1, max_size=40),
    lasts=st.integers(1, 3000).map(lambda ms: ms / 1000),
    cap=st.integers(1, 6),
)
def test_the_cap_is_found_broken_exactly_when_counting_by_hand_says_so(
    starts: list[float], lasts: float, cap: int
) -> None:
    evidence = ring(limited("campaign", max_concurrent=cap, calls_per_second=1000), sorted(starts), lasts)
    records = evidence.carrier
    assert records is not None
    most = max(
        sum(1 for other in records if other.created_at <= one.created_at < (other.ended_at or at(9999)))
        for one in records
    )
    assert (CAPS in broken(evidence)) is (most > cap)


@given(starts=st.lists(st.integers(0, 3000).map(lambda ms: ms / 1000), min_size=1, max_size=40), rate=st.integers(1, 9))
def test_the_rate_is_found_broken_exactly_when_counting_by_hand_says_so(starts: list[float], rate: int) -> None:
    evidence = ring(limited("campaign", max_concurrent=1000, calls_per_second=rate), sorted(starts))
    records = evidence.carrier
    assert records is not None
    most = max(
        sum(1 for other in records if 0 <= (other.created_at - one.created_at).total_seconds() < 1) for one in records
    )
    assert (RATE in broken(evidence)) is (most > rate * 1.1 + 1)


def test_a_carrier_whose_clock_is_behind_our_claim_is_judged_all_the_same() -> None:
    """Accepted, by its clock, before the claim, and a limit changed in between: either limit may have been in force."""
    for cap, guilty in ((3, False), (1, True)):
        town = limited("workspace", max_concurrent=1, calls_per_second=1000)
        town.change("workspace", WORKSPACE, 9.9, max_concurrent=cap, calls_per_second=1000)
        evidence = ring(town, [10, 10])
        for index, call in enumerate(evidence.calls):
            evidence = changed(evidence, "calls", index, claimed_at=at(10.2), gated_at=call.gated_at)
        behind = replace(evidence, carrier=tuple(replace(r, created_at=at(9.8)) for r in evidence.carrier or ()))
        assert (CAPS in broken(behind)) is guilty
