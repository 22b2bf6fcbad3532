"""Children are kept running, ended in order, and never outlive who started them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dialer.stack.children import Child, ChildFailed, CommandFailed, run_once
from dialer.stack.ports import free_port
from dialer.stack.supervisor import Supervisor
from tests.fixtures_processes import is_alive, until

ROOT = Path(__file__).parents[2]
PATIENT = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
WITH_GRANDCHILD = (
    "import subprocess, sys, signal; "
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); "
    "print(child.pid, flush=True); signal.pause()"
)
NOTING = """
import pathlib, signal, sys
def end(number, frame):
    with pathlib.Path('ends').open('a') as ends:
        ends.write(sys.argv[1] + ' ')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print('up', flush=True)
while True:
    signal.pause()
"""
PARENT = """
import asyncio, json, sys
from pathlib import Path
from dialer.stack.supervisor import Supervisor
from tests.stack.test_supervisor import WITH_GRANDCHILD, child
async def main():
    folder = Path(sys.argv[1])
    supervisor = Supervisor(watchdog_log=folder / 'watchdog.log')
    await supervisor.start(child(folder, 'a', WITH_GRANDCHILD), child(folder, 'b', WITH_GRANDCHILD))
    print(json.dumps(supervisor.pids()), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def child(folder: Path, name: str, program: str, *arguments: str, rank: int = 0, stop_s: float = 10) -> Child:
    return Child(
        name=name,
        part=name.partition("-")[0],
        command=[sys.executable, "-c", program, *arguments],
        environment=dict(os.environ),
        folder=folder,
        log=folder / f"{name}.log",
        stop_rank=rank,
        stop_s=stop_s,
    )


def said(folder: Path, name: str) -> str:
    log = folder / f"{name}.log"
    return log.read_text() if log.exists() else ""


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    one = Supervisor(watchdog_log=tmp_path / "watchdog.log")
    yield one
    one.hurry()
    await one.stop()


async def test_a_child_that_dies_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    changes: list[dict[str, list[int]]] = []
    await supervisor.start(child(tmp_path, "worker-1", PATIENT), child(tmp_path, "worker-2", PATIENT))
    supervisor.changed = lambda: changes.append(supervisor.pids())
    before = supervisor.pids()["worker"]
    os.kill(before[0], signal.SIGKILL)
    await until(lambda: changes, what="a restart")
    after = changes[0]["worker"]
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert "worker-1 ended with code -9" in said(tmp_path, "worker-1")


async def test_what_a_dead_child_had_started_goes_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(child(tmp_path, "a", WITH_GRANDCHILD))
    await until(lambda: said(tmp_path, "a").endswith("\n"))
    grandchild = int(said(tmp_path, "a"))
    os.kill(supervisor.pids()["a"][0], signal.SIGKILL)
    await until(lambda: not is_alive(grandchild), what="the end of the grandchild")


async def test_children_end_in_the_order_of_their_ranks(supervisor: Supervisor, tmp_path: Path) -> None:
    ranks = {"store": 0, "api": 3, "worker": 4}
    await supervisor.start(*(child(tmp_path, name, NOTING, name, rank=rank) for name, rank in ranks.items()))
    await until(lambda: all("up" in said(tmp_path, name) for name in ranks))
    pids = [pid for part in supervisor.pids().values() for pid in part]
    await supervisor.stop()
    assert (tmp_path / "ends").read_text().split() == ["worker", "api", "store"]
    assert not any(is_alive(pid) for pid in pids)
    assert supervisor.pids() == {}


async def test_a_child_that_does_not_end_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(child(tmp_path, "a", STUBBORN, stop_s=0.2))
    await until(lambda: "up" in said(tmp_path, "a"))
    await supervisor.stop()
    assert "is killed" in said(tmp_path, "a")


async def test_a_start_that_fails_says_why(supervisor: Supervisor, tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    broken = child(tmp_path, "a", "import sys; sys.exit('no such database')")
    with pytest.raises(ChildFailed, match=r"a ended with code 1:\nno such database"):
        await supervisor.start(replace(broken, ready=never))


async def test_somebody_elses_answer_on_the_port_is_not_taken_for_the_childs(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        deaf = child(tmp_path, "a", PATIENT)
        port = other.getsockname()[1]
        with pytest.raises(ChildFailed, match="not ready"):
            await supervisor.start(replace(deaf, port=port, ready_s=0.3))


async def test_a_child_serves_when_it_listens_on_its_port(supervisor: Supervisor, tmp_path: Path) -> None:
    port = free_port()
    server = child(
        tmp_path,
        "a",
        "import socket, signal, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); signal.pause()",
        str(port),
    )
    await supervisor.start(replace(server, port=port))
    with socket.create_connection(("127.0.0.1", port)):
        assert supervisor.pids()["a"]


async def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"the migration ended with code 3:\nbroken"):
        await run_once(
            "the migration",
            [sys.executable, "-c", "import sys; print('broken', file=sys.stderr); sys.exit(3)"],
            dict(os.environ),
            folder=tmp_path,
        )


async def test_killing_the_parent_leaves_nothing_behind(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, str(tmp_path), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    children = [pid for pids in json.loads(await parent.stdout.readline()).values() for pid in pids]
    await until(lambda: all(said(tmp_path, name).endswith("\n") for name in "ab"))
    everybody = [*children, *(int(said(tmp_path, name)) for name in "ab")]
    assert all(is_alive(pid) for pid in everybody)
    parent.kill()
    await parent.wait()
    await until(lambda: not any(is_alive(pid) for pid in everybody), what="the end of all children")


async def test_the_watchdog_alone_ends_the_children_and_theirs(tmp_path: Path) -> None:
    """As it must where the system has no death signal."""
    with (tmp_path / "a.log").open("wb") as log:
        orphan = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WITH_GRANDCHILD, stdout=log, start_new_session=True
        )
    await until(lambda: said(tmp_path, "a").endswith("\n"))
    grandchild = int(said(tmp_path, "a"))
    watchdog = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dialer.stack.watchdog", stdin=subprocess.PIPE
    )
    started = psutil.Process(orphan.pid).create_time()
    listed = f"+ {orphan.pid} {int(signal.SIGKILL)} {started}\n+ {os.getpid()} 9 1.0\n"
    await watchdog.communicate(listed.encode())  # our own pid with another start: somebody else's by now
    assert watchdog.returncode == 0
    assert await orphan.wait() == -signal.SIGKILL
    await until(lambda: not is_alive(grandchild), what="the end of the grandchild")
