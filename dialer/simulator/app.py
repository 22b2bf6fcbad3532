"""The simulator as an ASGI application."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dialer.simulator.accounts import Account
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.calls_api import CallsApi
from dialer.simulator.control_api import ControlApi
from dialer.simulator.drops import DropConnections
from dialer.simulator.errors import ApiError
from dialer.simulator.recordings_api import RecordingsApi
from dialer.simulator.world import World


def machine_time() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def create_app(
    account_sid: str,
    auth_token: str,
    *,
    api_keys: dict[str, str] | None = None,
    now: Callable[[], datetime] = machine_time,
    behaviour: Behaviour | None = None,
    base_url: str = "http://127.0.0.1:8601",
) -> Starlette:
    """A carrier with one account to start with; all of its state lives in the application.

    ``now`` is the carrier's clock (aware, UTC). ``base_url`` is where it is reached: recordings are served
    there. More accounts can be added under ``/_sim/accounts``.
    """
    account = Account(sid=account_sid, auth_token=auth_token, api_keys=api_keys or {})
    world = World([account], now=now, behaviour=behaviour or Behaviour(), base_url=base_url)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        world.sender.open()
        try:
            yield
        finally:
            await world.sender.close()

    app = Starlette(
        routes=[*CallsApi(world).routes(), *RecordingsApi(world).routes(), *ControlApi(world).routes()],
        lifespan=lifespan,
        middleware=[Middleware(DropConnections)],
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_http_error},
    )
    app.state.world = world
    return app


def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if error.status == 401 else None
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


def _answer_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: 20404, 405: 20004}.get(error.status_code, 20001)
    return _answer_error(request, ApiError(code, str(error.detail), status=error.status_code))
