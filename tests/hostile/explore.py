"""Requests made up from the OpenAPI description: half of them with ids that exist, all with a right key or signature.

    python -m tests.hostile.explore --examples 300

starts PostgreSQL, Temporal's development server and the API for itself, and says what broke and how to repeat it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from temporalio.testing import WorkflowEnvironment

from dialer.store import migrate
from dialer.store.database import Database, rows
from tests.fixtures_postgres import running_postgres
from tests.fixtures_temporal import ATTRIBUTES, binary
from tests.hostile.ground import ApiProcess, running_api
from tests.hostile.live_calls import ACCOUNT_SID, KEY, PUBLIC_URL, LiveCalls, make_live_calls, settings_for
from tests.hostile.streams import HOST
from tests.hostile.wire import CALLBACKS, sid_of, signature

CALLS = 40
STATUSES = ("draft", "draft", "draft", "paused", "running", "stopped", "completed")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A running API, and the ids of things that exist in it by the name of the parameter that takes them."""

    api: ApiProcess
    ids: Mapping[str, Sequence[str]]
    call_sids: Mapping[str, str]


@dataclass(slots=True)
class Explored:
    """What was asked and what came of it."""

    operations: int = 0
    answers: int = 0
    reached: set[str] = field(default_factory=set[str])
    failures: list[str] = field(default_factory=list[str])
    log: str = ""


@contextmanager
def running_town(database_url: str, temporal: str, home: Path) -> Iterator[Town]:
    """The API over a database in which there is something of everything."""
    configured = settings_for(database_url)
    calls = asyncio.run(_made(database_url))
    with running_api(configured, home, temporal) as api:
        campaigns = _campaigns(api)
        yield Town(
            api=api,
            ids=asyncio.run(_ids(database_url, calls, campaigns)),
            call_sids={str(call_id): sid_of(call_id) for call_id in calls.ids},
        )


async def _made(url: str) -> LiveCalls:
    database = Database(url)
    try:
        return await make_live_calls(database, settings_for(url), CALLS)
    finally:
        await database.close()


def _campaigns(api: ApiProcess) -> list[str]:
    """Drafts, as the API writes them."""
    with httpx.Client(base_url=f"http://{HOST}:{api.port}/api/v1", headers={"X-API-Key": KEY}, trust_env=False) as http:
        agent = http.post("/agents", json={"name": "Ann", "first_message": "Hello {{name|there}}"}).raise_for_status()
        body = {"name": "Spring sale", "agent_id": agent.json()["id"], "caller_numbers": ["+16505550150"]}
        return [http.post("/campaigns", json=body).raise_for_status().json()["id"] for _ in STATUSES]


async def _ids(url: str, calls: LiveCalls, campaigns: list[str]) -> Mapping[str, Sequence[str]]:
    database = Database(url)
    facts = {"w": calls.workspace_id}
    try:
        async with database.transaction(calls.workspace_id) as session:
            sql = """INSERT INTO agents (workspace_id, name) SELECT :w, 'Ada' FROM generate_series(1, 4) RETURNING id"""
            agents = [row.id for row in await rows(session, sql, facts)]
            sql = """UPDATE campaigns c SET status = s.status
                     FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[])) AS s(id, status)
                     WHERE c.id = s.id RETURNING 1"""
            await rows(session, sql, {"ids": campaigns, "statuses": list(STATUSES)})
            sql = """UPDATE campaigns SET settings = (SELECT settings FROM campaigns WHERE id = :draft)
                     WHERE id = :c RETURNING 1"""
            await rows(session, sql, {"draft": campaigns[0], "c": calls.campaign_id})
            sql = """INSERT INTO suppressions (workspace_id, phone) SELECT :w, '+120255501' || i
                     FROM generate_series(10, 14) AS i RETURNING id"""
            suppressions = [row.id for row in await rows(session, sql, facts)]
            sql = """INSERT INTO imports (workspace_id, campaign_id, filename, options, status)
                     SELECT :w, :c, 'a.csv', '{}', s FROM unnest(ARRAY['failed', 'completed', 'cancelled']) AS s
                     RETURNING id"""
            imports = [row.id for row in await rows(session, sql, {**facts, "c": campaigns[0]})]
            found = {
                "agent_id": agents,
                "campaign": [*campaigns, calls.campaign_id],
                "suppression_id": suppressions,
                "import_id": imports,
                "call_id": calls.ids,
                "prospect_id": [row.id for row in await rows(session, "SELECT id FROM prospects LIMIT 20")],
                "account_id": [row.id for row in await rows(session, "SELECT id FROM carrier_accounts")],
                "phone_number": [row.phone for row in await rows(session, "SELECT phone FROM phone_numbers")],
            }
    finally:
        await database.close()
    return {name: [str(value) for value in values] for name, values in found.items()}


class _Signed(requests.auth.AuthBase):
    """Signs the request as it leaves, as the carrier does."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = request.path_url
        if path.startswith(CALLBACKS):
            body = request.body or b""
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            form = dict(parse_qsl(text, keep_blank_values=True))
            request.headers["X-Twilio-Signature"] = signature(PUBLIC_URL + path, form)
        else:
            request.headers["X-API-Key"] = KEY
        return request


def explore(town: Town, *, examples: int, derandomize: bool = False) -> Explored:
    """Ask every operation of the description."""
    base = f"http://{HOST}:{town.api.port}"
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    done = Explored()
    with requests.Session() as session:
        session.trust_env = False
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path.endswith("/stream"):
                continue  # an answer that lasts as long as its campaign; tests/api/test_streams.py asks for it
            done.operations += 1
            _ask(town, operation, done, session, settings_of(examples, derandomize))
    done.log = town.api.output.read_text()
    return done


def settings_of(examples: int, derandomize: bool) -> settings:
    return settings(
        max_examples=examples,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )


def _ask(town: Town, operation: Any, done: Explored, session: requests.Session, chosen: settings) -> None:
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

    @chosen
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        mode = modes[0] if data.draw(st.integers(0, 3)) else modes[1]
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if data.draw(st.booleans()):
            _make_real(town, case, data)
        answer = case.call(session=session, auth=_Signed(), timeout=60)
        done.answers += 1
        if answer.status_code < 300:
            done.reached.add(operation.label)
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, AssertionError) as failure:
            found = "; ".join(str(error) for error in getattr(failure, "exceptions", [failure]))
            done.failures.append(f"{operation.label}: {found[:1500]}\n{case.as_curl_command()[:1500]}")

    try:
        ask()
    except schemathesis.errors.InvalidSchema as error:
        done.failures.append(f"{operation.label}: {error}")


def _make_real(town: Town, case: Any, data: st.DataObject) -> None:
    """Put ids that exist where the request has made-up ones."""
    for name in case.path_parameters or {}:
        if name in town.ids:
            case.path_parameters[name] = data.draw(st.sampled_from(town.ids[name]))
    if case.path.startswith(CALLBACKS) and isinstance(case.body, dict):
        call_id = data.draw(st.sampled_from(sorted(town.call_sids)))
        case.query = {**(case.query or {}), "call_id": call_id}
        statuses = ["initiated", "ringing", "in-progress", "completed", "busy", "failed"]
        case.body |= {"AccountSid": ACCOUNT_SID, "CallSid": town.call_sids[call_id]}
        case.body["CallStatus"] = data.draw(st.sampled_from(statuses))
    elif isinstance(case.body, dict):
        for name, known in (("agent_id", "agent_id"), ("campaign_id", "campaign"), ("to", "phone_number")):
            if name in case.body:
                case.body[name] = data.draw(st.sampled_from(town.ids[known]))
        if "caller_numbers" in case.body:
            case.body["caller_numbers"] = [town.ids["phone_number"][0]]


async def _by_hand(asked: argparse.Namespace, url: str, home: Path) -> Explored:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"), search_attributes=list(ATTRIBUTES), dev_server_log_level="error"
    ) as temporal:
        address = temporal.client.service_client.config.target_host
        return await asyncio.to_thread(_explored, asked, url, address, home)


def _explored(asked: argparse.Namespace, url: str, temporal: str, home: Path) -> Explored:
    with running_town(url, temporal, home) as town:
        return explore(town, examples=asked.examples)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask the API whatever its description allows, and more.")
    parser.add_argument("--examples", type=int, default=100, help="requests per operation")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_postgres(Path(folder)) as server:
        url = server.url(server.create())
        migrate.upgrade(url)
        done = asyncio.run(_by_hand(asked, url, Path(folder)))
    sys.stdout.write("\n\n".join([*done.failures, ""]))
    sys.stdout.write(f"{done.answers} answers of {done.operations} operations, {len(done.reached)} went well; ")
    sys.stdout.write(f"{len(done.failures)} failures; {done.log.count('Traceback')} tracebacks in the log\n")
    sys.stdout.flush()
    os._exit(1 if done.failures else 0)  # the Temporal SDK can crash while an interpreter shuts down


if __name__ == "__main__":
    main()
