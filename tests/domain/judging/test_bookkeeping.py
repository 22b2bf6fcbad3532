"""Counts that are wrong are convicted, whatever they count."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dialer.domain.dispositions import Outcome
from dialer.domain.judging.evidence import Evidence
from dialer.domain.states import ImportStatus, ProspectState
from tests.domain.judging.ledgers import broken, changed, clean, verdict_on

TALLIES, IMPORTS = "tallies_equal_counts", "imports_add_up"


def tallied(evidence: Evidence, key: tuple[str, str], n: int) -> Evidence:
    return changed(evidence, "campaigns", 0, tallies={**evidence.campaigns[0].tallies, key: Decimal(n)})


@pytest.mark.parametrize("key", clean().campaigns[0].tallies)
def test_a_tally_that_is_one_off_is_convicted(key: tuple[str, str]) -> None:
    right = int(clean().campaigns[0].tallies[key])
    assert broken(tallied(clean(), key, right + 1)) == {TALLIES}
    assert broken(tallied(clean(), key, right - 1)) == {TALLIES}


def test_a_tally_of_nothing_is_convicted_and_a_zero_is_not() -> None:
    assert broken(tallied(clean(), ("state", "expired"), 1)) == {TALLIES}
    assert broken(tallied(clean(), ("state", "expired"), 0)) == set()


@pytest.mark.parametrize(
    "facts", [{"talk_seconds": 7}, {"cost": Decimal("0.013")}, {"outcome": Outcome.GOAL}], ids=lambda facts: str(facts)
)
def test_what_a_call_adds_and_no_tally_has_is_convicted(facts: dict[str, Any]) -> None:
    assert broken(changed(clean(), "calls", 10, **facts)) == {TALLIES}


def test_a_prospect_that_moved_without_its_tally_is_convicted() -> None:
    assert broken(changed(clean(), "prospects", 7, state=ProspectState.EXPIRED)) == {TALLIES}


CONVICTED: dict[str, Callable[[Evidence], Evidence]] = {
    "a row that was read and nowhere counted": lambda e: changed(e, "imports", 0, rows_read=e.imports[0].rows_read + 1),
    "a row that is counted twice": lambda e: changed(e, "imports", 0, updated=1),
    "completed before the end of the file": lambda e: changed(e, "imports", 0, rows_total=99),
    "one row that became two people": lambda e: changed(e, "prospects", 1, import_row=1),
    "more people than it created": lambda e: changed(e, "imports", 0, created=8, updated=1),
    "nobody of those whom it created": lambda e: replace(
        e, prospects=tuple(replace(person, import_id=None) for person in e.prospects)
    ),
}


@pytest.mark.parametrize("name", CONVICTED)
def test_an_import_that_does_not_add_up_is_convicted(name: str) -> None:
    assert IMPORTS in broken(CONVICTED[name](clean()))


def test_an_import_that_still_runs_need_not_have_read_everything() -> None:
    assert IMPORTS not in broken(changed(clean(), "imports", 0, status=ImportStatus.RUNNING, rows_total=99))


def test_one_person_less_than_created_was_lost_unless_somebody_may_have_been_deleted() -> None:
    without = changed(clean(), "prospects", 7, import_id=None)
    result = next(each for each in verdict_on(without).rules if each.rule == IMPORTS)
    assert (result.violations, result.not_decidable) == ((), 1)
    assert IMPORTS in broken(without, deletions=False)
