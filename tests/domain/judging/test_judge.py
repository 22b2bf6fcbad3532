"""The judge as a whole: it acquits the clean, names what it could not look at, and tells no phone number."""

import json
import time
from dataclasses import asdict, replace
from uuid import uuid4

import pytest

from dialer.domain.judging.evidence import Evidence
from dialer.domain.judging.judge import CARRIER_RULES, ROW_RULES, RULES, SHARED_RULES, CannotJudge, judge
from dialer.domain.judging.verdicts import Violation
from tests.domain.judging.ledgers import CALLER, CAMPAIGN, Town, at, changed, clean, verdict_on


def test_a_clean_ledger_is_acquitted_and_every_rule_had_something_to_look_at() -> None:
    verdict = verdict_on(clean())
    assert verdict.violations == ()
    assert verdict.clean
    unchecked = {result.rule for result in verdict.rules if not result.checked}
    assert unchecked == {"inbound_calls_known", "ringing_back_respected"}  # nobody rings back in it
    assert [result.rule for result in verdict.rules if result.not_decidable] == []


def test_every_rule_is_listed_once() -> None:
    assert len(RULES) == len(set(RULES))
    assert set(RULES) == CARRIER_RULES.keys() | SHARED_RULES.keys() | ROW_RULES.keys()


def test_what_was_judged_is_counted() -> None:
    counts = verdict_on(clean()).counts
    assert (counts.calls, counts.carrier_calls) == (11, 8)
    assert (counts.unknown, counts.unknown_at_carrier, counts.deferred, counts.late) == (2, 1, 1, 1)
    assert counts.prospects == {"reached": 5, "exhausted": 1, "invalid": 1, "suppressed": 1, "held": 1}


def test_a_call_hung_up_soon_after_it_surfaced_is_listed_as_late() -> None:
    (late,) = verdict_on(clean()).late
    assert (late.surfaced_at, late.ended_at) == (at(110), at(111))


def test_without_the_carriers_log_nothing_is_silently_green() -> None:
    verdict = verdict_on(replace(clean(), carrier=None))
    assert verdict.violations == ()
    assert not verdict.clean
    assert set(verdict.not_judged) == set(CARRIER_RULES)
    assert {result.rule for result in verdict.rules if result.rows_only} == set(SHARED_RULES)


def test_without_history_nothing_is_silently_green() -> None:
    """Settings that are still in force are known without it; limits and the times of a pause are not."""
    verdict = verdict_on(replace(clean(), changes=()))
    undecided = {result.rule for result in verdict.rules if result.not_decidable}
    assert verdict.violations == ()
    assert {"concurrency_caps_held", "calls_per_second_held", "no_dial_while_not_running"} <= undecided


def test_an_empty_log_of_calls_that_were_made_is_no_evidence() -> None:
    with pytest.raises(CannotJudge, match="empty"):
        judge(replace(clean(), carrier=()))


def test_calls_from_the_future_mean_another_clock() -> None:
    with pytest.raises(CannotJudge, match="DIALER_CLOCK"):
        judge(replace(clean(), now=at(-10_000)))


def test_a_verdict_on_one_campaign_is_silent_about_the_others() -> None:
    twice = changed(clean(), "carrier", 0, carrier_call_id="CA" + "e" * 32)
    whole = replace(twice, carrier=(*twice.carrier, clean().carrier[0]))  # type: ignore[misc]
    assert {violation.rule for violation in verdict_on(whole).violations} >= {"one_carrier_call_per_call"}
    elsewhere = replace(whole, judged=frozenset({uuid4()}))
    assert "one_carrier_call_per_call" not in {violation.rule for violation in verdict_on(elsewhere).violations}
    assert {violation.rule for violation in verdict_on(replace(whole, judged=frozenset({CAMPAIGN}))).violations} >= {
        "one_carrier_call_per_call"
    }


def test_no_phone_number_is_told() -> None:
    everything = replace(clean(), changes=tuple(change for change in clean().changes if change.subject != "campaign"))
    doctored = changed(everything, "carrier", 1, to="+12125550199", from_="+16505550199", status="completed")
    doctored = changed(doctored, "carrier", 2, call_id=None, carrier_call_id="CA" + "d" * 32)
    violations: tuple[Violation, ...] = verdict_on(doctored).violations
    told = json.dumps([asdict(violation) for violation in violations], default=str)
    assert violations
    phones = {CALLER, *(person.phone for person in doctored.prospects), "+12125550199", "+16505550199"}
    assert not [phone for phone in phones if phone.removeprefix("+") in told]


def test_a_repr_of_the_evidence_holds_no_phone_number() -> None:
    assert "555" not in repr(clean().calls) + repr(clean().carrier) + repr(clean().prospects) + repr(clean().numbers)


def big_town(calls: int) -> Evidence:
    """One person after the other, 20 a second, each talking for two seconds."""
    pace = {"max_concurrent": 60, "calls_per_second": 20}
    town = Town({"pace": pace})
    for number in range(calls):
        town.call(f"person {number}", number / 20, lasts=2.0)
    town.run("completed", calls / 20 + 10)
    return town.evidence(now=calls / 20 + 100)


def test_twenty_times_the_calls_take_not_much_more_than_twenty_times_as_long() -> None:
    """Nothing compares every call with every other."""
    seconds: list[float] = []
    for evidence in (big_town(1_000), big_town(20_000)):
        began = time.process_time()
        verdict = judge(evidence)
        seconds.append(time.process_time() - began)
        assert verdict.violations == ()
    assert seconds[1] < 60 * seconds[0]
