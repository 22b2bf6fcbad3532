"""Looks at everything an installation needs and says what to do about what is missing.

Each check is a function that returns a :class:`Finding` and raises nothing that a broken installation can cause.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import httpx
import psycopg
from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.service import RPCError
from twilio.request_validator import RequestValidator  # pyright: ignore[reportMissingTypeStubs]

from dialer.client.api import ApiClient, ApiProblem, NoStack
from dialer.settings import Settings, temporal_connection
from dialer.stack.temporal import RETENTION_DAYS, SEARCH_ATTRIBUTES
from dialer.store import migrate

LEAST_POSTGRES = 180_000
TOLERATED_SKEW_S = 2.0
CALLBACK = "/api/v1/carriers/twilio/status"
NOBODYS_CALL = UUID(int=0)
CONNECT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. ``fix`` is what to do when it is not well."""

    name: str
    well: bool
    detail: str
    fix: str = ""


async def examine(settings: Settings, api: ApiClient | None) -> list[Finding]:
    """All findings, in the order in which they should be mended. ``api`` is None when no API is known."""
    database, temporal, carrier, public = await asyncio.gather(
        asyncio.to_thread(_database, settings),
        _temporal(),
        asyncio.to_thread(_carrier, api),
        check_public_address(settings),
    )
    clock = await _carrier_clock(settings)
    return [*database, *temporal, *carrier, *clock, *public]


def _database(settings: Settings) -> list[Finding]:
    try:
        with psycopg.connect(settings.database_url, connect_timeout=CONNECT_S, autocommit=True) as connection:
            return [
                _version(connection),
                _role(connection),
                _migrations(settings.database_url),
                _database_clock(connection),
            ]
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        fix = "start it with `dialer up`, or set DIALER_DATABASE_URL to a PostgreSQL that runs"
        return [Finding(name="database", well=False, detail=reason, fix=fix)]


def _version(connection: psycopg.Connection[Any]) -> Finding:
    number = connection.info.server_version
    return Finding(
        name="database",
        well=number >= LEAST_POSTGRES,
        detail=f"PostgreSQL {number // 10_000}.{number % 10_000}",
        fix="use PostgreSQL 18 or newer",
    )


def _role(connection: psycopg.Connection[Any]) -> Finding:
    row = connection.execute(
        "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    name, superuser, bypasses = row if row is not None else ("?", True, True)
    return Finding(
        name="database role",
        well=not superuser and not bypasses,
        detail=f"{name} obeys row-level security"
        if not superuser and not bypasses
        else f"{name} steps around row-level security",
        fix=f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS, or connect as another role",
    )


def _migrations(database_url: str) -> Finding:
    try:
        current = migrate.is_current(database_url)
    except SQLAlchemyError as error:
        return Finding(name="migrations", well=False, detail=type(error).__name__, fix="look at the database's log")
    return Finding(
        name="migrations",
        well=current,
        detail="current" if current else "behind this version of the code",
        fix="python -m dialer.store.migrate",
    )


def _database_clock(connection: psycopg.Connection[Any]) -> Finding:
    before = time.time()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    after = time.time()
    assert row is not None
    return _skew("clock of the database", float(row[0]) - (before + after) / 2, unsure_s=(after - before) / 2)


def _skew(name: str, seconds: float, *, unsure_s: float) -> Finding:
    return Finding(
        name=name,
        well=abs(seconds) <= TOLERATED_SKEW_S + unsure_s,
        detail=f"{seconds:+.1f} s from this machine's",
        fix="keep the clocks of all machines right (chrony, systemd-timesyncd)",
    )


async def _temporal() -> list[Finding]:
    connection = temporal_connection()
    address = connection.get("target_host", "localhost:7233")
    namespace = connection.get("namespace", "default")
    try:
        async with asyncio.timeout(CONNECT_S):
            client = await Client.connect(**connection)
            described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
            known = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=namespace)
            )
    except (RPCError, RuntimeError, TimeoutError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
        fix = "start it with `dialer up`, or set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY)"
        return [Finding(name="Temporal", well=False, detail=f"{address}: {reason}", fix=fix)]
    missing = [name for name in SEARCH_ATTRIBUTES if name not in known.custom_attributes]
    return [
        Finding(name="Temporal", well=True, detail=f"namespace {namespace} at {address}"),
        _retention(described, namespace),
        Finding(
            name="search attributes",
            well=not missing,
            detail=f"missing: {', '.join(missing)}" if missing else ", ".join(SEARCH_ATTRIBUTES),
            fix="; ".join(
                f"temporal operator search-attribute create --namespace {namespace} "
                f"--name {name} --type {SEARCH_ATTRIBUTES[name]}"
                for name in missing
            ),
        ),
    ]


def _retention(described: DescribeNamespaceResponse, namespace: str) -> Finding:
    days = described.config.workflow_execution_retention_ttl.seconds / 86_400
    return Finding(
        name="retention",
        well=days >= RETENTION_DAYS,
        detail=f"call attempts stay visible in Temporal for {days:g} days",
        fix=f"temporal operator namespace update --namespace {namespace} --retention {RETENTION_DAYS}d",
    )


def _carrier(api: ApiClient | None) -> list[Finding]:
    if api is None:
        return [_no_api("there is none")]
    try:
        accounts = api.get("/carrier-accounts", limit=100)["items"]
        if not accounts:
            fix = "POST /api/v1/carrier-accounts, or start with TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
            return [Finding(name="carrier account", well=False, detail="there is none", fix=fix)]
        return [_carrier_account(api, account) for account in accounts]
    except (ApiProblem, NoStack) as error:
        return [_no_api(str(error).splitlines()[0])]


def _no_api(reason: str) -> Finding:
    fix = "start it with `dialer up`, or set DIALER_API_URL and DIALER_API_KEY"
    return Finding(name="API", well=False, detail=reason, fix=fix)


def _carrier_account(api: ApiClient, account: Mapping[str, Any]) -> Finding:
    name = f"carrier account {account.get('label') or account['id']}"
    fix = "check the account SID and auth token at the carrier, then PATCH /api/v1/carrier-accounts/{id}"
    try:
        answer = api.post(f"/carrier-accounts/{account['id']}/test")
    except ApiProblem as error:
        return Finding(name=name, well=False, detail=str(error).replace("\n", "; "), fix=fix)
    return Finding(
        name=name,
        well=bool(answer.get("ok", True)),
        detail=str(answer.get("detail") or answer.get("status") or "answers"),
        fix=fix,
    )


async def _carrier_clock(settings: Settings) -> list[Finding]:
    """From the ``Date`` of an answer, which is cut to whole seconds."""
    url = settings.twilio_base_url or "https://api.twilio.com"
    if not settings.simulated and settings.twilio_account_sid is None:
        return []
    try:
        async with httpx.AsyncClient(trust_env=not settings.simulated, timeout=CONNECT_S) as http:
            before = time.time()
            answer = await http.get(url)
            after = time.time()
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (httpx.TransportError, KeyError, ValueError) as error:
        detail = f"{url}: {type(error).__name__}"
        return [Finding(name="clock of the carrier", well=False, detail=detail, fix="is the carrier reachable?")]
    skew = theirs.astimezone(UTC).timestamp() + 0.5 - (before + after) / 2
    findings = [_skew("clock of the carrier", skew, unsure_s=0.5 + (after - before) / 2)]
    if settings.clock_offset:
        now = settings.clock.now()
        detail = f"DIALER_CLOCK is set: for the dialer it is {now:%Y-%m-%d %H:%M} UTC"
        fix = "unset DIALER_CLOCK outside of tests"
        findings.append(Finding(name="clock of the dialer", well=settings.simulated, detail=detail, fix=fix))
    return findings


async def check_public_address(settings: Settings) -> list[Finding]:
    """Sends what the carrier would send, about a call that does not exist."""
    name = "public address"
    base, sid, token = settings.public_url, settings.twilio_account_sid, settings.twilio_auth_token
    if base is None:
        fix = "set DIALER_PUBLIC_URL to the https:// address at which the carrier reaches this API"
        return [Finding(name=name, well=False, detail="DIALER_PUBLIC_URL is not set", fix=fix)]
    if sid is None or token is None:
        fix = "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN to try it from here"
        return [Finding(name=name, well=False, detail="no account to sign a callback with", fix=fix)]
    if not settings.simulated and not base.startswith("https://"):
        fix = "use an https:// address: callbacks carry phone numbers"
        return [Finding(name=name, well=False, detail=f"{base} is not https", fix=fix)]
    url = f"{base}{CALLBACK}?call_id={NOBODYS_CALL}"
    form = {"AccountSid": sid, "CallSid": "CA" + "0" * 32, "CallStatus": "completed", "SequenceNumber": "0"}
    form["Timestamp"] = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    signature = str(RequestValidator(token).compute_signature(url, form))  # pyright: ignore[reportUnknownArgumentType]
    try:
        async with httpx.AsyncClient(trust_env=not settings.simulated, timeout=CONNECT_S) as http:
            answer = await http.post(url, data=form, headers={"X-Twilio-Signature": signature})
    except httpx.TransportError as error:
        fix = "is the address right, and does a proxy or tunnel lead from it to the API?"
        return [Finding(name=name, well=False, detail=f"{base}: {type(error).__name__}", fix=fix)]
    return [_callback_answer(base, answer.status_code)]


def _callback_answer(base: str, status: int) -> Finding:
    name = "public address"
    if status == httpx.codes.NO_CONTENT.value:
        return Finding(name=name, well=True, detail=f"{base} takes signed callbacks")
    if status == httpx.codes.FORBIDDEN.value:
        fix = (
            "the API sees another address or token than the carrier signs with: start the API with the same "
            "DIALER_PUBLIC_URL, and check the account's auth token"
        )
        return Finding(name=name, well=False, detail=f"{base} refuses a valid signature (403)", fix=fix)
    fix = f"something else than this API answers there, or its proxy does not pass on {CALLBACK}"
    return Finding(name=name, well=False, detail=f"{base} answers {status}", fix=fix)
