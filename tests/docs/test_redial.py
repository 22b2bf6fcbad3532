"""docs/redial.md: its tables are what the domain does, and its examples run as they are printed."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography.fernet import Fernet

from dialer.domain.dispositions import OUTCOME_RULES, RULES, DispositionRule, OutcomeRule
from dialer.domain.durations import format_duration
from dialer.stack.ports import free_port
from tests.api.apis import ALWAYS, CALLER, KEY
from tests.docs.test_exports import serves
from tests.fixtures_processes import until

PAGE = (Path(__file__).parents[2] / "docs" / "redial.md").read_text("utf-8")
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(240)


def table(name: str) -> list[list[str]]:
    """The rows of a table of the page, without its head."""
    found = re.search(rf"<!-- {name}:start -->\n(.*?)<!-- {name}:end -->", PAGE, re.DOTALL)
    assert found is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()[2:]]


def cells(name: str, rule: DispositionRule | OutcomeRule) -> list[str]:
    again = "never" if rule.final else _in_words(rule.default_delays)
    return [f"`{name}`", again, rule.final_state.value]


def _in_words(delays: Sequence[timedelta]) -> str:
    return ", ".join(format_duration(delay) for delay in delays) or "no"


def test_the_table_of_defaults_is_what_the_domain_does() -> None:
    kinds = [[*cells(kind.value, rule), rule.redial_group or ""] for kind, rule in RULES.items()]
    assert table("dispositions") == kinds
    assert table("outcomes") == [cells(kind.value, rule) for kind, rule in OUTCOME_RULES.items()]


async def test_the_examples_run(database_url: str, tmp_path: Path) -> None:
    assert shutil.which("curl"), "the examples need curl"
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
        environment |= await asyncio.to_thread(fill, url, database_url)
        for commands in BLOCK.findall(PAGE):
            ran = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", commands), env=environment, cwd=tmp_path
            )
            assert await ran.wait() == 0, commands
    finally:
        server.send_signal(signal.SIGTERM)
        await server.wait()
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT set_config('dialer.workspace', '*', false)")
        found = connection.execute("SELECT state, callback_at IS NOT NULL, allowance FROM prospects ORDER BY phone")
        assert found.fetchall() == [("ready", True, None), ("ready", False, 2), ("suppressed", False, None)]


def fill(url: str, database_url: str) -> dict[str, str]:
    """The campaign of the examples, its people and a call of one of them: what the examples name by variables."""
    with httpx.Client(base_url=f"{url}/api/v1", headers={"X-API-Key": KEY}, trust_env=False, timeout=60) as http:
        account = {"label": "Test", "account_sid": "AC" + "5" * 32, "secret": "a-token-for-tests"}
        http.post("/carrier-accounts", json=account).raise_for_status()
        http.post("/phone-numbers", json={"phone": CALLER}).raise_for_status()
        agent = http.post("/agents", json={"name": "Ada", "first_message": "Hi"}).json()
        campaign = {"name": "Spring sale", "slug": "spring-sale", "agent_id": agent["id"], "caller_numbers": [CALLER]}
        http.post("/campaigns", json={**campaign, "calling_hours": ALWAYS}).raise_for_status()
        people = [
            http.post("/campaigns/spring-sale/prospects", json={"phone": phone, "time_zone": "America/New_York"}).json()
            for phone in ("+12025550101", "+12025550102", "+12025550103")
        ]
        http.post("/suppressions", json={"phone": "+12025550103"}).raise_for_status()
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT set_config('dialer.workspace', '*', false)")
        sql = """UPDATE prospects SET state = 'exhausted', next_due_at = NULL, last_disposition = 'no_answer'
                 WHERE state <> 'suppressed'"""
        connection.execute(sql)
        sql = """INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, to_phone, state, disposition,
                    claimed_at, ended_at, answered_at)
                 SELECT workspace_id, campaign_id, id, contact_id, phone, 'ended', 'human', dialer_now(),
                    dialer_now(), dialer_now() FROM prospects WHERE id = %s RETURNING id"""
        call = connection.execute(sql, (people[0]["id"],)).fetchone()
        assert call is not None
    return {"PROSPECT": people[0]["id"], "CALL": str(call[0])}
