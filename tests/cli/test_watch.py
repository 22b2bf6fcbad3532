"""``dialer campaign watch``: what it shows, and that a broken stream is taken up again."""

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dialer.cli.entry import app
from dialer.cli.watch import Picture
from dialer.client.api import ApiClient, ApiProblem
from dialer.client.events import Event, follow, parsed
from dialer.client.patience import Patience
from tests.cli.answers import answering

STATUS = {
    "status": "running",
    "paused_reason": None,
    "prospects_total": 300,
    "prospects_done": 75,
    "calls_in_flight": 2,
    "calls_total": 1140,
    "waiting_for": "12 held: no time zone",
    "next_call_at": None,
    "progress": 0.25,
}
QUICK = Patience(in_all=10, first=0.01, longest=0.01)


def test_events_are_read_and_comments_are_none() -> None:
    lines = ["retry: 2000", "", ": nothing new", "", "event: status", "id: 7", 'data: {"status":"running"}', ""]
    assert list(parsed(lines)) == [Event(name="status", id="7", data={"status": "running"})]


def test_a_stream_that_breaks_off_is_taken_up_after_its_last_event_until_the_end() -> None:
    answers = [
        (200, _event("status", "t1", STATUS)),
        (503, ""),
        (200, ": restart\n\n"),
        (
            200,
            _event("status", "t2", {**STATUS, "status": "completed"}) + _event("end", "over", {"reason": "completed"}),
        ),
    ]
    said: list[str] = []
    with answering(answers) as (url, asked), ApiClient(url, "k") as api:
        events = list(follow(api, "spring", QUICK, said.append))
    assert [event.name for event in events] == ["status", "status", "end"]
    assert asked == [("/api/v1/campaigns/spring/stream", last) for last in (None, "t1", "t1", "t1")]
    assert len(said) == 3


def test_a_campaign_that_is_over_is_told_by_an_empty_answer() -> None:
    answers = [(200, _event("status", "t1", STATUS)), (204, "")]
    with answering(answers) as (url, _asked), ApiClient(url, "k") as api:
        events = list(follow(api, "spring", QUICK, lambda _text: None))
    assert [event.data.get("reason") for event in events][-1] == "over"


def test_a_refused_stream_is_not_asked_for_again() -> None:
    with answering([(404, "")]) as (url, asked), ApiClient(url, "k") as api, pytest.raises(ApiProblem):
        list(follow(api, "spring", QUICK, lambda _text: None))
    assert len(asked) == 1


def test_the_picture_shows_people_calls_dispositions_and_what_is_waited_for() -> None:
    picture = Picture(stats={"dispositions": {"busy": 4, "no_answer": 9}})
    picture.take(Event(name="status", id="1", data=STATUS))
    for call, state in (("a", "ringing"), ("b", "in_progress"), ("c", "ringing"), ("c", "ended")):
        picture.take(Event(name="call", id="1", data={"id": call, "state": state}))
    shown = _shown(picture)
    for expected in ("75 of 300", "1 ringing, 1 in progress", "1,140", "no answer", "12 held: no time zone"):
        assert expected in shown
    picture.take(Event(name="end", id="over", data={"reason": "completed"}))
    assert "over: completed" in _shown(picture)


def test_one_event_a_line_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering([(200, _event("status", "t1", STATUS) + _event("end", "over", {"reason": "stopped"}))]) as (url, _):
        monkeypatch.setenv("DIALER_API_URL", url)
        monkeypatch.setenv("DIALER_API_KEY", "k")
        result = CliRunner().invoke(app, ["campaign", "watch", "spring", "--json"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["status", "end"]
    assert lines[0]["data"] == STATUS


def test_how_it_stands_now_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = {"dispositions": {"busy": 4}}
    with answering([(200, json.dumps(STATUS)), (200, json.dumps(stats))]) as (url, asked):
        monkeypatch.setenv("DIALER_API_URL", url)
        monkeypatch.setenv("DIALER_API_KEY", "k")
        result = CliRunner().invoke(app, ["campaign", "watch", "spring", "--once"])
    assert result.exit_code == 0, result.output
    assert "75 of 300" in result.stdout
    assert [path for path, _ in asked] == [f"/api/v1/campaigns/spring/{what}" for what in ("status", "stats")]


def _event(name: str, event_id: str, data: Any) -> str:
    return f"event: {name}\nid: {event_id}\ndata: {json.dumps(data)}\n\n"


def _shown(picture: Picture) -> str:
    console = Console(width=120, file=StringIO())
    with console.capture() as captured:
        console.print(picture.shown(live=True))
    return captured.get()
