"""Twilio's Calls resource over HTTP."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dialer.simulator.call_orders import read_order, read_redirect
from dialer.simulator.drops import Dropped
from dialer.simulator.errors import ApiError
from dialer.simulator.faults import Mishap
from dialer.simulator.ledger import Call
from dialer.simulator.live_calls import Instructions
from dialer.simulator.rendering import VERSION, render_account, render_call, render_page
from dialer.simulator.requests import account_of, call_of, form_of, page_of
from dialer.simulator.world import World

_STATUSES = frozenset({"queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"})


class CallsApi:
    """Create, fetch, list, update and delete."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Where they are served."""
        account = f"/{VERSION}/Accounts/{{account_sid}}"
        return [
            Route(f"{account}/Calls.json", self.create, methods=["POST"]),
            Route(f"{account}/Calls.json", self.list_calls, methods=["GET"]),
            Route(f"{account}/Calls/{{call_sid}}.json", self.fetch, methods=["GET"]),
            Route(f"{account}/Calls/{{call_sid}}.json", self.update, methods=["POST"]),
            Route(f"{account}/Calls/{{call_sid}}.json", self.delete, methods=["DELETE"]),
            Route(f"{account}.json", self.fetch_account, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Accept a call, unless something goes wrong on purpose before or after that."""
        world = self._world
        account = account_of(world, request)
        order = read_order(await form_of(request), world.behaviour)
        planned = world.town.create_error(order.to, world.ledger.attempts(order.to))
        if isinstance(planned, int):
            raise ApiError(planned)
        mishap = planned or world.dice.mishap(world.behaviour.faults)
        if mishap is not None:
            world.mishaps[mishap] += 1
        if mishap is Mishap.THROTTLED:
            raise ApiError(20429)
        if mishap is Mishap.ERROR_BEFORE:
            raise ApiError(20500)
        if mishap is Mishap.UNAVAILABLE_BEFORE:
            raise ApiError(20503)
        if mishap is Mishap.DROP_BEFORE:
            raise Dropped
        body = render_call(call := world.exchange.place(account, order), world.now())
        if mishap is Mishap.ERROR_AFTER:
            raise ApiError(20500)
        if mishap is Mishap.DROP_AFTER:
            raise Dropped
        if mishap is Mishap.SLOW_AFTER:
            await asyncio.sleep(world.behaviour.slow_answer_s)
            body = render_call(call, world.now())
        return JSONResponse(body, status_code=201)

    async def fetch(self, request: Request) -> Response:
        """One call."""
        call = call_of(self._world, request, account_of(self._world, request))
        return JSONResponse(render_call(call, self._world.now()))

    async def list_calls(self, request: Request) -> Response:
        """Calls that match the filters, newest first."""
        world = self._world
        account = account_of(world, request)
        page, size = page_of(request)
        found = CallFilter.read(request).among(self._start(request, page, size), account.sid)
        skipped = 0 if "PageToken" in request.query_params else page * size
        calls = list(islice(found, skipped, skipped + size + 1))
        more, calls = len(calls) > size, calls[:size]
        paging, now = ("Page", "PageSize", "PageToken"), world.now()
        body = render_page(
            "calls",
            [render_call(call, now) for call in calls],
            path=request.url.path,
            filters=[(k, v) for k, v in request.query_params.multi_items() if k not in paging],
            page=page,
            page_size=size,
            next_token=f"PA{calls[-1].sid}" if more else None,
        )
        return JSONResponse(body)

    def _start(self, request: Request, page: int, size: int) -> Iterator[Call]:
        """Where the page begins: a token names the last call of the page before, so new calls shift nothing."""
        query, ledger = request.query_params, self._world.ledger
        before: int | None = None
        if token := query.get("PageToken"):
            before = ledger.serial_of(token.removeprefix("PA"))
            if before is None:
                raise ApiError(20001, "Invalid PageToken")
        return ledger.newest(query.get("To") or None, query.get("From") or None, before)

    async def update(self, request: Request) -> Response:
        """Hang up (``Status``) or give other instructions (``Url`` or ``Twiml``)."""
        world = self._world
        call = call_of(world, request, account_of(world, request))
        form = await form_of(request)
        status = form.get("Status", [""])[-1]
        voice, twiml = read_redirect(form)
        if status not in ("", "canceled", "completed"):
            raise ApiError(20001, "Invalid Status")
        if status:
            await world.exchange.hang_up(call, even_answered=status == "completed")
        elif voice or twiml:
            world.exchange.redirect(call, Instructions(voice=voice, twiml=twiml))
        return JSONResponse(render_call(call, self._world.now()))

    async def delete(self, request: Request) -> Response:
        """Remove the record of a call that is over; the ledger keeps it."""
        call = call_of(self._world, request, account_of(self._world, request))
        if call.ended_at is None:
            raise ApiError(21220)
        call.deleted = True
        return Response(status_code=204)

    async def fetch_account(self, request: Request) -> Response:
        """The account: a harmless check of credentials."""
        account = account_of(self._world, request)
        return JSONResponse(render_account(account, self._world.born_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Filters of a list besides To and From. Times are inclusive; a call that has none matches no time."""

    status: str | None
    parent: str | None
    start: tuple[datetime | None, datetime | None]
    end: tuple[datetime | None, datetime | None]

    @classmethod
    def read(cls, request: Request) -> "CallFilter":
        """The filters of a request. Raises ``ApiError`` for a status or time that is none."""
        query = request.query_params
        status = query.get("Status") or None
        if status and status not in _STATUSES:
            raise ApiError(20001, "Invalid Status")
        return cls(
            status=status,
            parent=query.get("ParentCallSid") or None,
            start=_range(request, "StartTime"),
            end=_range(request, "EndTime"),
        )

    def among(self, calls: Iterator[Call], account_sid: str) -> Iterator[Call]:
        """Those of the account's calls that match."""
        for call in calls:
            if (
                call.account_sid == account_sid
                and not call.deleted
                and (self.status is None or call.status == self.status)
                and self.parent is None  # no call here has a parent
                and _within(call.dialed_at, self.start)
                and _within(call.ended_at, self.end)
            ):
                yield call


def _within(at: datetime | None, limits: tuple[datetime | None, datetime | None]) -> bool:
    low, high = limits
    if low is None and high is None:
        return True
    return at is not None and (low is None or low <= at) and (high is None or at <= high)


def _range(request: Request, name: str) -> tuple[datetime | None, datetime | None]:
    """What ``name``, ``name>`` and ``name<`` leave open. A date alone is that whole day."""
    query = request.query_params
    if on := query.get(name):
        low = _instant(on)
        return low, low + (timedelta(days=1) if len(on) == 10 else timedelta(seconds=1))
    after, before = query.get(f"{name}>"), query.get(f"{name}<")
    return (_instant(after) if after else None), (_instant(before) if before else None)


def _instant(text: str) -> datetime:
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(20001, "Invalid time") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
