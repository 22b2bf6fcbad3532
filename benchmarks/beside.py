"""A large file beside a campaign that calls: ``python -m benchmarks.beside --rows 1000000``.

The embedded stack calls five people a second. After a minute by itself a file of so many rows is uploaded into another
campaign, a draft that is never launched. Told are the calls a second before and meanwhile, the longest time without
one, what the import took, and the most memory of the process that reads files.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks import machine, stacks
from benchmarks.import_rows import lines
from benchmarks.reaction import dialed, figures
from tests.e2e.campaigns import Campaign, ok, until
from tests.fixtures_stack import Stack

PER_SECOND = 5.0
#: Calls that have begun between the first and the last of them.
_BEGUN = """
    SELECT dialed_at AS at FROM calls WHERE campaign_id = %(campaign)s AND dialed_at >= %(since)s
        AND dialed_at < %(until)s ORDER BY 1"""


def measure(*, rows: int, alone_s: float) -> dict[str, Any]:
    """One run on a new stack."""
    with stacks.running() as stack, tempfile.TemporaryFile() as file:
        stacks.unlimited(stack)
        numbers = stacks.phones(4000)
        stacks.script_all(stack, numbers)
        busy = stacks.campaign(stack, numbers, at_once=100, per_second=PER_SECOND)
        draft = Campaign.make(stack)
        file.writelines(line.encode() for line in lines(rows, national=False))
        told: dict[str, Any] = {"load_before": machine.load(), "rows": rows}
        ok(busy.post("launch"))
        until(lambda: dialed(stack, busy) > 3, what="the first calls")
        began = datetime.now(UTC)
        time.sleep(alone_s)
        uploaded = datetime.now(UTC)
        told |= imported(stack, draft, file)
        ended = datetime.now(UTC)
        told["alone"] = calls_between(stack, busy, began, uploaded)
        told["beside_the_import"] = calls_between(stack, busy, uploaded, ended)
        ok(busy.post("stop", {"calls": "finish"}))
        told["violations"] = stacks.violations(stack)
    return told


def imported(stack: Stack, draft: Campaign, file: BinaryIO) -> dict[str, Any]:
    file.seek(0)
    began = time.monotonic()
    path, files = f"/campaigns/{draft.id}/prospects:upload", {"file": ("people.csv", file, "text/csv")}
    started = ok(stack.api.post(path, files=files, timeout=300), 202)
    uploaded_s = time.monotonic() - began

    def ended() -> Any:
        time.sleep(0.5)
        found = ok(stack.api.get(f"/imports/{started['import_id']}"))
        return found if found["status"] != "running" else None

    found = until(ended, seconds=1800, what="the end of the import")
    return {
        "upload_s": round(uploaded_s, 1),
        "import_s": round(time.monotonic() - began, 1),
        "created": found["created"],
        "bulk_peak_mib": peak_mib(stack.pids("bulk")),
    }


def calls_between(stack: Stack, campaign: Campaign, since: datetime, end: datetime) -> dict[str, Any]:
    found = stacks.ask(stack, _BEGUN, {"campaign": campaign.id, "since": since, "until": end})
    moments: Sequence[datetime] = [since, *(row.at for row in found), end]
    gaps = [(after - before).total_seconds() for before, after in pairwise(moments)]
    return {"per_second": round(len(found) / (end - since).total_seconds(), 2), "gap": figures(gaps)}


def peak_mib(pids: Sequence[int]) -> int:
    """The most memory that one of these processes has held."""
    found = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    held = [int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) for text in found]
    return round(max(held) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description="A large file beside a campaign that calls.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--alone-s", type=float, default=60.0)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(measure(rows=asked.rows, alone_s=asked.alone_s)) + "\n")


if __name__ == "__main__":
    main()
