"""SIGTERM is how every deployment and every restart ends a worker: what is under way ends well, and others go on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialer.stack.home import Home
from dialer.stack.parts import WORKER_STOP_S
from dialer.stack.temporal import NAMESPACE
from tests.e2e.campaigns import Campaign, fresh_phones, in_real_time, ok, script, until
from tests.fixtures_stack import FOREIGN, Stack

pytestmark = pytest.mark.timeout(240)

#: From a worker's last request to the first one of whoever takes over: a process has to be started for that.
RESUMED_S = 20.0
#: A worker that ends may have been given one task more that it never saw. If that is the campaign's workflow task, it
#: is given out again after ten seconds, and a leg has to begin. Usually none is, and the gap is below one second.
GAP_S = 12.0
#: If it is the task that dials one call, ``PLACE_CALL``'s twenty seconds pass, and then the carrier is asked, which has
#: no such call. Only that person waits; called after everybody else, this looks like a gap of the campaign.
LOST_TASK_S = 30.0
#: How long the carrier thinks about a request; the workers of the stack give up after three seconds.
UNANSWERED_S = 2.0
ONCE = {"max_attempts": 1, "delays": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One worker process that was told to end."""

    name: str
    pid: int
    log: Path
    log_start: int

    def told(self) -> str:
        """What the log says since then."""
        return self.log.read_bytes()[self.log_start :].decode()

    def code(self) -> int | None:
        """Its exit code, which the stack writes down before it starts another one."""
        noted = re.search(rf"{self.name} ended with code (-?\d+)", self.told())
        return int(noted.group(1)) if noted else None

    def is_replaced(self, stack: Stack) -> bool:
        """True once the process after it asks for work: that it runs says nothing about that."""
        pid = stack.pids(self.name.partition("-")[0])[int(self.name.rpartition("-")[2]) - 1]
        return pid != self.pid and all(pid in pollers(stack, queue) for queue in ("control", "dial"))


def workers_of(stack: Stack, *parts: str) -> list[Ending]:
    found: list[Ending] = []
    for part in parts:
        for number, pid in enumerate(stack.pids(part), start=1):
            name = part if part == "bulk" else f"{part}-{number}"
            log = stack.home / "logs" / f"{name}.log"
            found.append(Ending(name=name, pid=pid, log=log, log_start=log.stat().st_size))
    return found


def pollers(stack: Stack, queue: str) -> set[int]:
    """The processes that Temporal knows to have asked for activities of this queue lately."""
    port = Home.at(stack.home).ports()["temporal_http"]
    path = f"http://127.0.0.1:{port}/api/v1/namespaces/{NAMESPACE}/task-queues/{queue}"
    found = ok(httpx.get(path, params={"taskQueueType": "TASK_QUEUE_TYPE_ACTIVITY"}, trust_env=False))
    return {int(poller["identity"].partition("@")[0]) for poller in found.get("pollers", [])}


def tell(workers: Sequence[Ending], *numbers: signal.Signals) -> None:
    for number in numbers:
        for worker in workers:
            os.kill(worker.pid, number)


def until_ended_well(workers: Sequence[Ending]) -> None:
    """Until the last one has ended, each in time, with code 0 and without a traceback."""
    until(lambda: all(each.code() is not None for each in workers), seconds=WORKER_STOP_S, what="the workers' end")
    assert [each.code() for each in workers] == [0] * len(workers)
    for each in workers:
        # What the process itself has said; the one after it writes to the same file.
        assert "Traceback" not in each.told().partition("ended with code")[0], each.told()


@contextmanager
def slow_carrier(stack: Stack, seconds: float) -> Iterator[None]:
    """Every request that creates a call is answered so much later; the phone rings meanwhile."""
    ok(stack.simulator.put("/_sim/behaviour", json={"slow_answer_s": seconds, "faults": {"slow_answer": 1}}))
    try:
        yield
    finally:
        ok(stack.simulator.put("/_sim/behaviour", json={"faults": {"slow_answer": 0}}))


def clock(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def dialed_at(campaign: Campaign) -> dict[str, float]:
    """When the carrier was asked to call each phone, as seconds of a clock."""
    return {call["to"]: clock(call["created_at"]) for call in campaign.at_carrier()}


def longest_silence(campaign: Campaign) -> float:
    """Seconds without a new call while there were people to call; those whose call got lost come back in time."""
    dialed, lost = dialed_at(campaign), campaign.calls(state="deferred")
    assert all(dialed[call["to"]] - clock(call["claimed_at"]) < LOST_TASK_S for call in lost)
    others = sorted(dialed[phone] for phone in dialed.keys() - {call["to"] for call in lost})
    return max(later - earlier for earlier, later in pairwise(others))


def assert_all_were_called_once(campaign: Campaign, phones: Sequence[str]) -> None:
    ledger, calls = campaign.at_carrier(), campaign.calls()
    placed = [call for call in calls if call["carrier_call_id"]]
    assert Counter(call["to"] for call in ledger) == dict.fromkeys(phones, 1), "nobody twice, nobody not at all"
    assert {call["carrier_call_id"] for call in placed} == {call["sid"] for call in ledger}
    assert {call["disposition"] for call in placed} == {"human"}, "no call is unknown"
    assert {call["state"] for call in calls} <= {"ended", "deferred"}
    assert {person["state"] for person in campaign.prospects()} == {"reached"}


@pytest.mark.seconds
def test_sigterm_for_all_workers_with_fifty_calls_in_flight_loses_and_doubles_nothing(stack: Stack) -> None:
    campaign = Campaign.make(stack, redial=ONCE, pace={"max_concurrent": 110, "calls_per_second": 25})
    phones = fresh_phones(130)
    for phone in phones:
        script(stack, phone, {"kind": "human", "ring_s": 1, "talk_s": 25})
    campaign.add(phones)
    with in_real_time(stack), slow_carrier(stack, UNANSWERED_S):
        ok(campaign.post("launch"))
        # The list only grows: what lasts a second or two may not be seen by somebody who asks now and then.
        until(lambda: len(campaign.at_carrier()) >= 60, what="sixty calls")
        workers = workers_of(stack, "worker", "bulk")
        told = time.time()
        # Twice, as an impatient supervisor does.
        tell(workers, signal.SIGTERM, signal.SIGTERM)
        in_flight = campaign.status()["calls_in_flight"]
        until_ended_well(workers)
        assert in_flight >= 50
        campaign.until_status("completed", seconds=120)
    assert_all_were_called_once(campaign, phones)
    assert longest_silence(campaign) < RESUMED_S
    times = dialed_at(campaign).values()
    assert sum(told - UNANSWERED_S < at <= told for at in times) >= 5, "requests that the carrier had not answered"
    assert max(times) > told, "the campaign went on after the signal"


@pytest.mark.seconds
def test_workers_that_are_ended_one_after_the_other_leave_no_gap(stack: Stack) -> None:
    campaign = Campaign.make(stack, redial=ONCE, pace={"max_concurrent": 60, "calls_per_second": 8})
    phones = fresh_phones(150)
    for phone in phones:
        script(stack, phone, {"kind": "human", "ring_s": 1, "talk_s": 5})
    campaign.add(phones)
    with in_real_time(stack), slow_carrier(stack, 1.0):
        ok(campaign.post("launch"))
        until(lambda: campaign.status()["calls_in_flight"] >= 20, what="twenty calls in flight")
        for place in range(len(stack.pids("worker"))):
            # Ctrl-C says the same.
            number = signal.SIGINT if place else signal.SIGTERM
            ending = workers_of(stack, "worker")[place]
            tell([ending], number)
            until_ended_well([ending])
            until(lambda ending=ending: ending.is_replaced(stack), what="the next process")
        campaign.until_status("completed", seconds=120)
    assert_all_were_called_once(campaign, phones)
    assert longest_silence(campaign) < GAP_S


def test_an_import_whose_worker_is_ended_goes_on_where_it_was(stack: Stack) -> None:
    campaign = Campaign.make(stack, keep_open=True)
    people = 14_000
    rows = "".join(f"p{number},Person {number},+1408555{number % 10_000:04d}\n" for number in range(people))
    files = {"file": ("people.csv", ("external_id,name,phone\n" + rows).encode(), "text/csv")}
    path = f"/campaigns/{campaign.id}/prospects:upload"
    started = ok(stack.api.post(path, files=files), 202)["import_id"]

    def now() -> dict[str, Any]:
        return ok(stack.api.get(f"/imports/{started}"))

    until(lambda: now()["rows_read"] > 0, what="the first rows")
    assert now()["status"] == "running"
    bulk = workers_of(stack, "bulk")
    tell(bulk, signal.SIGTERM)
    until_ended_well(bulk)
    read = now()["rows_read"]
    assert read < people, "it did not wait for the end of the file"
    until(lambda: now()["status"] != "running", seconds=120, what="the end of the import")
    done = now()
    assert (done["status"], done["rows_read"]) == ("completed", people)
    assert done["created"] + done["updated"] + done["skipped"] + done["failed"] == people


# -- a worker by itself --------------------------------------------------------------------------------------------


class Alone:
    """A worker that no supervisor starts again."""

    def __init__(self, stack: Stack, folder: Path, **environment: str) -> None:
        self.log = folder / "worker.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        ours = {
            "DIALER_DATABASE_URL": stack.described["database_url"],
            "DIALER_SECRET_KEY": Home.at(stack.home).secrets()["secret_key"],
            "TEMPORAL_ADDRESS": stack.described["temporal_address"],
            "TEMPORAL_CONFIG_FILE": os.devnull,
            **environment,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker", "--role", "main"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=kept | ours,
            )

    def says(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Its exit code and what it said."""
        self.process.send_signal(number)
        return self.process.wait(WORKER_STOP_S), self.log.read_text()


@pytest.fixture
def alone(stack: Stack, tmp_path: Path) -> Iterator[Callable[..., Alone]]:
    """Starts workers beside those of the stack, and leaves none behind."""
    started: list[Alone] = []

    def start(**environment: str) -> Alone:
        started.append(Alone(stack, tmp_path, **environment))
        return started[-1]

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.wait()


@pytest.mark.seconds
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_without_work_ends_at_once(alone: Callable[..., Alone], number: signal.Signals) -> None:
    worker = alone()
    until(lambda: worker.says("serving control, dial"), what="the worker to serve")
    began = time.monotonic()
    code, said = worker.end(number)
    # A leg of a campaign that another test has left may be under way, and a sweep.
    assert time.monotonic() - began < 15
    assert code == 0, said
    assert "Traceback" not in said


@pytest.mark.seconds
def test_a_worker_that_waits_for_temporal_ends_when_it_is_told(alone: Callable[..., Alone]) -> None:
    """Somebody listens and never answers: the worker has not begun, so that it need not be waited for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        worker = alone(TEMPORAL_ADDRESS=f"127.0.0.1:{silent.getsockname()[1]}")
        with silent.accept()[0]:
            began = time.monotonic()
            code, said = worker.end(signal.SIGTERM)
    assert time.monotonic() - began < 5
    assert code == 0, said
    assert "Traceback" not in said
