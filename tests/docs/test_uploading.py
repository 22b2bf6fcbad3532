"""The page about uploading, run as it is printed against a running ``dialer up``."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "uploading.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(240)


def test_every_command_of_the_page_works(stack: Stack, tmp_path: Path) -> None:
    assert shutil.which("curl"), "the page needs curl"
    environment = {
        "HOME": str(tmp_path),
        "DIALER_HOME": str(stack.home),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "LC_ALL": "C.UTF-8",
    }
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(BLOCK.findall(PAGE.read_text()))],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 rows: 2 created, 0 updated, 0 skipped, 1 failed (completed)" in ran.stdout
    assert len((tmp_path / "bad-rows.csv").read_text().splitlines()) == 2
    assert '"complete":true' in (tmp_path / "sent.json").read_text()
    assert ran.stdout.splitlines()[-2:] == ["plan", "1"]
    assert '"status":"running"' in (tmp_path / "launched.json").read_text()
