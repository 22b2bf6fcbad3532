"""The simulator as its own process."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.simulator.lines import ACCOUNT, CALLER, PERSON, TOKEN


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def process(**environment: str):
    port = _free_port()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dialer.simulator", "--port", str(port),
        env={"PATH": os.environ["PATH"], "SIM_ACCOUNT_SID": ACCOUNT, "SIM_AUTH_TOKEN": TOKEN, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child, f"http://127.0.0.1:{port}"
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def _answers(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with session.get(f"{url}/health") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_serves_and_leaves_quietly_when_asked_to(number):
    async with process(SIM_TIME_SCALE="0.01", DIALER_CLOCK="P10D") as (child, url):
        async with aiohttp.ClientSession() as session:
            await _answers(session, url)
            form = {"To": PERSON, "From": CALLER, "Twiml": "<Response><Pause length='500'/></Response>"}
            credentials = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
            calls = f"{url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
            async with session.post(calls, data=form, headers=credentials) as response:
                assert response.status == 201
            async with session.get(f"{url}/_sim/behaviour") as response:
                assert (await response.json())["time_scale"] == 0.01
            child.send_signal(number)
        async with asyncio.timeout(10):
            out, err = await child.communicate()
        assert child.returncode == 0
        assert PERSON not in (out + err).decode()
        assert (out, err) == (b"", b"")


async def test_the_process_says_what_is_missing():
    async with process(SIM_AUTH_TOKEN="") as (child, _):
        _, err = await child.communicate()
        assert child.returncode == 2
        assert b"SIM_AUTH_TOKEN" in err
    async with process(SIM_TIME_SCALE="fast") as (child, _):
        _, err = await child.communicate()
        assert child.returncode == 2
        assert b"SIM_TIME_SCALE" in err


_KEPT = f"""
import gc
import uvicorn
from dialer.simulator.__main__ import main
uvicorn.Server.run = lambda server: None  # everything but serving
main([], {{"SIM_ACCOUNT_SID": "{ACCOUNT}", "SIM_AUTH_TOKEN": "{TOKEN}"}})
kept = [[] for _ in range(100_000)]
gc.collect()
print(gc.get_freeze_count() >= len(kept), len(gc.get_objects()) < 1000)
"""


async def test_what_a_full_collection_has_found_alive_is_not_looked_through_again():
    """The longer the ledger, the longer nothing would be accepted meanwhile."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", _KEPT, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    assert told.decode().split() == ["True", "True"]
