"""Never lost: prospects, attempts and redials that the judge must convict, and those that it must not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.dispositions import Disposition
from dialer.domain.judging.evidence import Evidence
from dialer.domain.states import CallState, CampaignStatus, ProspectState
from tests.domain.judging.ledgers import SETTINGS, Town, at, broken, changed, clean, verdict_on

Doctor = Callable[[Evidence], Evidence]
LIVE = {"state": CallState.RINGING, "disposition": None, "ended_at": None, "deadline_at": at(700)}


def over(evidence: Evidence, status: CampaignStatus, completed_at: float) -> Evidence:
    return changed(evidence, "campaigns", 0, status=status, completed_at=at(completed_at))


def in_call(evidence: Evidence) -> Evidence:
    """Ian is in a call, and his campaign runs."""
    talking = changed(changed(evidence, "calls", 10, **LIVE), "carrier", 7, ended_at=None)
    talking = changed(talking, "prospects", 8, state=ProspectState.IN_CALL, attempts=0)
    return changed(talking, "campaigns", 0, status=CampaignStatus.RUNNING, completed_at=None)


def ready(evidence: Evidence, index: int = 7, **facts: Any) -> Evidence:
    """Hal, who was never called, is ready."""
    return changed(evidence, "prospects", index, **{"state": ProspectState.READY, "next_due_at": at(700), **facts})


CONVICTED: dict[str, tuple[str, Doctor]] = {
    "ready and due at no time": ("prospects_not_lost", lambda e: ready(e, next_due_at=None)),
    "in a call that is over": (
        "prospects_not_lost",
        lambda e: changed(e, "prospects", 8, state=ProspectState.IN_CALL),
    ),
    "in a call without any": ("prospects_not_lost", lambda e: changed(e, "prospects", 7, state=ProspectState.IN_CALL)),
    "in a call whose detection result nobody waits for any more": (
        "prospects_not_lost",
        lambda e: changed(in_call(e), "calls", 10, state=CallState.ENDED, ended_at=at(415), amd_due_at=at(539)),
    ),
    "ready since before the campaign completed": ("prospects_not_lost", ready),
    "made ready by a call that ended after completion": (
        "prospects_not_lost",
        lambda e: ready(over(e, CampaignStatus.COMPLETED, 412), 8, updated_at=at(590)),
    ),
    "in a call of a completed campaign": (
        "prospects_not_lost",
        lambda e: over(in_call(e), CampaignStatus.COMPLETED, 500),
    ),
    "ready long after the stop": (
        "prospects_not_lost",
        lambda e: ready(over(e, CampaignStatus.STOPPED, 539), updated_at=at(599)),
    ),
    "one attempt too few is counted": ("attempts_within_policy", lambda e: changed(e, "prospects", 0, attempts=1)),
    "one attempt too many is counted": ("attempts_within_policy", lambda e: changed(e, "prospects", 0, attempts=3)),
    "a call that ended unknown is not counted": (
        "attempts_within_policy",
        lambda e: changed(e, "prospects", 2, attempts=1),
    ),
    "a refused call is counted": ("attempts_within_policy", lambda e: changed(e, "prospects", 4, attempts=1)),
    "claimed before the time that the call before set": (
        "redial_delays_respected",
        lambda e: changed(e, "calls", 7, claimed_at=at(65.4)),
    ),
    "dialed before the delay, and the time that was set forged": (
        "redial_delays_respected",
        lambda e: changed(changed(e, "carrier", 4, created_at=at(64.9)), "calls", 0, next_due_at=at(50)),
    ),
    "somebody reached is called again": (
        "redial_delays_respected",
        lambda e: changed(changed(e, "calls", 0, disposition=Disposition.HUMAN), "calls", 0, next_due_at=None),
    ),
    "a busy person is called on another phone before the delay": (
        "redial_delays_respected",
        lambda e: changed(
            changed(changed(e, "carrier", 4, created_at=at(64.9)), "calls", 0, next_due_at=at(50)),
            "calls",
            7,
            to_phone="+12125550177",
        ),
    ),
    "a blocked phone is called again": (
        "redial_delays_respected",
        lambda e: changed(e, "calls", 5, prospect_id=e.prospects[4].id, to_phone=e.prospects[4].phone),
    ),
}

ACQUITTED: dict[str, tuple[str, Doctor]] = {
    "in a live call": ("prospects_not_lost", in_call),
    "in a call that waits for its detection result": (
        "prospects_not_lost",
        lambda e: changed(
            changed(changed(e, "prospects", 8, state=ProspectState.IN_CALL), "calls", 10, amd_due_at=at(601)),
            "campaigns",
            0,
            status=CampaignStatus.RUNNING,
            completed_at=None,
        ),
    ),
    "added to a completed campaign": ("prospects_not_lost", lambda e: ready(e, updated_at=at(550))),
    "ready a moment after the stop": (
        "prospects_not_lost",
        lambda e: ready(over(e, CampaignStatus.STOPPED, 541), updated_at=at(541)),
    ),
    "in a call of a stopped campaign that ends by itself": (
        "prospects_not_lost",
        lambda e: over(in_call(e), CampaignStatus.STOPPED, 500),
    ),
    "claimed exactly when it was due": (
        "redial_delays_respected",
        lambda e: changed(e, "calls", 7, claimed_at=at(65.5)),
    ),
    "dialed exactly at the delay": (
        "redial_delays_respected",
        lambda e: changed(changed(e, "carrier", 4, created_at=at(65)), "calls", 0, next_due_at=at(50)),
    ),
    "a busy person who is called on another phone after the delay": (
        "redial_delays_respected",
        lambda e: changed(e, "calls", 7, to_phone="+12125550177"),
    ),
    "an invalid phone that was corrected": (
        "redial_delays_respected",
        lambda e: changed(e, "calls", 5, prospect_id=e.prospects[4].id, to_phone="+12125550177"),
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


def busy_line(attempts: int, most: int, *, delays: int = 9) -> Evidence:
    """One person who is busy again and again."""
    policy = {"max_attempts": most, "delays": {"busy": ["PT10S"] * delays}}
    town = Town({**SETTINGS, "redial": policy})
    for attempt in range(attempts):
        again = attempt < attempts - 1
        then = ProspectState.READY if again else ProspectState.EXHAUSTED
        town.call("ann", attempt * 20, Disposition.BUSY, then=then, due=attempt * 20 + 15.5 if again else None)
    town.run("completed", 500)
    return town.evidence()


def test_as_many_attempts_as_the_policy_allows_are_no_violation() -> None:
    assert broken(busy_line(3, most=3)) == set()


def test_one_attempt_more_than_the_policy_allows_is_convicted() -> None:
    assert broken(busy_line(4, most=3)) == {"attempts_within_policy", "redial_delays_respected"}


def test_one_redial_more_than_the_disposition_has_delays_is_convicted() -> None:
    assert broken(busy_line(3, most=9, delays=2)) == set()
    assert broken(busy_line(4, most=9, delays=2)) == {"redial_delays_respected"}


def test_each_attempt_is_measured_by_the_settings_that_it_was_claimed_under() -> None:
    """The limit is lowered after the third attempt, which was allowed."""
    town = Town({**SETTINGS, "redial": {"max_attempts": 3, "delays": {"busy": ["PT10S"] * 9}}})
    for attempt in range(3):
        again = attempt < 2
        then = ProspectState.READY if again else ProspectState.EXHAUSTED
        town.call("ann", attempt * 20, Disposition.BUSY, then=then, due=attempt * 20 + 15.5 if again else None)
    town.run("running", 100, settings={**SETTINGS, "redial": {"max_attempts": 1, "delays": {}}})
    town.run("completed", 500)
    assert broken(town.evidence()) == set()


def test_a_delay_that_was_shortened_before_the_redial_counts_from_then_on() -> None:
    """Decided by whichever settings were in force between the end and the next claim."""
    for changed_at, guilty in ((30.0, False), (90.0, True)):
        town = Town({**SETTINGS, "redial": {"max_attempts": 3, "delays": {"busy": ["PT5M"]}}})
        town.call("ann", 0, Disposition.BUSY, then=ProspectState.READY)
        shorter = {**SETTINGS, "redial": {"max_attempts": 3, "delays": {"busy": ["PT1M"]}}}
        if not guilty:
            town.run("running", changed_at, settings=shorter)
        town.call("ann", 66, Disposition.HUMAN)
        if guilty:
            town.run("running", changed_at, settings=shorter)
        town.run("completed", 500)
        assert ("redial_delays_respected" in broken(town.evidence())) is guilty


def test_settings_that_no_history_holds_are_not_decidable() -> None:
    evidence = busy_line(2, most=3)
    older = replace(evidence, calls=tuple(replace(call, settings_version=0) for call in evidence.calls))
    result = next(each for each in verdict_on(older).rules if each.rule == "attempts_within_policy")
    assert (result.violations, result.not_decidable) == ((), 2)


@given(delay=st.integers(1, 3600), early=st.floats(-5, 5).filter(lambda s: s == 0 or abs(s) > 0.001))
def test_a_redial_is_convicted_exactly_when_it_comes_before_the_delay(delay: int, early: float) -> None:
    town = Town({**SETTINGS, "redial": {"max_attempts": 3, "delays": {"busy": [f"PT{delay}S"]}}})
    town.call("ann", 0, Disposition.BUSY, lasts=5, then=ProspectState.READY)
    town.call("ann", 5 + delay - early, Disposition.HUMAN)
    town.run("completed", 5000)
    assert ("redial_delays_respected" in broken(town.evidence(now=6000))) is (early > 0)
