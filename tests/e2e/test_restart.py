"""A campaign outlives the whole stack: stopped in the middle, it goes on when the stack is started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer.stack.placement import remove_data
from tests.e2e.campaigns import Campaign, fresh_phones, script, until
from tests.fixtures_stack import FOREIGN, QUICK, Stack, described_by

pytestmark = pytest.mark.timeout(240)


class Home:
    """One folder in which the stack is started again and again."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.output = folder / "up.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.stacks: list[Stack] = []

    def up(self) -> Stack:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        with self.output.open("ab") as log:
            command = [sys.executable, "-m", "dialer.cli", "up", "--home", str(self.home)]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=kept | QUICK
            )
        self.stacks.append(Stack(self.home, described_by(self.home, self.process, self.output)))
        return self.stacks[-1]

    def down(self) -> None:
        for stack in self.stacks:
            stack.close()
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(60) == 0
            self.process = None


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.down()
    remove_data(home.home)


def test_a_campaign_goes_on_after_the_stack_is_started_again(home: Home) -> None:
    stack = home.up()
    pace = {"max_concurrent": 5, "calls_per_second": 5}
    # What the carrier tells while nobody listens is lost: such a call is asked for after ring and talk limit.
    limits = {"ring_timeout_s": 10, "max_call_s": 15}
    campaign = Campaign.make(stack, pace=pace, redial={"max_attempts": 1, "delays": {}}, **limits)
    phones = fresh_phones(40)
    for phone in phones:
        script(stack, phone, "human")
    campaign.add(phones)
    campaign.post("launch")
    until(lambda: campaign.status()["prospects_done"] >= 5, what="five people to be done")
    first = campaign.at_carrier()
    home.down()

    again = home.up()
    assert again.described["api_key"] == stack.described["api_key"]
    resumed = Campaign(again, campaign.body)
    resumed.until_status("completed", seconds=120)
    placed = [call for call in resumed.calls() if call["carrier_call_id"]]
    ids = [call["call_id"] for call in [*first, *resumed.at_carrier()]]
    assert len(ids) == len(set(ids)), "no attempt is dialed twice"
    assert set(ids) <= {call["id"] for call in placed}
    assert {p["state"] for p in resumed.prospects()} <= {"reached", "exhausted", "invalid"}
    assert sorted(call["to"] for call in placed) == sorted(phones), "everybody is called once"
