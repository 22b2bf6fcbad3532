"""The command line's client: where it finds the API, and how it tells what went wrong."""

import json
from pathlib import Path

import httpx
import pytest

from dialer.client.api import ApiClient, ApiProblem, NoStack
from dialer.stack.ports import free_port


@pytest.fixture(autouse=True)
def _no_api_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIALER_API_URL", raising=False)
    monkeypatch.delenv("DIALER_API_KEY", raising=False)


def test_the_running_stack_of_a_home_is_found(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps({"api_url": "http://127.0.0.1:8600/", "api_key": "k"}))
    assert ApiClient.of_home(tmp_path).url == "http://127.0.0.1:8600"


def test_without_a_stack_it_is_said_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(NoStack, match="dialer up"):
        ApiClient.of_home(tmp_path)


def test_the_environment_may_name_an_api_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALER_API_URL", "https://dialer.example")
    monkeypatch.setenv("DIALER_API_KEY", "k")
    assert ApiClient.of_home(tmp_path).url == "https://dialer.example"


def test_an_api_that_does_not_answer_is_no_stack() -> None:
    with ApiClient(f"http://127.0.0.1:{free_port()}", "k") as api, pytest.raises(NoStack, match="does not answer"):
        api.get("/me")


def test_a_problem_document_is_told_with_its_fields() -> None:
    problem = {
        "title": "The campaign is not valid",
        "detail": "Two fields need attention",
        "errors": [{"field": "pace.max_concurrent", "code": "gt", "message": "must be positive"}],
    }
    told = str(ApiProblem(httpx.Response(422, json=problem)))
    assert told.splitlines() == [
        "422 The campaign is not valid",
        "Two fields need attention",
        "  pace.max_concurrent: must be positive",
    ]


def test_an_answer_that_is_no_problem_document_is_told_by_its_status() -> None:
    assert str(ApiProblem(httpx.Response(502, text="<html>"))) == "502 Bad Gateway"
