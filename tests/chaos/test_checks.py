"""The harness's own checks convict a ledger that was doctored to break one promise, and no other."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.campaigns import ALL_DAY, Scenery
from tests.chaos.checks import violations
from tests.chaos.database import Look
from tests.chaos.figures import percentile, recoveries
from tests.chaos.journal import Journal
from tests.chaos.plan import Kind, make_plan

PLAN = make_plan(1)
START = datetime(2026, 12, 1, 12, tzinfo=UTC)
MAIN, SECOND = "main", "second"
SCENERY = Scenery(account_id="account", main=MAIN, second=SECOND, stored="stored", hours=ALL_DAY)
PHONE = "+12125550101"


def created(call_id: str | None, at_s: float, *, phone: str = PHONE, lasts_s: float = 1.0) -> dict[str, Any]:
    """A row of the carrier's ledger."""
    at = START + timedelta(seconds=at_s)
    ended = at + timedelta(seconds=lasts_s)
    stamps = {"created_at": at.isoformat(), "ended_at": ended.isoformat()}
    return {"sid": f"CA-{call_id}-{at_s}", "call_id": call_id, "to": phone, **stamps}


def call(call_id: str, **changed: Any) -> dict[str, Any]:
    """One of our calls."""
    return {"id": call_id, "campaign_id": MAIN, "state": "ended", "late_at": None, **changed}


def people(**changed: Any) -> list[dict[str, Any]]:
    """Everybody, of whom the first is as given."""
    usual = {"state": "reached", "attempts": 1}
    found = [{"id": f"m{i}", "campaign_id": MAIN, **usual} for i in range(PLAN.people.main)]
    found += [{"id": f"s{i}", "campaign_id": SECOND, **usual} for i in range(PLAN.people.second)]
    found[0] |= changed
    return found


def journal(*notes: tuple[float, str, Mapping[str, Any]]) -> Journal:
    kept = Journal()
    for at_s, what, facts in notes:
        kept.note(what, at=START.timestamp() + at_s, **facts)
    return kept


def judged(
    ledger: list[dict[str, Any]],
    *,
    notes: Journal | None = None,
    calls: list[dict[str, Any]] | None = None,
    prospects: list[dict[str, Any]] | None = None,
    stored: int = PLAN.people.stored,
) -> list[str]:
    known = [call("a"), call("b")] if calls is None else calls
    everybody = people() if prospects is None else prospects
    kinds = violations(PLAN, notes or Journal(), SCENERY, ledger, known, everybody, (stored, stored), 0.0)
    return [each.partition(":")[0] for each in kinds]


def answered(
    at: float, what: str, *, asked: float, campaign: str = MAIN, status: int = 200
) -> tuple[float, str, Mapping[str, Any]]:
    return at, f"{what} answered", {"campaign": campaign, "asked": START.timestamp() + asked, "status": status}


PAUSED = answered(10.0, "pause", asked=9.9)
OPTED_OUT = (10.0, "suppress answered", {"phone": PHONE, "status": 201})


def test_a_clean_run_is_acquitted() -> None:
    notes = journal(PAUSED, (20.0, "resume asked", {"campaign": MAIN}))
    assert judged([created("a", 1), created("b", 21)], notes=notes) == []


def test_a_call_created_twice_is_convicted() -> None:
    assert judged([created("a", 1), created("a", 5)]) == ["twice"]


def test_two_calls_to_one_phone_at_the_same_time_are_convicted() -> None:
    assert judged([created("a", 1, lasts_s=5), created("b", 3)]) == ["two at once"]


def test_a_carriers_call_that_is_none_of_ours_is_convicted() -> None:
    assert judged([created("c", 1), created(None, 5)]) == ["unknown", "unknown"]


def test_a_call_that_was_said_to_be_undialed_is_convicted_unless_it_was_seen_to_surface() -> None:
    assert judged([created("a", 1)], calls=[call("a", state="deferred")]) == ["denied"]
    assert judged([created("a", 1)], calls=[call("a", state="deferred", late_at=START)]) == []


def test_a_call_after_a_pause_that_was_answered_is_convicted() -> None:
    assert judged([created("a", 11)], notes=journal(PAUSED)) == ["after pause"]
    undecided = answered(10.0, "pause", asked=9.9, status=202)
    assert judged([created("a", 11)], notes=journal(undecided)) == []
    other = answered(10.0, "pause", asked=9.9, campaign=SECOND)
    assert judged([created("a", 11)], notes=journal(other)) == []


def test_a_pause_is_no_evidence_while_a_resume_is_under_way() -> None:
    asked, resumed = (9.0, "resume asked", {"campaign": MAIN}), answered(10.5, "resume", asked=9.0)
    assert judged([created("a", 11)], notes=journal(asked, PAUSED, resumed)) == []
    crossed = answered(10.6, "pause", asked=10.4)
    assert judged([created("a", 11)], notes=journal(asked, resumed, crossed)) == []
    later = answered(12.0, "pause", asked=10.6)
    assert judged([created("a", 13)], notes=journal(asked, PAUSED, resumed, later)) == ["after pause"]
    stopped = answered(10.0, "stop", asked=9.5)
    assert judged([created("a", 11)], notes=journal(asked, stopped, resumed)) == ["after pause"]


def test_a_call_after_an_opt_out_that_was_answered_is_convicted() -> None:
    assert judged([created("a", 11)], notes=journal(OPTED_OUT)) == ["after opting out"]
    assert judged([created("a", 9)], notes=journal(OPTED_OUT)) == []


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"state": "ready"}, "lost"), ({"state": "in_call"}, "lost"), ({"attempts": 9}, "too often")],
)
def test_somebody_who_was_forgotten_or_called_too_often_is_missed(wrong: dict[str, Any], kind: str) -> None:
    assert judged([], prospects=people(**wrong)) == [kind]


def test_people_who_are_gone_rows_that_were_not_read_and_calls_that_never_end_are_missed() -> None:
    assert judged([], prospects=people()[1:]) == ["lost"]
    assert judged([], stored=PLAN.people.stored - 1) == ["lost"]
    assert judged([], calls=[call("a", state="ringing")]) == ["leaked"]


def test_recovery_counts_only_the_time_in_which_somebody_was_due() -> None:
    kill = journal((0.0, Kind.KILL_WORKER, {"part": "worker"}))
    start = START.timestamp()
    looks = [Look(at=start + at, due=due) for at, due in ((-1, 5), (2, 0), (6, 3), (8, None), (9, 3))]
    found = recoveries(kill, looks, [start - 1, start + 10, start + 10.5])
    # Due until the look at 2 s, nobody until the one at 6 s, somebody from there to the call at 10 s.
    assert [each["first_s"] for each in found] == [6.0]
    assert [each["silence_s"] for each in found] == [6.0]


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) is None
