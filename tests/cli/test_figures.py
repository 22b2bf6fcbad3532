"""``dialer campaign list`` and ``stats``: what they ask the API, and what they show of its answers."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from dialer.cli.entry import app
from tests.cli.answers import answering

SPRING: dict[str, Any] = {"id": "0199a1b2-0000-7000-8000-000000000001", "slug": "spring", "name": "Spring [bold] sale"}
CAMPAIGNS: list[dict[str, Any]] = [
    {**SPRING, "status": "paused", "paused_reason": "user"},
    {**SPRING, "id": SPRING["id"][:-1] + "2", "slug": None, "status": "draft", "paused_reason": None},
]
STATS: dict[str, Any] = {
    "prospects_total": 1500,
    "prospects": {"ready": 1200, "reached": 237, "in_call": 63},
    "calls_total": 1410,
    "dispositions": {"busy": 4, "no_answer": 9},
    "outcomes": {"not_interested": 3},
    "attempts": {"1": 1000, "2": 205},
    "answered": 353,
    "answer_rate": 0.25,
    "talk_seconds": 5400,
    "cost": "12.34",
    "inbound": 2,
    "hours": [],
    "series": None,
}
NOTHING: dict[str, Any] = {**STATS, "prospects_total": 0, "prospects": {}, "calls_total": 0, "dispositions": {}}
BUSY: dict[str, Any] = {
    "disposition": "busy",
    "group": "no_answer",
    "calls": 4,
    "share": 0.0125,
    "attempts": {"1": 3, "2": 1},
    "numbers": [{"phone_number_id": None, "phone": "+16505550150", "calls": 4}],
    "sip_codes": {"486": 4},
    "error_codes": {},
    "by": "hour",
    "time_zone": "UTC",
    "steps": [],
}


def run(monkeypatch: pytest.MonkeyPatch, answers: list[Any], *command: str) -> tuple[str, list[str]]:
    """What the command prints, and which paths it asks for."""
    monkeypatch.setenv("COLUMNS", "160")
    with answering([(200, json.dumps(answer)) for answer in answers]) as (url, asked):
        monkeypatch.setenv("DIALER_API_URL", url)
        monkeypatch.setenv("DIALER_API_KEY", "k")
        result = CliRunner().invoke(app, ["campaign", *command])
    assert result.exit_code == 0, result.output
    return result.stdout, [path.removeprefix("/api/v1") for path, _ in asked]


def test_campaigns_are_listed_with_their_people_and_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"items": CAMPAIGNS}, STATS, NOTHING]
    shown, asked = run(monkeypatch, answers, "list", "--search", "spring", "--limit", "2")
    assert asked == ["/campaigns?limit=2&search=spring", *(f"/campaigns/{each['id']}/stats" for each in CAMPAIGNS)]
    header, first, second = shown.splitlines()
    assert header.split() == ["campaign", "name", "status", "people", "called", "reached"]
    assert first.split() == ["spring", "Spring", "[bold]", "sale", "paused", "(user)", "1,500", "1,410", "237"]
    assert second.split() == [CAMPAIGNS[1]["id"], "Spring", "[bold]", "sale", "draft", "0", "0", "0"]


def test_a_list_without_campaigns_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, asked = run(monkeypatch, [{"items": []}], "list", "--status", "running")
    assert (shown, asked) == ("no campaigns\n", ["/campaigns?limit=20&status=running"])


def test_a_list_for_programs_has_each_campaign_with_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, _ = run(monkeypatch, [{"items": CAMPAIGNS[:1]}, STATS], "list", "--json")
    assert json.loads(shown) == [{**CAMPAIGNS[0], "stats": STATS}]


def test_figures_are_shown_by_state_attempt_outcome_and_disposition(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, asked = run(monkeypatch, [STATS], "stats", "spring")
    assert asked == ["/campaigns/spring/stats"]
    for expected in ("1,500: ready: 1,200, reached: 237, in call: 63", "353 (25.0%)", "1:30:00", "not interested: 3"):
        assert expected in shown
    assert shown.index("no answer") < shown.index("busy"), "the most frequent first"


def test_one_disposition_is_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, asked = run(monkeypatch, [BUSY], "stats", "spring", "--disposition", "busy")
    assert asked == ["/campaigns/spring/stats/dispositions/busy"]
    for expected in ("4 (1.2% of all)", "1: 3, 2: 1", "+16505550150: 4", "486: 4"):
        assert expected in shown


def test_figures_for_programs_are_what_the_api_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, more in ((STATS, ()), (BUSY, ("--disposition", "busy"))):
        shown, _ = run(monkeypatch, [answer], "stats", "spring", "--json", *more)
        assert json.loads(shown) == answer
