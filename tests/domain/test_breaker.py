from datetime import UTC, datetime, timedelta

import pytest

from dialer.domain.breaker import (
    FAILURES_IN_A_ROW,
    BreakerRules,
    EndedCall,
    GoingOn,
    backoff_s,
    going_on_beside,
    is_open_after,
    judge_calls,
)
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.dispositions import Disposition as D
from dialer.domain.states import PausedReason

RULES = BreakerRules(window=10, min_calls=5, carrier_share=0.5, failed_share=0.8)


def test_one_failure_is_an_accident_and_several_in_a_row_are_none() -> None:
    assert not is_open_after(FAILURES_IN_A_ROW - 1)
    assert is_open_after(FAILURES_IN_A_ROW)


def test_an_account_is_left_alone_twice_as_long_each_time_and_never_longer_than_the_longest() -> None:
    assert [backoff_s(trips, 1, 60) for trips in (1, 2, 3, 7, 1000)] == [1, 2, 4, 60, 60]


def test_the_carriers_wish_counts_when_it_is_longer() -> None:
    assert backoff_s(1, 1, 60, retry_after_s=20) == 20
    assert backoff_s(5, 1, 60, retry_after_s=3) == 16
    assert backoff_s(1, 1, 60, retry_after_s=3600) == 60


@pytest.mark.parametrize(
    ("newest", "reason"),
    [
        ([D.CARRIER_ERROR] * 5 + [D.HUMAN] * 5, PausedReason.CARRIER_FAILING),
        ([D.CARRIER_ERROR] * 4 + [D.HUMAN] * 6, None),
        ([D.DISCONNECTED] * 8 + [D.HUMAN] * 2, PausedReason.FAILURE_RATE),
        ([D.DISCONNECTED] * 7 + [D.HUMAN] * 3, None),
        ([D.INVALID_NUMBER] * 4 + [D.PROVIDER_ERROR] * 4 + [D.BUSY] * 2, PausedReason.FAILURE_RATE),
        ([D.BUSY, D.NO_ANSWER, D.VOICEMAIL_LEFT, D.REJECTED, D.CANCELED] * 2, None),
        ([D.CARRIER_ERROR] * 4, None),
        ([D.UNKNOWN] * 10, None),
        ([D.HUMAN] * 10 + [D.CARRIER_ERROR] * 90, None),
    ],
)
def test_a_campaign_trips_when_far_more_calls_fail_than_calls_do(newest: list[D], reason: PausedReason | None) -> None:
    trip = judge_calls(RULES, newest)
    assert (None if trip is None else trip.reason) == reason


def test_a_trip_tells_its_figures() -> None:
    trip = judge_calls(RULES, [D.PROVIDER_ERROR] * 2 + [D.CARRIER_ERROR] * 4 + [D.HUMAN] * 2)
    assert trip is not None
    assert trip.figures == {
        "calls": 8,
        "failed": 6,
        "share": 0.75,
        "threshold": 0.5,
        "dispositions": {"carrier_error": 4, "provider_error": 2},
    }


def test_calls_that_go_on_count_as_calls_that_work_and_never_make_up_for_too_few_that_ended() -> None:
    trip = judge_calls(RULES, [D.CARRIER_ERROR] * 10, going_on=10)
    assert trip is not None
    assert (trip.figures["calls"], trip.figures["share"]) == (20, 0.5)
    assert judge_calls(RULES, [D.CARRIER_ERROR] * 10, going_on=11) is None
    assert judge_calls(RULES, [D.CARRIER_ERROR] * 4, going_on=1) is None


def test_beside_failed_calls_count_those_claimed_since_that_have_outlived_all_of_them() -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    early, *late = [
        EndedCall(disposition=D.CARRIER_ERROR, claimed_at=noon + timedelta(seconds=at), took=timedelta(seconds=took))
        for at, took in ((-60, 30), (0, 1), (1, 2), (2, 1))
    ]
    worked = EndedCall(disposition=D.HUMAN, claimed_at=noon - timedelta(hours=1), took=timedelta(minutes=59))
    assert going_on_beside([*late, worked, early]) == GoingOn(claimed_from=noon, older_than=timedelta(seconds=30))
    assert going_on_beside([worked]) is None


def test_a_campaign_without_a_word_on_it_has_the_usual_breaker_and_null_turns_it_off() -> None:
    assert rules_from_json({}).breaker == BreakerRules()
    assert rules_from_json({"breaker": {"min_calls": 7}}).breaker == BreakerRules(min_calls=7)
    assert rules_from_json({"breaker": None}).breaker is None
