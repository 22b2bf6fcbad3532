"""The page about batches, run as it is printed against a running ``dialer up``: the whole life of three batches."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "batches.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(240)


def test_every_command_of_the_page_works(stack: Stack, tmp_path: Path) -> None:
    assert shutil.which("curl"), "the page needs curl"
    environment = {
        "HOME": str(tmp_path),
        "DIALER_HOME": str(stack.home),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
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
    statuses = [words[1] for line in ran.stdout.splitlines() if (words := line.split())[:1] == ["status"]]
    assert statuses == ["completed", "scheduled", "scheduled", "scheduled", "cancelled"]
    assert "Summer" in ran.stdout
    files = (tmp_path / f"{name}.json" for name in ("batch", "moved", "cancelled"))
    made, moved, cancelled = (json.loads(file.read_text()) for file in files)
    assert made["status"] in ("importing", "scheduled")
    assert moved["scheduled_at"] > made["scheduled_at"]
    assert cancelled["status"] == "cancelled"
    first = next(each for each in stack.api.get("/batches").json()["items"] if each["name"] == "Reminders")
    calls = stack.api.get("/calls", params={"batch_id": first["id"]}).json()["items"]
    assert {call["attempt"] for call in calls} == {1}
    assert len(calls) == first["counts"]["prospects_done"] == 2
