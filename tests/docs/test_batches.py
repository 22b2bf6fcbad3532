"""The page about batches, run as it is printed against a running ``dialer up``: the whole life of three batches."""

import json
from pathlib import Path

import pytest

from tests.docs.pages import typed
from tests.fixtures_stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "batches.md"

pytestmark = pytest.mark.timeout(240)


def test_every_command_of_the_page_works(stack: Stack, tmp_path: Path) -> None:
    printed = typed(PAGE, stack, tmp_path)
    statuses = [words[1] for line in printed.splitlines() if (words := line.split())[:1] == ["status"]]
    assert statuses == ["completed", "scheduled", "scheduled", "scheduled", "cancelled"]
    assert "Summer" in printed
    files = (tmp_path / f"{name}.json" for name in ("batch", "moved", "cancelled"))
    made, moved, cancelled = (json.loads(file.read_text()) for file in files)
    assert made["status"] in ("importing", "scheduled")
    assert moved["scheduled_at"] > made["scheduled_at"]
    assert cancelled["status"] == "cancelled"
    first = next(each for each in stack.api.get("/batches").json()["items"] if each["name"] == "Reminders")
    calls = stack.api.get("/calls", params={"batch_id": first["id"]}).json()["items"]
    assert {call["attempt"] for call in calls} == {1}
    assert len(calls) == first["counts"]["prospects_done"] == 2
