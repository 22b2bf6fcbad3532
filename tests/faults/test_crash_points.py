"""The moments that people ask about, by name. The explorations beside this file try all the others as well."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from dialer.domain.timing import Timing
from tests.faults.clocks import TestClock
from tests.faults.doors import CARRIER, COMMIT, TEMPORAL, Door, Doors, Fault
from tests.faults.exploring import Explorer, explorer
from tests.faults.scenarios import HUMAN, SCENARIOS, Scenario

ANSWERS = SCENARIOS[0]
LAST = 4
"""Four reports tell of a call that is answered: ringing, answered, what to say, completed."""


def after(what: str, where: str = "", nth: int = 1) -> Door:
    return Door(where=where, what=what, after=True, nth=nth)


AFTER_THE_CLAIM = after(COMMIT, "DispatchActivities._step")
AFTER_THE_START = after(f"{TEMPORAL} start_calls")
AFTER_THE_GATE = after(COMMIT, "DialActivities.place_call")
BEFORE_THE_GATE = replace(AFTER_THE_GATE, after=False)
AFTER_THE_POST = after(f"{CARRIER} place")
AFTER_SAVING = after(COMMIT, "DialActivities._save")
BEFORE_SAVING = replace(AFTER_SAVING, after=False)
AFTER_THE_LAST_REPORT = after(COMMIT, "_in_its_workspace", LAST)
BEFORE_THE_LAST_REPORT = replace(AFTER_THE_LAST_REPORT, after=False)
BEFORE_THE_SIGNAL = Door(where="", what=f"{TEMPORAL} call_ended", after=False, nth=1)


@pytest.fixture
async def its(module_database_url: str, clock: TestClock) -> AsyncIterator[Explorer]:
    async with explorer(module_database_url, clock, set()) as built:
        yield built


async def attempts_after(
    its: Explorer, door: Door, fault: Fault = Fault.KILL, *, scenario: Scenario = ANSWERS, redelivers: bool = True
) -> list[tuple[Any, ...]]:
    """The prospect's calls, in order: state, disposition or reason, and whether the carrier ever knew of it.

    All promises are kept, and the person was reached.
    """
    doors = Doors(at=door, fault=fault)
    async with its.site(scenario, doors, redelivers=redelivers) as site:
        await scenario.play(site)
        assert doors.happened
        assert await its.broken_at(site, scenario) == []
        people = await site.world.read("SELECT state FROM prospects WHERE campaign_id = :c")
        assert [person.state for person in people] == ["reached"]
        dialed = {call.call_id for call in its.town.ledger()}
        calls = await site.world.read("SELECT * FROM calls WHERE campaign_id = :c ORDER BY id")
        return [(call.state, call.disposition or call.deferred_reason, str(call.id) in dialed) for call in calls]


REACHED = ("ended", "human", True)


async def test_a_worker_killed_after_its_claim_leaves_a_claim_that_expires(its: Explorer) -> None:
    assert await attempts_after(its, AFTER_THE_CLAIM) == [("deferred", "claim_expired", False), REACHED]


async def test_a_worker_killed_after_starting_a_call_leaves_one_that_is_dialed(its: Explorer) -> None:
    assert await attempts_after(its, AFTER_THE_START) == [REACHED]


async def test_a_worker_killed_before_its_gate_is_committed_has_dialed_nobody(its: Explorer) -> None:
    calls = await attempts_after(its, BEFORE_THE_GATE)
    assert [(state, dialed) for state, _, dialed in calls] == [("deferred", False), ("ended", True)]


async def test_a_worker_killed_after_its_gate_leaves_a_call_that_ends_unknown_and_counts(its: Explorer) -> None:
    assert await attempts_after(its, AFTER_THE_GATE) == [("ended", "unknown", False), REACHED]


@pytest.mark.parametrize("door", [AFTER_THE_POST, BEFORE_SAVING, AFTER_SAVING], ids=str)
async def test_a_worker_killed_once_the_carrier_has_the_call_does_not_dial_again(its: Explorer, door: Door) -> None:
    assert await attempts_after(its, door) == [REACHED]


@pytest.mark.parametrize("redelivers", [True, False], ids=["sent again", "never sent again"])
@pytest.mark.parametrize("door", [BEFORE_THE_LAST_REPORT, AFTER_THE_LAST_REPORT], ids=str)
async def test_an_api_killed_around_the_commit_of_the_last_report_loses_no_end(
    its: Explorer, door: Door, redelivers: bool
) -> None:
    assert await attempts_after(its, door, redelivers=redelivers) == [REACHED]


async def test_an_api_killed_after_the_commit_and_before_the_signal_leaves_a_workflow_that_looks_for_itself(
    its: Explorer,
) -> None:
    assert await attempts_after(its, BEFORE_THE_SIGNAL) == [REACHED]


async def test_a_gate_whose_commit_was_not_confirmed_counts_as_not_passed(its: Explorer) -> None:
    calls = await attempts_after(its, AFTER_THE_GATE, Fault.UNCONFIRMED)
    assert calls == [("ended", "unknown", False), REACHED], "nothing is dialed through a gate that may not have passed"


async def test_a_gate_whose_connection_is_lost_before_its_commit_has_not_passed(its: Explorer) -> None:
    calls = await attempts_after(its, BEFORE_THE_GATE, Fault.DROP)
    assert [(state, dialed) for state, _, dialed in calls] == [("deferred", False), ("ended", True)]


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.UNCONFIRMED])
async def test_an_acceptance_that_could_not_be_saved_at_first_is_saved(its: Explorer, fault: Fault) -> None:
    door = BEFORE_SAVING if fault is Fault.DROP else AFTER_SAVING
    assert await attempts_after(its, door, fault) == [REACHED]


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.UNCONFIRMED])
async def test_a_last_report_that_could_not_be_saved_is_asked_for(its: Explorer, fault: Fault) -> None:
    door = BEFORE_THE_LAST_REPORT if fault is Fault.DROP else AFTER_THE_LAST_REPORT
    assert await attempts_after(its, door, fault, redelivers=False) == [REACHED]


async def test_a_claim_whose_commit_was_not_confirmed_is_claimed_once(its: Explorer) -> None:
    calls = await attempts_after(its, AFTER_THE_CLAIM, Fault.UNCONFIRMED)
    assert calls == [("deferred", "claim_expired", False), REACHED]


async def test_a_killed_workers_slot_is_free_again_before_the_next_sweep_but_one(its: Explorer) -> None:
    """One slot, and two people: the second is called although the first one's worker has died."""
    scenario = replace(
        ANSWERS,
        phones=((HUMAN,), (HUMAN,)),
        settings={"pace": {"max_concurrent": 1, "calls_per_second": 1000}},
    )
    doors = Doors(at=AFTER_THE_CLAIM, fault=Fault.KILL)
    async with its.site(scenario, doors) as site:
        await scenario.play(site)
        assert await its.broken_at(site, scenario) == []
        assert len(its.town.ledger()) == 2
        (first,) = await site.world.read("SELECT * FROM calls WHERE campaign_id = :c AND state = 'deferred'")
    assert first.deferred_reason == "claim_expired"
    assert (first.ended_at - first.claimed_at).total_seconds() >= Timing().claim_expiry_s
