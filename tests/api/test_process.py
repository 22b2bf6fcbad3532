"""The API as a process of its own."""

import asyncio
import os
import signal
import sys

import httpx
from cryptography.fernet import Fernet

from dialer.stack.ports import free_port
from tests.fixtures_processes import until


async def test_the_process_serves_without_temporal_and_ends_when_asked(database_url: str):
    port = free_port()
    environment = {
        **os.environ,
        "DIALER_DATABASE_URL": database_url,
        "DIALER_SECRET_KEY": Fernet.generate_key().decode(),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.app", "--port", str(port)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    answers: list[int] = []
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            def serves() -> bool:
                try:
                    answers.append(httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code)
                except httpx.TransportError:
                    return False
                return True

            await until(serves, seconds=40, what="the API")
            assert (await http.get("/api/v1/calls", params={"phone": "+12025550123"})).status_code == 401
        child.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(child.communicate(), 30)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert answers == [200]
    assert child.returncode == 0
    assert b"2025550123" not in output
