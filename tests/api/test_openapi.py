"""The description of the API is valid, complete and has examples."""

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import validate
from starlette.routing import Mount, Route

from api.app import create_app
from api.deps import AuthenticatedRoute, StreamingRoute
from api.operations.services import Services
from tests.api.apis import Api

PROMISED = """
GET /health /liveness /readiness /version /metrics
GET /api/v1/me
GET,PATCH /api/v1/workspace
GET,POST /api/v1/agents
GET,PATCH,DELETE /api/v1/agents/{}
GET,POST /api/v1/carrier-accounts
GET,PATCH,DELETE /api/v1/carrier-accounts/{}
POST /api/v1/carrier-accounts/{}/test
GET,POST /api/v1/phone-numbers
GET,PATCH,DELETE /api/v1/phone-numbers/{}
GET,POST /api/v1/campaigns
GET,PATCH,DELETE /api/v1/campaigns/{}
GET /api/v1/campaigns/options
POST /api/v1/campaigns/{}/clone /api/v1/campaigns/{}/launch /api/v1/campaigns/{}/pause
POST /api/v1/campaigns/{}/resume /api/v1/campaigns/{}/stop /api/v1/campaigns/{}/requeue
POST /api/v1/campaigns/{}/resume /api/v1/campaigns/{}/stop
GET /api/v1/campaigns/{}/versions /api/v1/campaigns/{}/versions/{}
POST /api/v1/campaigns/{}/versions/{}/restore
GET /api/v1/campaigns/{}/schedule
GET /api/v1/campaigns/{}/status /api/v1/campaigns/{}/stats /api/v1/campaigns/{}/results
GET /api/v1/campaigns/{}/stream /api/v1/campaigns/{}/stats/dispositions/{}
POST /api/v1/campaigns/{}/prospects:upload /api/v1/campaigns/{}/prospects:upsert
GET,POST /api/v1/campaigns/{}/prospects
POST /api/v1/campaigns/{}/imports
GET,HEAD,PATCH /api/v1/imports/{}/upload
GET /api/v1/imports /api/v1/imports/{}/errors
GET,DELETE /api/v1/imports/{}
POST /api/v1/imports/{}/retry
GET,PATCH,DELETE /api/v1/prospects/{}
GET /api/v1/prospects/{}/explain
POST /api/v1/prospects/{}/callback
GET,POST /api/v1/batches
GET,PATCH,DELETE /api/v1/batches/{}
GET,POST /api/v1/calls
GET /api/v1/calls/live /api/v1/calls/{}/events
GET,PATCH,DELETE /api/v1/calls/{}
POST /api/v1/calls/{}/hang-up
GET,POST,DELETE /api/v1/suppressions
GET /api/v1/suppressions/check
POST /api/v1/carriers/twilio/status /api/v1/carriers/twilio/voice
POST /api/v1/carriers/twilio/amd /api/v1/carriers/twilio/recording
"""


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    return (await api.http.get("/openapi.json")).json()


async def test_the_openapi_document_is_valid(document: dict[str, Any]):
    validate(document)


async def test_every_promised_path_is_described(document: dict[str, Any]):
    described = {
        (
            method.upper(),
            "/".join("{}" if part.startswith("{") and part.endswith("}") else part for part in _parts(path)),
        )
        for path, operations in document["paths"].items()
        for method in operations
    }
    promised = {
        (method, path)
        for line in PROMISED.strip().splitlines()
        for methods, *paths in [line.split()]
        for method in methods.split(",")
        for path in paths
    }
    assert promised - described == set()


async def test_every_operation_has_a_summary_a_tag_and_its_problems(document: dict[str, Any]):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary"), where
            assert operation.get("tags"), where
            assert "HTTPValidationError" not in str(operation), where
            if path.startswith("/api/v1"):
                assert "application/problem+json" in operation["responses"]["422"]["content"], where


async def test_every_route_but_callbacks_health_and_public_status_wants_a_key(document: dict[str, Any]):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            wants = bool(operation.get("security"))
            assert wants == (path.startswith("/api/v1") and "/carriers/" not in path), f"{method} {path}"


async def test_what_clients_write_has_examples(document: dict[str, Any]):
    for name in ("CampaignIn", "ProspectIn", "CallIn"):
        assert document["components"]["schemas"][name]["examples"], name


async def test_a_patch_shows_no_defaults(document: dict[str, Any]):
    for name in ("AgentPatch", "BatchPatch", "CampaignPatch", "NumberPatch", "ProspectPatch"):
        properties = document["components"]["schemas"][name]["properties"]
        assert all("default" not in field for field in properties.values()), name


async def test_the_pages_of_the_documentation_are_served(api: Api):
    for path in ("/docs", "/redoc"):
        page = await api.http.get(path)
        assert page.status_code == 200
        files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert files
        assert all(file.startswith("/") for file in files), "nothing comes from another server"
        assert {(await api.http.get(file)).status_code for file in files} == {200}


def _parts(path: str) -> list[str]:
    """``{campaign}/prospects:upload`` has the parameter alone in its part."""
    return path.split("/")


async def test_every_route_is_the_apps_own(services: Services) -> None:
    """A router in the app would be searched twice for each request (``api/versioned.py``)."""
    assert {type(route) for route in create_app(services).routes} <= {
        Route,
        Mount,
        APIRoute,
        AuthenticatedRoute,
        StreamingRoute,
    }
