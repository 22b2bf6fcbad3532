"""People who ring back: who they are, how their calls ended, and whether they are called again."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.inbound import (
    InboundRules,
    Match,
    RedialAfterInbound,
    disposition_of_inbound,
    inbound_from_json,
    redial_is_off,
    who_rings,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CANCEL, KEEP = InboundRules(), InboundRules(redial=RedialAfterInbound.KEEP)


def match(*, called: float | None = None, joined: float | None = None, running: bool = False) -> Match:
    return Match(
        campaign_id=uuid4(),
        prospect_id=uuid4(),
        agent_id=uuid4(),
        called_at=None if called is None else NOON + timedelta(hours=called),
        joined_at=None if joined is None else NOON + timedelta(hours=joined),
        running=running,
    )


def test_who_rings_back_is_who_was_called_last_from_that_number() -> None:
    earlier, later = match(called=-2, running=True), match(called=-1)
    assert who_rings([earlier, match(joined=5, running=True), later]) is later


def test_who_was_never_called_is_looked_for_in_running_campaigns_first() -> None:
    stopped, running, newer = match(joined=3), match(joined=1, running=True), match(joined=2, running=True)
    assert who_rings([stopped, running, newer]) is newer
    assert who_rings([stopped]) is stopped
    assert who_rings([]) is None


@pytest.mark.parametrize(
    ("status", "seconds", "answered", "has_agent", "expected"),
    [
        (CarrierStatus.COMPLETED, 20, True, True, Disposition.HUMAN),
        (CarrierStatus.COMPLETED, None, True, True, Disposition.HUMAN),
        (CarrierStatus.COMPLETED, 5, True, True, Disposition.SHORT_HANGUP),
        (CarrierStatus.COMPLETED, 20, True, False, Disposition.ABANDONED),
        (CarrierStatus.COMPLETED, 0, False, True, Disposition.NO_ANSWER),
        (CarrierStatus.CANCELED, None, True, True, Disposition.CANCELED),
        (CarrierStatus.FAILED, None, True, True, Disposition.PROVIDER_ERROR),
    ],
)
def test_a_call_that_came_in_ends_in_the_words_for_calls_that_we_make(
    status: CarrierStatus, seconds: int | None, answered: bool, has_agent: bool, expected: Disposition
) -> None:
    assert disposition_of_inbound(status, seconds, answered=answered, has_agent=has_agent) is expected


@pytest.mark.parametrize(
    ("rules", "disposition", "outcome", "expected"),
    [
        (CANCEL, Disposition.HUMAN, None, True),
        (CANCEL, Disposition.HUMAN, Outcome.INCOMPLETE, True),
        (CANCEL, Disposition.SHORT_HANGUP, None, False),
        (CANCEL, Disposition.ABANDONED, None, False),
        (KEEP, Disposition.HUMAN, None, False),
        (KEEP, Disposition.HUMAN, Outcome.GOAL, True),
        (CANCEL, Disposition.HUMAN, Outcome.WRONG_NUMBER, False),
        (CANCEL, Disposition.HUMAN, Outcome.DNC_REQUESTED, False),
    ],
)
def test_a_redial_is_off_for_whoever_has_talked_unless_it_is_kept(
    rules: InboundRules, disposition: Disposition, outcome: Outcome | None, expected: bool
) -> None:
    assert redial_is_off(rules, disposition, outcome) is expected


def test_settings_from_before_there_were_inbound_calls_cancel() -> None:
    assert inbound_from_json(None) == CANCEL
    assert inbound_from_json({"redial": "keep"}) == KEEP
