"""What operators and orchestrators ask. No authentication, nothing about anybody."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from api.deps import ServicesDep
from api.metrics import Metrics
from api.operations import health
from api.problems import responses

router = APIRouter(tags=["health"])


@router.get("/health", summary="Is the process there?")
@router.get("/liveness", summary="Is the process alive?")
async def read_liveness() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readiness", summary="Can it work: do PostgreSQL and Temporal answer?", responses=responses(503))
async def read_readiness(services: ServicesDep) -> Response:
    found = await health.readiness(services)
    body: dict[str, Any] = {"status": "ok" if all(found.values()) else "unavailable", "checks": found}
    return JSONResponse(body, 200 if all(found.values()) else 503)


@router.get("/version", summary="Which version runs?")
async def read_version() -> dict[str, str]:
    return health.version()


@router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
async def read_metrics(request: Request) -> Response:
    metrics, fleet = request.app.state.metrics, request.app.state.fleet
    assert isinstance(metrics, Metrics)
    assert isinstance(fleet, health.FleetFigures)
    return PlainTextResponse(metrics.text(await fleet.read()), media_type="text/plain; version=0.0.4")
