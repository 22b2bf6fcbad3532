"""The HTTP API: ``python -m api.app --host 127.0.0.1 --port 8600``."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib import metadata
from types import FrameType

import uvicorn
import uvloop
from fastapi import FastAPI
from temporalio.client import Client

from api import docs_pages, problems
from api.connections import BoundedConnection
from api.metrics import Metrics
from api.middleware import RequestContext
from api.operations.health import FleetFigures
from api.operations.live import Live
from api.operations.services import Services
from api.rates import Rates
from api.routes import (
    accounts,
    agents,
    batches,
    calls,
    campaign_control,
    campaign_figures,
    campaign_versions,
    campaigns,
    carriers,
    exports,
    health,
    imports,
    numbers,
    prospects,
    schedules,
    streams,
    suppressions,
    upload_sessions,
    workspace,
)
from dialer.carrier_accounts import CarrierAccounts
from dialer.sealing import Seal
from dialer.settings import Settings, temporal_connection
from dialer.store.database import Database
from dialer.tracing import Tracing
from workflows.starts import WorkflowClient

DESCRIPTION = """\
Campaigns of outbound calls: upload prospects, launch, watch, pause.

Send an API key in `X-API-Key` (or as a bearer token). Lists are paged by `cursor`. Every POST that makes or starts
something takes an `Idempotency-Key`. Errors are problem documents (RFC 9457) with a stable `code`.
"""


def create_app(services: Services, tracing: Tracing | None = None) -> FastAPI:
    """The app over what it works with; whoever made ``services`` and ``tracing`` closes them."""
    app = FastAPI(
        title="Dialer",
        version=metadata.version("dialer"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        separate_input_output_schemas=False,
    )
    app.state.services = services
    app.state.rates = Rates()
    app.state.metrics = Metrics()
    app.state.fleet = FleetFigures(services)
    app.state.live = Live(services)
    problems.install(app)
    docs_pages.install(app)
    # Routes are tried in this order, and callbacks are most of the traffic.
    for router in (
        carriers.router,
        health.router,
        workspace.router,
        agents.router,
        accounts.router,
        numbers.router,
        campaigns.router,
        campaign_control.router,
        campaign_versions.router,
        schedules.router,
        campaign_figures.router,
        campaign_figures.public,
        streams.router,
        batches.streams,
        batches.router,
        imports.streams,
        imports.router,
        upload_sessions.streams,
        upload_sessions.router,
        prospects.router,
        exports.router,
        calls.router,
        suppressions.router,
    ):
        app.router.routes.extend(router.routes)
    app.add_middleware(RequestContext, metrics=app.state.metrics, tracing=tracing or Tracing())
    return app


@asynccontextmanager
async def services_over(settings: Settings, client: Client) -> AsyncGenerator[Services]:
    """What one process works with, over a Temporal client."""
    seal = Seal(settings.secret_key)
    database = Database(settings.database_url, clock_offset=settings.clock_offset)
    carriers = CarrierAccounts(database, seal, settings)
    try:
        yield Services(
            database=database,
            workflows=WorkflowClient(client, public_url=settings.public_url, ui_url=settings.temporal_ui_url),
            carriers=carriers,
            settings=settings,
            clock=settings.clock,
            seal=seal,
        )
    finally:
        await carriers.close()
        await database.close()


class _Server(uvicorn.Server):
    """Ends by returning: uvicorn would raise the signal once more, before connections and clients are closed.

    Streams would go on for as long as anybody listens, so ``live`` is closed first.
    """

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._live.close()
        super().handle_exit(sig, frame)


async def serve(settings: Settings, tracing: Tracing, host: str, port: int) -> None:
    """Answer requests until a signal asks to stop; then finish those under way.

    Temporal is connected when it is first needed, so that the API starts, and says what is missing, without it.
    """
    client = await Client.connect(**temporal_connection(), lazy=True)
    async with services_over(settings, client) as services:
        app = create_app(services, tracing)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="none",
            http=BoundedConnection,
            # Paths and query strings hold phone numbers.
            access_log=False,
            log_level=settings.log_level,
            server_header=False,
            timeout_graceful_shutdown=20,
        )
        await _Server(config, app.state.live).serve()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m api.app")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8600)
    arguments = parser.parse_args()
    settings = Settings.or_leave()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # What is loaded by now lives to the end: to look through it for garbage would stop every request for a while.
    gc.freeze()
    tracing = Tracing.of_process("dialer-api", settings.otlp_endpoint)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, tracing, arguments.host, arguments.port))
    tracing.close()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the Temporal SDK can crash while an interpreter shuts down


if __name__ == "__main__":
    main()
