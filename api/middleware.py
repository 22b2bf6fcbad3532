"""What every request gets, whatever becomes of it: an id, a trace id, its rate headers and its place in the metrics."""

import asyncio
import re
from collections.abc import Mapping
from time import monotonic, time_ns
from typing import Any
from uuid import UUID, uuid4

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.operations.errors import TooLarge
from api.problems import problem_response
from api.rates import Rate
from dialer.tracing import Tracing

#: Bytes of a request: of those that are held in memory, of the carrier's, and of a file with the form around it.
MAX_BODY = 4 * 1024 * 1024
MAX_CALLBACK = 64 * 1024
MAX_UPLOAD = (1 << 30) + (1 << 20)
#: Seconds for a whole body of the carrier's or of those held in memory, and for the next piece of a file.
CALLBACK_S = 10.0
BODY_S = 60.0
CALLBACKS = "/api/v1/carriers/"
EVENTS = "text/event-stream"
BATCHES = "/api/v1/batches"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NO_TRACE = "0" * 32


class RequestContext:
    """A pure ASGI layer, since it must not buffer streams.

    The trace id is that of the ``traceparent`` header (https://www.w3.org/TR/trace-context/), else a new one. The rate
    is put into ``scope["rate"]`` by whoever authenticates the request.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self.app = app
        self.metrics = metrics
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope)
        request_id = given.get("x-request-id", "")
        request_id = request_id if _REQUEST_ID.fullmatch(request_id) else str(uuid4())
        scope["trace_id"] = _trace_id(given.get("traceparent", ""))
        status, streams = 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                streams = headers.get("content-type", "").startswith(EVENTS)
                rate = scope.get("rate")
                if isinstance(rate, Rate):
                    headers.update(rate.headers())
            await send(message)

        began = monotonic()
        self.metrics.in_flight.inc()
        body = _Body(scope, receive, given)
        try:
            if body.is_too_large:
                answer = problem_response(Request(scope), TooLarge(body.complaint))
                await answer(scope, receive, send_with_headers)
            else:
                began_ns = time_ns()
                with self.tracing.span(_method(scope), {}, parent=_parent(scope)) as span:
                    await self.app(scope, body.receive, send_with_headers)
                    _tell(span, scope, status)
                # Only what was believed: anybody can name a call.
                if status < 300 and (call_id := _call_of(scope)) is not None:
                    self.tracing.tell(f"callback {_route(scope)}", {}, call_id=call_id, began_ns=began_ns)
        finally:
            self.metrics.in_flight.dec()
            # A stream lasts as long as somebody watches, which says nothing of how quick the API is.
            self.metrics.observe(_method(scope), _route(scope), status, None if streams else monotonic() - began)


class _Body:
    """A body that neither gets too large, as announced or as it comes, nor takes for ever to come."""

    def __init__(self, scope: Scope, receive: Receive, headers: Headers) -> None:
        path: str = scope["path"]
        self._is_upload = path.endswith((":upload", "/upload")) or path == BATCHES
        is_callback = path.startswith(CALLBACKS)
        self._limit = MAX_UPLOAD if self._is_upload else MAX_CALLBACK if is_callback else MAX_BODY
        self._seconds = CALLBACK_S if is_callback else BODY_S
        self._deadline: float | None = None
        self._complete = False
        self._receive = receive
        announced = headers.get("content-length", "")
        self._announced = int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 20 else 0
        self._came = 0

    @property
    def is_too_large(self) -> bool:
        return max(self._announced, self._came) > self._limit

    @property
    def complaint(self) -> str:
        return f"The body is larger than {self._limit} bytes."

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()  # waits for the client to go away
        if self._deadline is None or self._is_upload:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not arrive in time.") from None
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        if message["type"] == "http.request":
            # Also of what was announced: a length behind enough zeros is not read above, and believed by the server.
            self._came += len(message.get("body", b""))
            if self.is_too_large:
                raise HTTPException(413, self.complaint)
        return message


def _call_of(scope: Scope) -> UUID | None:
    """The call that a callback of the carrier is about, so that it stands in the call's own trace."""
    if not scope["path"].startswith(CALLBACKS):
        return None
    try:
        return UUID(QueryParams(scope["query_string"]).get("call_id", ""))
    except ValueError:
        return None


def _parent(scope: Scope) -> str:
    """The ``traceparent`` header, or one with the trace id that the answer names."""
    given = Headers(scope=scope).get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else f"00-{scope['trace_id']}-{scope['trace_id'][:16]}-01"


def _tell(span: Any, scope: Scope, status: int) -> None:
    """What only the end tells: the route's template, never the path, which may hold a phone number."""
    if span is not None:
        route = _route(scope)
        span.update_name(f"{_method(scope)} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})


def _trace_id(traceparent: str) -> str:
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match and match[1] != _NO_TRACE else uuid4().hex


def _route(scope: Mapping[str, Any]) -> str:
    """The template; what no route matches has one name, or strangers could fill the memory with paths."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: Mapping[str, Any]) -> str:
    method = str(scope["method"])
    return method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "OTHER"
