"""The app as it runs, over a real database; Temporal is a real dev server where a test asks for it."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from cryptography.fernet import Fernet
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from api.app import create_app, services_over
from api.operations.services import Services
from dialer.domain.timing import Timing
from dialer.settings import Settings
from dialer.store.bootstrap import ensure_workspace
from tests.api.apis import CALLER, KEY, PERSON, Api

PUBLIC_URL = "http://dialer.example"
ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "a-token-for-tests"
NOBODY = "127.0.0.1:1"  # where no Temporal server is


@pytest.fixture
def clock_offset() -> timedelta:
    """How far the product's clock stands from the machine's; a module may say otherwise."""
    return timedelta(0)


@pytest.fixture
def settings(database_url: str, clock_offset: timedelta) -> Settings:
    """What the environment of a process with the simulator says."""
    return Settings.model_validate(
        {
            "database_url": database_url,
            "public_url": PUBLIC_URL,
            "temporal_ui_url": "http://temporal.example",
            "twilio_account_sid": ACCOUNT_SID,
            "twilio_auth_token": AUTH_TOKEN,
            "twilio_base_url": "http://127.0.0.1:9",
            "secret_key": Fernet.generate_key().decode(),
            "api_key": KEY,
            "clock_offset": clock_offset,
            "timing": Timing(undecided_s=1.0),
        }
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """The app's own, with a Temporal that does not answer."""
    client = await Client.connect(NOBODY, data_converter=pydantic_data_converter, lazy=True)
    async with services_over(settings, client) as made:
        yield made


@pytest.fixture
async def api(services: Services, settings: Settings) -> AsyncIterator[Api]:
    async with _api(services, settings) as made:
        yield made


@asynccontextmanager
async def _api(services: Services, settings: Settings) -> AsyncIterator[Api]:
    async with services.database.transaction_over_all() as session:
        workspace_id, _ = await ensure_workspace(session, settings)
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers={"X-API-Key": KEY}) as http:
        yield Api(http=http, services=services, workspace_id=workspace_id)


@pytest.fixture(scope="session")
def temporal_address() -> Iterator[str]:
    """A dev server for the session."""
    program = shutil.which("temporal", path=str(Path(sys.executable).parent))
    assert program is not None
    keys = [SearchAttributeKey.for_keyword(name) for name in ("WorkspaceId", "CampaignId", "ProspectId", "Disposition")]

    async def start() -> WorkflowEnvironment:
        return await WorkflowEnvironment.start_local(
            dev_server_existing_path=program,
            search_attributes=[*keys, SearchAttributeKey.for_int("AttemptNumber")],
        )

    with asyncio.Runner() as runner:
        environment = runner.run(start())
        yield environment.client.service_client.config.target_host
        runner.run(environment.shutdown())


@pytest.fixture
async def api_with_temporal(settings: Settings, temporal_address: str) -> AsyncIterator[Api]:
    """The app over a Temporal server, on which no worker runs."""
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    async with services_over(settings, client) as services, _api(services, settings) as made:
        yield made


@pytest.fixture
async def call_id(api: Api) -> UUID:
    """A call that was just dialed for a prospect of a running campaign."""
    campaign = await api.campaign()
    body = {"phone": PERSON, "name": "Ada", "variables": {"plan": "gold"}}
    await api.post(f"/campaigns/{campaign['id']}/prospects", body)
    await api.read("UPDATE campaigns SET status = 'running' RETURNING 1")
    sql = """
        INSERT INTO calls (workspace_id, campaign_id, agent_id, prospect_id, contact_id, state, carrier_account_id,
            phone_number_id, from_phone, to_phone, claimed_at, dialed_at)
        SELECT p.workspace_id, p.campaign_id, c.agent_id, p.id, p.contact_id, 'dialing', n.carrier_account_id, n.id,
            n.phone, p.phone, dialer_now(), dialer_now()
        FROM prospects p JOIN campaigns c ON c.id = p.campaign_id, phone_numbers n WHERE n.phone = :caller
        RETURNING id"""
    (row,) = await api.read(sql, caller=CALLER)
    await api.read("UPDATE prospects SET state = 'in_call' RETURNING 1")
    return row.id
