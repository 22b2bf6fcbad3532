"""The page about people who ring back, run as it is printed against a running ``dialer up``."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import typed
from tests.e2e.test_verify import broken, verify
from tests.fixtures_stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "inbound.md"
SHOWN = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(240)


def test_who_rings_back_is_reached_or_suppressed_as_the_page_shows_and_not_called_again(
    stack: Stack, tmp_path: Path
) -> None:
    printed = typed(PAGE, stack, tmp_path)
    (shown,) = SHOWN.findall(PAGE.read_text())
    assert printed.splitlines()[-3:] == shown.splitlines()
    (campaign,) = stack.api.get("/campaigns", params={"search": "Ring back"}).json()["items"]
    assert campaign["status"] == "completed"  # at once, and not in four hours
    calls = stack.api.get("/calls", params={"campaign_id": campaign["id"]}).json()["items"]
    assert sorted((call["direction"], call["attempt"]) for call in calls if call["direction"] == "outbound") == [
        ("outbound", 1),
        ("outbound", 1),
    ]
    theirs = {call["carrier_call_id"] for call in calls if call["direction"] == "inbound"}
    ledger = stack.simulator.get("/_sim/calls").json()["items"]
    assert theirs == {
        row["sid"] for row in ledger if row["direction"] == "inbound" and row["from"].endswith(("71", "72"))
    }
    code, verdict = verify(stack, "--campaign", campaign["id"])
    assert (code, broken(verdict)) == (0, set())
