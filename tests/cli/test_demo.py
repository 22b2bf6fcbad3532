"""What the demonstration says about people who wait, and how it counts."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console

from dialer.demo.campaign import CALLING_HOURS, PROSPECTS
from dialer.demo.display import RateMeter, one_line, picture
from dialer.demo.waiting import Wait, waiting_table, waits
from dialer.domain.calling_hours import hours_from_json

HOURS = hours_from_json(CALLING_HOURS)
NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # Saturday: 18:30 in New York, 00:30 in Paris


def person(zones: list[str], *, state: str = "ready", due: str | None = None) -> dict[str, Any]:
    return {"time_zones": zones, "state": state, "next_due_at": due}


def test_people_outside_calling_hours_wait_until_they_open_where_they_are() -> None:
    counted = waits([person(["Europe/Paris"]), person(["Europe/Paris"])], HOURS, NOW)
    opens = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    assert counted == {Wait(opens, ("Europe/Paris",), "outside calling hours"): 2}
    assert _shown(waiting_table(counted)).count("Sun 09:00") == 1


def test_people_whose_redial_is_due_later_wait_for_it() -> None:
    due = "2026-11-22T00:10:00Z"
    (wait,) = waits([person(["America/New_York"], due=due)], HOURS, NOW)
    assert wait.why == "next attempt due then"
    assert wait.until == datetime(2026, 11, 22, 0, 10, tzinfo=UTC)


def test_people_of_unknown_zone_wait_for_somebody_to_tell_it() -> None:
    (wait,) = waits([person([], state="held")], HOURS, NOW)
    assert wait.until is None
    assert "not known" in _shown(waiting_table({wait: 1}))


def test_people_who_may_be_in_several_zones_wait_for_all_of_them() -> None:
    zones = ["America/New_York", "Europe/Paris"]
    (wait,) = waits([person(zones)], HOURS, NOW)
    assert wait.until == datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def test_the_soonest_group_comes_first_and_the_undecidable_last() -> None:
    groups = list(waits([person([], state="held"), person(["Europe/Paris"]), person(["Asia/Tokyo"])], HOURS, NOW))
    assert [group.zones for group in groups] == [("Asia/Tokyo",), ("Europe/Paris",), ()]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    assert meter.read(0.0, 0) == 0.0
    assert meter.read(1.0, 8) == 8.0
    assert meter.read(100.0, 8) == 0.0


def test_the_picture_shows_people_calls_and_dispositions() -> None:
    status = {
        "prospects_total": 300,
        "prospects_done": 75,
        "calls_in_flight": 12,
        "calls_total": 140,
        "waiting_for": "open calling hours",
        "next_call_at": "2026-11-22T08:00:00Z",
    }
    shown = _shown(
        picture(status, {"dispositions": {"busy": 4, "no_answer": 9}}, rate=7.5, max_concurrent=25, seconds=20)
    )
    for expected in ("75 of 300", "12 of at most 25", "7.5 per second", "no answer", "the next call at 08:00:00 UTC"):
        assert expected in shown
    assert shown.index("no answer") < shown.index("busy")
    assert one_line(status).startswith("75 of 300 people done")


def test_the_bundled_file_is_there() -> None:
    assert len(PROSPECTS.read_text().splitlines()) == 301


def _shown(what: Any) -> str:
    console = Console(width=120, file=StringIO())
    with console.capture() as captured:
        console.print(what)
    return captured.get()
