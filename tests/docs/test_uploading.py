"""The page about uploading, run as it is printed against a running ``dialer up``."""

from pathlib import Path

import pytest

from tests.docs.pages import typed
from tests.fixtures_stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "uploading.md"

pytestmark = pytest.mark.timeout(240)


def test_every_command_of_the_page_works(stack: Stack, tmp_path: Path) -> None:
    printed = typed(PAGE, stack, tmp_path)
    assert "3 rows: 2 created, 0 updated, 0 skipped, 1 failed (completed)" in printed
    assert len((tmp_path / "bad-rows.csv").read_text().splitlines()) == 2
    assert '"complete":true' in (tmp_path / "sent.json").read_text()
    assert printed.splitlines()[-2:] == ["plan", "1"]
    assert '"status":"running"' in (tmp_path / "launched.json").read_text()
