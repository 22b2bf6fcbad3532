"""``dialer verify`` on the terminal: what it cannot judge is said, and never green."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dialer.cli.verifying import CANNOT_JUDGE, CLEAN, VIOLATED, exit_code, show, verify_home
from dialer.domain.judging.evidence import Evidence
from dialer.domain.judging.judge import RULES, judge
from tests.domain.judging.ledgers import changed, clean


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIALER_DATABASE_URL", "DIALER_SECRET_KEY", "DIALER_CLOCK", "DIALER_CARRIER_URL"):
        monkeypatch.delenv(name, raising=False)


def verify(home: Path, **options: str | bool | None) -> int:
    given = {"campaign": None, "carrier_log": None, "as_json": False, "nobody_deleted": False, **options}
    return verify_home(home, **given)  # type: ignore[arg-type]


def shown(evidence: Evidence) -> str:
    written = StringIO()
    show(Console(width=200, file=written), judge(evidence))
    return written.getvalue()


def test_a_clean_campaign_is_shown_rule_by_rule() -> None:
    told = shown(clean())
    assert all(rule in told for rule in RULES)
    assert "every promise was kept" in told
    assert exit_code(judge(clean())) == CLEAN


def test_a_violation_is_shown_with_its_ids_and_a_sentence() -> None:
    guilty = changed(clean(), "carrier", 7, ended_at=None)
    told = shown(guilty)
    assert f"call {guilty.calls[10].id}" in told
    assert "at the carrier it goes on" in told
    assert "every promise was kept" not in told
    assert exit_code(judge(guilty)) == VIOLATED


def test_rules_that_could_not_be_judged_are_named_and_are_no_success() -> None:
    told = shown(replace(clean(), carrier=None))
    assert "not judged" in told
    assert "carrier_calls_known" in told
    assert "every promise was kept" not in told
    assert exit_code(judge(Evidence(now=clean().now))) == CANNOT_JUDGE


def test_without_a_stack_it_is_said_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tmp_path) == CANNOT_JUDGE
    assert "DIALER_DATABASE_URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"carrier_log": "/nowhere/calls.json"}, "cannot be read"),
        ({"campaign": "spring"}, "there is no campaign spring"),
    ],
)
def test_what_is_not_there_cannot_be_judged(
    options: dict[str, str],
    told: str,
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DIALER_DATABASE_URL", database_url)
    assert verify(tmp_path, **options) == CANNOT_JUDGE
    assert told in capsys.readouterr().err


def test_an_empty_database_and_an_empty_log_are_clean(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIALER_DATABASE_URL", database_url)
    log = tmp_path / "calls.json"
    log.write_text('{"items": []}')
    assert verify(tmp_path, carrier_log=str(log), as_json=True) == CLEAN
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["clean"]
    assert {rule["rule"] for rule in verdict["rules"]} == set(RULES)


def test_a_database_that_does_not_answer_cannot_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIALER_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:9/none")
    assert verify(tmp_path) == CANNOT_JUDGE
    told = capsys.readouterr().err
    assert "the database cannot be read" in told
    assert "secret" not in told
