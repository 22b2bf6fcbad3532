"""Every figure on the board is told by an installation that runs: API and workers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from dialer.stack.home import Home
from dialer.stack.ports import HOST, free_port
from tests.e2e.campaigns import Campaign, fresh_phones, until
from tests.fixtures_stack import Stack

BOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dialer.json"
FIGURE = re.compile(r"\b(?:dialer|temporal)_[a-z_]+\b")


def on_the_board() -> set[str]:
    panels = json.loads(BOARD.read_text())["panels"]
    return {name for panel in panels for target in panel["targets"] for name in FIGURE.findall(target["expr"])}


@pytest.fixture
def measured_worker(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """One more worker of the stack, which serves its figures at the address given."""
    address = f"{HOST}:{free_port()}"
    beside = psutil.Process(stack.pids("worker")[0]).environ()
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "worker.py", "--role", "main"],
            cwd=BOARD.parents[2],
            env={**os.environ, **beside, "DIALER_METRICS_ADDRESS": address},
            stdout=log,
            stderr=log,
        )
    yield address
    process.terminate()
    assert process.wait(40) == 0


def test_every_figure_of_the_board_is_told(stack: Stack, measured_worker: str) -> None:
    campaign = Campaign.make(stack, pace={"max_concurrent": 5, "calls_per_second": 20})
    campaign.add(fresh_phones(12))
    until(lambda: served(measured_worker), what="the worker's figures")
    campaign.post("launch")
    wanted = on_the_board()
    assert len(wanted) > 15

    def told() -> set[str]:
        api = stack.api.get(stack.described["api_url"] + "/metrics").text
        return set(FIGURE.findall(api + served(measured_worker)))

    for figure in sorted(wanted):
        until(lambda figure=figure: figure in told(), what=figure)
    campaign.post("stop", {"calls": "hang_up"})


def test_temporal_keeps_few_ended_calls_in_memory(stack: Stack) -> None:
    port = Home.at(stack.home).ports()["temporal_metrics"]
    kept = re.findall(r'^cache_size\{cache_type="mutablestate",.*\} (\d+)$', served(f"127.0.0.1:{port}"), re.MULTILINE)
    assert kept == ["2000"]


def served(address: str) -> str:
    try:
        return httpx.get(f"http://{address}/metrics", timeout=5).text
    except httpx.TransportError:
        return ""
