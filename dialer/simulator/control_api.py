"""``/_sim``: what really happened, and how everything behaves. No authentication: it listens on loopback.

GET    /_sim/calls             every accepted create, oldest first
DELETE /_sim/calls             empty the ledger and the statistics; attempts count from 0 again
POST   /_sim/inbound           somebody rings a number (see ``visits.Visit``); the call as the ledger has it
GET    /_sim/stats             counts by status, peaks, callbacks, mishaps of requests
GET    /_sim/behaviour         all knobs (see ``Behaviour``)
PUT    /_sim/behaviour         some knobs; those left out stay
GET    /_sim/phones            the scripted phones
PUT    /_sim/phones/{e164}     {"behaviour": "busy"}, {"behaviour": {"status": "failed", "sip": 603}} or
                               {"behaviours": ["no_answer", "human"]}, one per attempt (see ``PhoneScript``)
DELETE /_sim/phones[/{e164}]   forget the script of one phone, or all
PUT    /_sim/accounts/{sid}    {"status": "suspended"}, {"auth_token", "api_keys", "shared_key"}
GET    /health                 alive
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dialer.simulator.accounts import Account, AccountStatus, SharedKey
from dialer.simulator.ledger import Call
from dialer.simulator.scripts import PhoneScripts
from dialer.simulator.visits import Visit
from dialer.simulator.world import World

_ROWS_AT_ONCE = 1000


class SharedKeyChange(BaseModel):
    """A key for signing webhooks."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    sid: str
    secret: str


class AccountChange(BaseModel):
    """The body of ``PUT /_sim/accounts/{sid}``; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    auth_token: Annotated[str, Field(min_length=1)] | None = None
    status: AccountStatus | None = None
    api_keys: dict[str, str] | None = None
    shared_key: SharedKeyChange | None = None


class ControlApi:
    """The ledger, the statistics, and the knobs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Where they are served."""
        return [
            Route("/_sim/calls", self.list_calls, methods=["GET"]),
            Route("/_sim/calls", self.clear_calls, methods=["DELETE"]),
            Route("/_sim/inbound", self.ring_in, methods=["POST"]),
            Route("/_sim/stats", self.stats, methods=["GET"]),
            Route("/_sim/behaviour", self.show_behaviour, methods=["GET"]),
            Route("/_sim/behaviour", self.change_behaviour, methods=["PUT"]),
            Route("/_sim/phones", self.list_phones, methods=["GET"]),
            Route("/_sim/phones", self.unscript_phones, methods=["DELETE"]),
            Route("/_sim/phones/{number}", self.script_phone, methods=["PUT"]),
            Route("/_sim/phones/{number}", self.unscript_phones, methods=["DELETE"]),
            Route("/_sim/accounts/{sid}", self.change_account, methods=["PUT"]),
            Route("/health", self.health, methods=["GET"]),
        ]

    async def health(self, request: Request) -> Response:
        """Alive."""
        return JSONResponse({"status": "ok"})

    async def list_calls(self, request: Request) -> Response:
        """Every accepted create, oldest first. Streamed: there may be very many."""
        return StreamingResponse(_rows(self._world.ledger.every_call()), media_type="application/json")

    async def clear_calls(self, request: Request) -> Response:
        """Empty the ledger and the statistics."""
        forgotten = self._world.ledger.clear()
        self._world.sender.counts.clear()
        self._world.mishaps.clear()
        return JSONResponse({"deleted": forgotten})

    async def ring_in(self, request: Request) -> Response:
        """Somebody rings a number."""
        body = await _object(request)
        if isinstance(body, Response):
            return body
        try:
            visit = Visit.model_validate(body)
        except ValidationError as error:
            return _refused(error)
        world = self._world
        account = world.accounts.get(visit.account_sid) if visit.account_sid else world.accounts.first()
        if account is None:
            return JSONResponse({"errors": [{"field": "account_sid", "message": "there is no such account"}]}, 422)
        call = world.exchange.ring_in(account, visit.order(), visit.phone(world.behaviour.seed))
        return JSONResponse(_row(call), 201)

    async def stats(self, request: Request) -> Response:
        """Counts since the ledger was cleared."""
        ledger, counts = self._world.ledger, self._world.sender.counts
        names = ("sent", "lost", "duplicated", "late", "reordered", "retried", "failed")
        warnings: dict[str, int] = {}
        calls = ledger.every_call()
        for call in calls:
            for code in call.warnings:
                warnings[str(code)] = warnings.get(str(code), 0) + 1
        return JSONResponse(
            {
                "calls": len(calls),
                "by_status": ledger.by_status(),
                "queued": self._world.exchange.queued(),
                "concurrency": ledger.in_flight,
                "peak_concurrency": ledger.peak_in_flight,
                "peak_creates_per_second": ledger.creates.peak,
                "peak_dials_per_second": ledger.dials.peak,
                "warnings": warnings,
                "mishaps": {mishap.value: n for mishap, n in self._world.mishaps.items()},
                **{f"callbacks_{name}": counts[name] for name in names},
            }
        )

    async def show_behaviour(self, request: Request) -> Response:
        """All knobs as they stand."""
        return JSONResponse(self._world.behaviour.model_dump(mode="json"))

    async def change_behaviour(self, request: Request) -> Response:
        """Turn some knobs."""
        patch = await _object(request)
        if isinstance(patch, Response):
            return patch
        try:
            self._world.behave(patch)
        except ValidationError as error:
            return _refused(error)
        return await self.show_behaviour(request)

    async def list_phones(self, request: Request) -> Response:
        """The scripted phones."""
        scripts = self._world.town.scripts()
        return JSONResponse(
            {number: script.model_dump(mode="json", exclude_defaults=True) for number, script in scripts.items()}
        )

    async def script_phone(self, request: Request) -> Response:
        """Let one number behave on purpose."""
        body = await _object(request)
        if isinstance(body, Response):
            return body
        try:
            scripts = PhoneScripts.model_validate(body)
        except ValidationError as error:
            return _refused(error)
        self._world.town.script(request.path_params["number"], scripts)
        return JSONResponse(scripts.model_dump(mode="json", exclude_defaults=True))

    async def unscript_phones(self, request: Request) -> Response:
        """Forget the script of one number, or of all."""
        self._world.town.unscript(request.path_params.get("number"))
        return Response(status_code=204)

    async def change_account(self, request: Request) -> Response:
        """Add an account (it needs an ``auth_token``) or change one."""
        body = await _object(request)
        if isinstance(body, Response):
            return body
        try:
            change = AccountChange.model_validate(body)
        except ValidationError as error:
            return _refused(error)
        sid = request.path_params["sid"]
        before = self._world.accounts.get(sid)
        token = change.auth_token or (before.auth_token if before else None)
        if token is None:
            return JSONResponse({"errors": [{"field": "auth_token", "message": "a new account needs one"}]}, 422)
        key = change.shared_key
        kept_key = before.shared_key if before else None
        account = Account(
            sid=sid,
            auth_token=token,
            status=change.status or (before.status if before else "active"),
            api_keys=change.api_keys if change.api_keys is not None else (before.api_keys if before else {}),
            shared_key=SharedKey(sid=key.sid, secret=key.secret) if key else kept_key,
        )
        self._world.accounts.put(account)
        return JSONResponse({"sid": account.sid, "status": account.status, "api_keys": sorted(account.api_keys)})


async def _rows(calls: list[Call]) -> AsyncIterator[str]:
    yield '{"items": ['
    for start in range(0, len(calls), _ROWS_AT_ONCE):
        rows = ", ".join(json.dumps(_row(call)) for call in calls[start : start + _ROWS_AT_ONCE])
        yield (", " if start else "") + rows
        await asyncio.sleep(0)  # calls go on while a long ledger is read
    yield "]}"


def _row(call: Call) -> dict[str, object]:
    return {
        "sid": call.sid,
        "call_id": call.call_id,
        "account_sid": call.account_sid,
        "to": call.to,
        "from": call.from_,
        "direction": call.direction,
        "status": call.status,
        "created_at": _time(call.created_at),
        "dialed_at": _time(call.dialed_at),
        "ringing_at": _time(call.ringing_at),
        "answered_at": _time(call.answered_at),
        "ended_at": _time(call.ended_at),
        "duration_s": call.duration_s,
        "answered_by": call.answered_by,
        "sip_code": call.sip_code,
        "error_code": call.error_code,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


async def _object(request: Request) -> dict[str, object] | Response:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return JSONResponse({"errors": [{"field": "", "message": "the body is no JSON"}]}, 400)
    if not isinstance(body, dict):
        return JSONResponse({"errors": [{"field": "", "message": "the body is no JSON object"}]}, 400)
    return cast("dict[str, object]", body)


def _refused(error: ValidationError) -> Response:
    errors = [
        {"field": ".".join(str(part) for part in problem["loc"]), "message": problem["msg"]}
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return JSONResponse({"errors": errors}, 422)
