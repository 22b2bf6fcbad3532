"""The doctor finds what is not well and says how to mend it, whatever is broken."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from dialer.settings import Settings
from dialer.stack.doctor import CALLBACK, Finding, examine
from dialer.stack.ports import free_port
from tests.fixtures_postgres import TestPostgres
from tests.fixtures_processes import until

SID, TOKEN = "AC" + "1" * 32, "a token for tests"


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which nothing answers, also given as Temporal's."""
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    return f"http://{address}"


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(settings, None)}


async def test_an_installation_where_nothing_runs_is_described_not_crashed(nowhere: str) -> None:
    settings = Settings(
        database_url=f"postgresql://a:b@{nowhere.removeprefix('http://')}/x",
        public_url=nowhere,
        twilio_base_url=nowhere,
        twilio_account_sid=SID,
        twilio_auth_token=TOKEN,
    )
    found = await findings(settings)
    assert not any(finding.well for finding in found.values())
    assert all(finding.fix for finding in found.values())
    assert {"database", "Temporal", "API", "clock of the carrier", "public address"} <= set(found)


async def test_a_migrated_database_with_the_products_role_is_well(nowhere: str, database_url: str) -> None:
    found = await findings(Settings(database_url=database_url))
    for name in ("database", "database role", "migrations", "clock of the database"):
        assert found[name].well, found[name]


async def test_a_superuser_and_missing_migrations_are_found(nowhere: str, postgres: TestPostgres) -> None:
    name = postgres.create()
    found = await findings(Settings(database_url=postgres.admin_url(name)))
    assert not found["database role"].well
    assert not found["migrations"].well
    assert "dialer.store.migrate" in found["migrations"].fix
    postgres.drop(name)


async def test_the_real_carrier_needs_an_https_address(nowhere: str, database_url: str) -> None:
    settings = Settings(database_url=database_url, public_url=nowhere, twilio_account_sid=SID, twilio_auth_token=TOKEN)
    assert "https" in (await findings(settings.model_copy()))["public address"].fix


@pytest.fixture
async def callbacks() -> AsyncIterator[str]:
    """A server that checks the signature of a status callback as Twilio's own library does."""
    port = free_port()

    async def status(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        signature = request.headers["X-Twilio-Signature"]
        url = f"http://127.0.0.1:{port}{CALLBACK}?{request.url.query}"
        valid = RequestValidator(TOKEN).validate(url, form, signature) and form["AccountSid"] == SID
        return Response(status_code=204 if valid else 403)

    app = Starlette(routes=[Route(CALLBACK, status, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def test_a_public_address_that_takes_signed_callbacks_is_well(
    nowhere: str, callbacks: str, database_url: str
) -> None:
    settings = Settings(
        database_url=database_url,
        public_url=callbacks,
        twilio_base_url=callbacks,
        twilio_account_sid=SID,
        twilio_auth_token=TOKEN,
    )
    found = await findings(settings)
    assert found["public address"].well
    assert found["clock of the carrier"].well
    other = settings.model_copy(update={"twilio_auth_token": "another", "clock_offset": timedelta(hours=1)})
    found = await findings(other)
    assert not found["public address"].well
    assert "DIALER_PUBLIC_URL" in found["public address"].fix
    assert "DIALER_CLOCK" in found["clock of the dialer"].detail


async def test_another_server_at_the_public_address_is_told_apart(
    nowhere: str, callbacks: str, database_url: str
) -> None:
    settings = Settings(
        database_url=database_url,
        public_url=f"{callbacks}/elsewhere",
        twilio_base_url=callbacks,
        twilio_account_sid=SID,
        twilio_auth_token=TOKEN,
    )
    found = (await findings(settings))["public address"]
    assert "answers 404" in found.detail
    assert httpx.URL(callbacks).host in found.detail
