from datetime import UTC, datetime, timedelta

import pytest

from dialer.domain.recurrence import recurrence_from_json
from dialer.domain.runs import RunOutcome, RunReason, judge_run
from dialer.domain.states import CampaignStatus

DUE = datetime(2027, 1, 4, 8, tzinfo=UTC)
DAILY = recurrence_from_json({"time_zone": "Europe/Rome", "recurrence": {"cron": ["0 9 * * *"], "catch_up": "PT1H"}})
SCHEDULED = CampaignStatus.SCHEDULED


def test_a_run_that_is_due_starts() -> None:
    assert judge_run(DUE, DUE, SCHEDULED, DAILY, None).outcome is RunOutcome.RUNNING


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CampaignStatus.RUNNING, RunReason.PREVIOUS_RUN),
        (CampaignStatus.PAUSED, RunReason.PAUSED),
        (CampaignStatus.DRAFT, RunReason.NOT_SCHEDULED),
        (CampaignStatus.COMPLETED, RunReason.NOT_SCHEDULED),
        (CampaignStatus.STOPPED, RunReason.NOT_SCHEDULED),
    ],
)
def test_only_a_campaign_that_waits_for_its_run_starts_one(status: CampaignStatus, reason: RunReason) -> None:
    verdict = judge_run(DUE, DUE, status, DAILY, None)
    assert (verdict.outcome, verdict.reason) == (RunOutcome.SKIPPED, reason)


def test_a_run_starts_late_until_it_is_too_late() -> None:
    hour = timedelta(hours=1)
    assert judge_run(DUE, DUE + hour, SCHEDULED, DAILY, None).outcome is RunOutcome.RUNNING
    late = judge_run(DUE, DUE + hour + timedelta(minutes=2), SCHEDULED, DAILY, None)
    assert (late.outcome, late.reason) == (RunOutcome.MISSED, RunReason.TOO_LATE)


def test_runs_that_were_missed_together_start_one() -> None:
    verdict = judge_run(DUE, DUE + timedelta(minutes=30), SCHEDULED, DAILY, DUE + timedelta(minutes=20))
    assert verdict.reason is RunReason.CAUGHT_UP
    before = judge_run(DUE, DUE, SCHEDULED, DAILY, DUE - timedelta(hours=5))
    assert before.outcome is RunOutcome.RUNNING


def test_a_run_is_not_begun_before_its_time() -> None:
    assert judge_run(DUE, DUE - timedelta(hours=1), SCHEDULED, DAILY, None).reason is RunReason.TOO_EARLY


def test_the_second_of_two_moments_with_one_local_time_starts_nothing() -> None:
    night = recurrence_from_json({"time_zone": "America/New_York", "recurrence": {"cron": ["30 1 * * *"]}})
    second = datetime(2027, 11, 7, 6, 30, tzinfo=UTC)
    assert judge_run(second, second, SCHEDULED, night, None).reason is RunReason.CLOCK_CHANGED
