"""The examples of the page about exports, run as they are printed against the API as a process of its own."""

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from dialer.stack.ports import free_port
from tests.api.apis import ALWAYS, CALLER, KEY
from tests.fixtures_processes import until

PAGE = Path(__file__).parents[2] / "docs" / "exports.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PHONES = ("+12025550101", "+12025550102")

pytestmark = pytest.mark.timeout(240)


async def test_the_examples_write_the_files_that_they_name(database_url: str, tmp_path: Path):
    assert shutil.which("curl"), "the examples need curl"
    pytest.importorskip("pyarrow")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DIALER_DATABASE_URL": database_url,
        "DIALER_SECRET_KEY": Fernet.generate_key().decode(),
        "DIALER_API_KEY": KEY,
        "DIALER_API_URL": url,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    bootstrap = await asyncio.create_subprocess_exec(sys.executable, "-m", "dialer.store.bootstrap", env=environment)
    assert await bootstrap.wait() == 0
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.app", "--port", str(port)), env=environment
    )
    try:
        await until(lambda: serves(url), seconds=60, what="the API")
        await asyncio.to_thread(fill, url)
        for commands in BLOCK.findall(PAGE.read_text()):
            ran = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", commands), env=environment, cwd=tmp_path
            )
            assert await ran.wait() == 0, commands
    finally:
        server.send_signal(signal.SIGTERM)
        await server.wait()
    assert set(os.listdir(tmp_path)) == {
        "prospects.csv",
        "reached.jsonl",
        "calls.parquet",
        "people.csv",
        "answered.parquet",
    }
    rows = (tmp_path / "prospects.csv").read_bytes().split(b"\r\n")
    assert [row[:14] for row in rows[1:3]] == [f'"{phone}"'.encode() for phone in PHONES]
    assert (tmp_path / "people.csv").read_bytes() == (tmp_path / "prospects.csv").read_bytes()
    assert (tmp_path / "reached.jsonl").read_bytes() == b""
    for name in ("calls.parquet", "answered.parquet"):
        assert (tmp_path / name).read_bytes().startswith(b"PAR1")


def serves(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def fill(url: str) -> None:
    """The campaign of the examples."""
    with httpx.Client(base_url=f"{url}/api/v1", headers={"X-API-Key": KEY}, trust_env=False, timeout=60) as http:

        def post(path: str, body: object) -> dict[str, str]:
            answer = http.post(path, json=body)
            assert answer.is_success, answer.text
            return answer.json()

        agent = post("/agents", {"name": "Ada"})
        account = {"label": "Twilio", "account_sid": "AC" + "5" * 32, "secret": "a-token-for-tests"}
        post("/carrier-accounts", account)
        post("/phone-numbers", {"phone": CALLER})
        given = {"agent_id": agent["id"], "caller_numbers": [CALLER], "calling_hours": ALWAYS}
        post("/campaigns", {"name": "Spring sale", "slug": "spring-sale", **given})
        post("/campaigns/spring-sale/prospects:upsert", {"items": [{"phone": phone} for phone in PHONES]})
