"""Never wrong: calling hours to the second, opt-outs, pauses, stops and edits."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.judging.evidence import Evidence
from tests.domain.judging.ledgers import (
    CAMPAIGN,
    MONDAY,
    NAMES,
    NEW_YORK,
    SETTINGS,
    WORKSPACE,
    Town,
    at,
    broken,
    changed,
    clean,
    verdict_on,
)

HOURS, OPTED_OUT, STOPPED = "inside_calling_hours", "no_dial_after_suppression", "no_dial_while_not_running"
ENTRY = uuid5(NAMES, "an entry")
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def seconds_of(local: str, zone: str = NEW_YORK) -> float:
    """A local time as seconds of the town's clock."""
    moment = datetime.fromisoformat(local)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))) - MONDAY).total_seconds()


def dialed(seconds: float, *, zone: str = NEW_YORK, settings: dict[str, Any] | None = None, **facts: Any) -> Evidence:
    """One call that the carrier accepted then, in a campaign that runs for a year."""
    town = Town({**SETTINGS, **(settings or {})})
    town.changes = [change for change in town.changes if change.subject != "campaign"]
    town.run("running", -400 * 86400)
    town.person("ann", zone)
    town.call("ann", seconds, **facts)
    town.run("completed", seconds + 1000)
    return town.evidence(now=seconds + 2000)


@pytest.mark.parametrize(
    ("local", "guilty"),
    [
        ("2026-03-02T08:59:59.999", True),
        ("2026-03-02T09:00:00", False),
        ("2026-03-02T19:59:59", False),
        ("2026-03-02T19:59:59.999", False),
        ("2026-03-02T20:00:00", True),
        ("2026-03-01T12:00:00", True),  # a Sunday
        ("2026-03-06T19:59:59", False),
        ("2026-03-07T10:00:00", True),  # a Saturday
    ],
)
def test_the_edges_of_the_calling_hours(local: str, guilty: bool) -> None:
    assert broken(dialed(seconds_of(local))) == ({HOURS} if guilty else set())


@pytest.mark.parametrize(
    ("local", "guilty"),
    [
        # Clocks are put forward at 02:00 on 8 March: 09:00 is 13:00 UTC, an hour sooner than the day before.
        ("2026-03-07T13:59:59+00:00", True),
        ("2026-03-07T14:00:00+00:00", False),
        ("2026-03-08T12:59:59+00:00", True),
        ("2026-03-08T13:00:00+00:00", False),
        ("2026-03-08T23:59:59+00:00", False),
        ("2026-03-09T00:00:00+00:00", True),
        # … and put back at 02:00 on 1 November.
        ("2026-10-31T13:00:00+00:00", False),
        ("2026-11-01T13:59:59+00:00", True),
        ("2026-11-01T14:00:00+00:00", False),
        ("2026-11-02T00:59:59+00:00", False),
        ("2026-11-02T01:00:00+00:00", True),
    ],
)
def test_the_edges_on_the_days_when_clocks_change(local: str, guilty: bool) -> None:
    hours = {"calling_hours": {"windows": [{"days": EVERY_DAY, "start": "09:00", "end": "20:00"}]}}
    assert broken(dialed(seconds_of(local), settings=hours)) == ({HOURS} if guilty else set())


def test_every_zone_that_the_person_may_be_in_counts() -> None:
    """Half past nine in New York is half past eight in Chicago."""
    both = f"America/Chicago|{NEW_YORK}"
    half_past_nine = seconds_of("2026-03-02T09:30:00")
    assert broken(dialed(half_past_nine, zone=both)) == {HOURS}
    assert broken(dialed(half_past_nine + 1800, zone=both)) == set()


def test_the_clock_of_the_campaign_counts_where_it_has_one() -> None:
    fixed = {
        "calling_hours": {"windows": [{"days": EVERY_DAY, "start": "09:00", "end": "20:00"}], "zone": "Asia/Tokyo"}
    }
    assert broken(dialed(0, settings=fixed, zone_set=None)) == {HOURS}
    assert broken(dialed(seconds_of("2026-03-02T12:00", "Asia/Tokyo"), settings=fixed, zone_set=None)) == set()


def test_a_holiday_is_convicted() -> None:
    hours = {
        "calling_hours": {"windows": [{"days": EVERY_DAY, "start": "09:00", "end": "20:00"}], "holidays": "US"},
    }
    assert broken(dialed(seconds_of("2026-07-03T12:00"), settings=hours)) == {HOURS}
    assert broken(dialed(seconds_of("2026-07-02T12:00"), settings=hours)) == set()


def test_the_hours_of_the_settings_that_the_call_was_claimed_under_count() -> None:
    """Wider hours that came later excuse nothing, narrower ones convict nobody."""
    early = {"calling_hours": {"windows": [{"days": EVERY_DAY, "start": "06:00", "end": "20:00"}]}}
    eight = seconds_of("2026-03-03T08:00")
    for before, after, guilty in (({}, early, True), (early, {}, False)):
        town = Town({**SETTINGS, **before})
        town.call("ann", eight)
        town.run("running", eight + 10, settings={**SETTINGS, **after})
        town.run("completed", eight + 20)
        assert broken(town.evidence(now=eight + 100)) == ({HOURS} if guilty else set())


def test_a_call_that_no_clock_let_through_is_convicted() -> None:
    assert broken(dialed(0, zone_set=None)) == {HOURS}


def test_a_recorded_zone_in_which_the_person_cannot_be_is_convicted() -> None:
    assert broken(dialed(0, zone_set="America/Chicago")) == {HOURS}
    assert broken(dialed(0, zone=f"America/Chicago|{NEW_YORK}", zone_set=NEW_YORK)) == set()


def test_a_time_cut_to_the_second_convicts_only_what_it_must_mean() -> None:
    """19:59:59 may be 19:59:59.9; 08:59:59 may be 09:00:00 already."""
    for local, guilty in (("2026-03-02T08:59:59", False), ("2026-03-02T08:59:58", True), ("2026-03-02T20:00:00", True)):
        coarse = changed(dialed(seconds_of(local)), "carrier", 0, resolution_s=1.0)
        assert broken(coarse) == ({HOURS} if guilty else set())


@given(minute=st.integers(0, 7 * 24 * 60 - 1), second=st.integers(0, 59))
def test_hours_are_found_broken_exactly_when_a_clock_in_the_town_says_so(minute: int, second: int) -> None:
    seconds = minute * 60 + second
    local = (MONDAY + timedelta(seconds=seconds)).astimezone(ZoneInfo(NEW_YORK))
    open_now = local.weekday() < 5 and 9 <= local.hour < 20
    assert (HOURS in broken(dialed(seconds))) is not open_now


# -- opt-outs ------------------------------------------------------------------------------------------------------


def opted_out(
    since: float,
    *,
    settled: float | None = None,
    lifted: float | None = None,
    campaign: UUID | None = None,
    phone: str | None = None,
    **facts: Any,
) -> Evidence:
    """A call accepted at 0 (let through at -0.1) to somebody with a do-not-call entry."""
    town = Town()
    town.person("ann")
    entry = {"phone": phone or town.people["ann"].phone, "campaign_id": None if campaign is None else str(campaign)}
    town.change("suppression", ENTRY, since, settled=settled, **entry)
    if lifted is not None:
        town.change("suppression", ENTRY, lifted)
    town.call("ann", 0, **facts)
    town.run("completed", 500)
    return town.evidence()


@pytest.mark.parametrize(
    ("name", "evidence", "guilty"),
    [
        ("let through while on the list", opted_out(-1), True),
        ("let through while on the campaign's list", opted_out(-1, campaign=CAMPAIGN), True),
        ("let through before, accepted once it was answered", opted_out(-0.05, settled=-0.01), True),
        ("accepted at the moment of the answer", opted_out(-0.05, settled=0), True),
        ("accepted just before the answer", opted_out(-0.05, settled=0.001), False),
        ("never answered: nobody was promised anything", opted_out(-0.05), False),
        ("let through at the very moment", opted_out(-0.1), False),
        ("lifted before", opted_out(-10, settled=-9, lifted=-1), False),
        ("another campaign's list", opted_out(-1, campaign=uuid5(NAMES, "another")), False),
        ("another phone", opted_out(-1, phone="+12125550199"), False),
        ("a phone forgotten by us, known to the carrier", opted_out(-1, to_phone="+12125550100"), True),
    ],
)
def test_opt_outs(name: str, evidence: Evidence, guilty: bool) -> None:
    assert (OPTED_OUT in broken(evidence)) is guilty


def test_a_phone_that_was_forgotten_is_read_from_the_carriers_record() -> None:
    assert OPTED_OUT in broken(changed(opted_out(-1), "calls", 0, to_phone=None, from_phone=None))


# -- pause, stop, edit, end -----------------------------------------------------------------------------------------


def around(*changes: tuple[str, float, float | None], **facts: Any) -> Evidence:
    """A call accepted at 0 (let through at -0.1) among changes of status."""
    town = Town()
    call = town.call("ann", 0, **facts)
    for status, seconds, settled in changes:
        town.run(status, seconds, settled=settled)
    assert call.gated_at == at(-0.1)
    town.run("completed", 500)
    return town.evidence()


@pytest.mark.parametrize(
    ("name", "evidence", "guilty"),
    [
        ("let through while paused", around(("paused", -1, None), ("running", 10, None)), True),
        ("let through while stopped", around(("stopped", -1, None)), True),
        ("let through before the launch", around(("draft", -1, None), ("running", 10, None)), True),
        ("accepted once the pause was answered", around(("paused", -0.05, -0.01), ("running", 10, None)), True),
        ("accepted at the moment of the answer", around(("paused", -0.05, 0), ("running", 10, None)), True),
        ("accepted just before the answer", around(("paused", -0.05, 0.001), ("running", 10, None)), False),
        ("the pause was answered with 202", around(("paused", -0.05, None), ("running", 10, None)), False),
        ("paused and resumed before", around(("paused", -5, -4), ("running", -1, None)), False),
        (
            "answered pause, then a stop that was not",
            around(("paused", -0.09, -0.05), ("stopped", -0.04, None)),
            True,
        ),
        ("paused after", around(("paused", 1, 2), ("running", 10, None)), False),
        ("let through by settings that were replaced", around(settings_version=2), True),
    ],
)
def test_pauses_and_stops(name: str, evidence: Evidence, guilty: bool) -> None:
    assert (STOPPED in broken(evidence)) is guilty


def test_a_call_let_through_after_a_resume_is_not_convicted_by_a_time_cut_to_the_second() -> None:
    """The carrier says a second in which the campaign was still paused, and means the end of it."""
    resumed = around(("paused", -3, -2), ("running", -0.5, None))
    assert STOPPED not in broken(changed(resumed, "carrier", 0, created_at=at(-0.9), resolution_s=1.0))
    paused = around(("paused", -0.05, -0.01), ("running", 10, None))
    assert STOPPED in broken(changed(paused, "carrier", 0, resolution_s=1.0))


def test_nobody_is_let_through_at_the_end_of_the_campaign() -> None:
    for end, guilty in ((-0.1, True), (-0.05, False)):
        settings = {"schedule": {"end_at": at(end).isoformat()}}
        assert broken(dialed(0, settings=settings)) == ({STOPPED} if guilty else set())


def test_a_call_hung_up_in_time_after_a_pause_is_late_and_no_violation() -> None:
    paused = around(("paused", -0.05, -0.01), ("running", 100, None))
    excused = changed(changed(paused, "calls", 0, late_at=at(4)), "prospects", 0, attempts=0)
    verdict = verdict_on(excused)
    assert STOPPED not in {violation.rule for violation in verdict.violations}
    assert len(verdict.late) == 1


def test_a_call_that_was_over_when_it_surfaced_after_a_pause_was_hung_up_by_nobody() -> None:
    paused = around(("paused", -0.05, -0.01), ("running", 100, None))
    rang = changed(changed(paused, "calls", 0, late_at=at(60)), "prospects", 0, attempts=0)
    verdict = verdict_on(rang)
    assert STOPPED in {violation.rule for violation in verdict.violations}
    assert verdict.late == ()


def test_many_pauses_are_looked_at_where_they_matter() -> None:
    town = Town()
    for number in range(200):
        town.run("paused", number * 10, settled=number * 10 + 0.5)
        town.run("running", number * 10 + 5)
        town.call(f"person {number}", number * 10 + 6, lasts=2)
    town.run("completed", 3000)
    evidence = town.evidence(now=4000)
    assert broken(evidence) == set()
    assert broken(changed(evidence, "calls", 150, gated_at=at(1504.9))) == {STOPPED}


def test_a_time_before_the_history_is_not_decidable() -> None:
    young = Town()
    young.changes = [change for change in young.changes if change.subject != "campaign"]
    young.call("ann", 0)
    young.run("completed", 10)
    result = next(each for each in verdict_on(young.evidence()).rules if each.rule == STOPPED)
    assert (result.checked, result.not_decidable) == (0, 1)


def test_the_town_of_these_tests_is_clean() -> None:
    assert broken(clean()) == broken(dialed(0)) == broken(around()) == broken(opted_out(1)) == set()
    assert clean().calls[0].workspace_id == WORKSPACE
    assert MONDAY.tzinfo is UTC
