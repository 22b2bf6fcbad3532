from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialer.domain.calling_hours import WEEKDAYS_9_TO_20, Window
from dialer.domain.campaign_rules import AnsweringMachine, CampaignRules, Pace, rules_from_json
from dialer.domain.redial import RedialPolicy

FULL: dict[str, Any] = {
    "schedule": {"start_at": "2026-11-21T09:00:00Z", "end_at": "2026-11-30T18:00:00+01:00"},
    "calling_hours": {
        "windows": [{"days": ["mon", "sun"], "start": "22:00", "end": "02:00"}],
        "holidays": "US-CA",
        "zone": "Europe/Paris",
    },
    "redial": {"max_attempts": 7, "delays": {"busy": ["PT15M", "P1D"], "voicemail": []}},
    "pace": {"max_concurrent": 3, "calls_per_second": 0.5, "weight": 2.5},
    "ring_timeout_s": 40,
    "max_call_s": 90,
    "answering_machine": "detect_async",
    "keep_open": True,
    "record": True,
}


@pytest.mark.parametrize(
    "settings",
    [{}, {"schedule": None, "calling_hours": None, "redial": None, "pace": None}, {"redial": {"delays": None}}],
    ids=repr,
)
def test_settings_that_say_nothing_mean_the_defaults(settings: dict[str, Any]) -> None:
    rules = rules_from_json(settings)
    assert rules == CampaignRules()
    assert rules.hours == WEEKDAYS_9_TO_20
    assert rules.answering_machine is AnsweringMachine.DETECT


def test_every_setting_is_read() -> None:
    rules = rules_from_json(FULL)
    assert rules.start_at == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert rules.end_at == datetime(2026, 11, 30, 17, tzinfo=UTC)
    assert rules.hours.windows == (Window(days=frozenset({0, 6}), start=22 * 60, end=2 * 60),)
    assert (rules.hours.holidays, rules.hours.zone) == ("US-CA", "Europe/Paris")
    assert rules.redial == RedialPolicy(
        max_attempts=7, delays={"busy": (timedelta(minutes=15), timedelta(days=1)), "voicemail": ()}
    )
    assert rules.pace == Pace(max_concurrent=3, calls_per_second=0.5, weight=2.5)
    assert (rules.ring_timeout_s, rules.max_call_s) == (40, 90)
    assert rules.answering_machine is AnsweringMachine.DETECT_ASYNC
    assert rules.keep_open
    assert rules.record


def test_a_part_that_is_left_out_takes_its_own_default_only() -> None:
    rules = rules_from_json({"pace": {"max_concurrent": 3}, "redial": {"delays": {"busy": []}}})
    assert rules.pace == Pace(max_concurrent=3)
    assert rules.redial == RedialPolicy(delays={"busy": ()})


@pytest.mark.parametrize(
    "settings",
    [
        {"answering_machine": "maybe"},
        {"redial": {"delays": {"busy": ["soon"]}}},
        {"schedule": {"end_at": "tomorrow"}},
        {"calling_hours": {"windows": [{"days": ["someday"], "start": "09:00", "end": "10:00"}]}},
        {"calling_hours": {"windows": [{"days": ["mon"], "start": "9", "end": "10:00"}]}},
    ],
    ids=repr,
)
def test_settings_that_the_api_did_not_write_are_refused_and_not_guessed(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="."):
        rules_from_json(settings)
