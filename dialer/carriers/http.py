"""The HTTP client under the Twilio SDK: one request, one answer, no second try.

The SDK's own asynchronous client waits for ever when not told otherwise per request, and can be configured to
repeat a POST, which would ring a phone twice. This one keeps both promises of the dialer: an answer within
the timeout or ``OutcomeUnknown``, and at most one POST on the wire. (aiohttp may repeat a GET whose idle
connection turned out to be closed; never a POST.)

Nothing is logged: addresses, parameters and bodies hold phone numbers.
"""

# pyright: reportMissingTypeStubs=false

import base64
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from dialer.carriers.base import NotProcessed, OutcomeUnknown
from dialer.carriers.twilio_errors import error_of_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Seconds and connections of one client.

    ``keepalive_s`` is shorter than what servers keep idle connections for (uvicorn: 5 s), since a request
    written to a connection that the server has just closed has an unknown outcome. ``connect_s`` includes
    waiting for a free connection.
    """

    total_s: float = 10.0
    connect_s: float = 3.0
    keepalive_s: float = 2.0
    connections: int = 256


class _LastLook:
    """One caller's question whether the request may still leave, and what became of it."""

    __slots__ = ("_may_still_send", "refusal")

    def __init__(self, may_still_send: Callable[[], None]) -> None:
        self._may_still_send = may_still_send
        self.refusal: BaseException | None = None

    def take(self) -> None:
        try:
            self._may_still_send()
        except BaseException as error:
            # Kept, because the layers above turn some types of exception into their own.
            self.refusal = error
            raise


_last_look: ContextVar[_LastLook | None] = ContextVar("last_look", default=None)


@contextmanager
def last_look(may_still_send: Callable[[], None] | None) -> Generator[None, None, None]:
    """Within this context a request leaves only if ``may_still_send`` does not raise, asked at the last
    moment.

    Whatever it raises comes out of the context unchanged.
    """
    if may_still_send is None:
        yield
        return
    look = _LastLook(may_still_send)
    token = _last_look.set(look)
    try:
        yield
    except BaseException:
        if look.refusal is not None:
            raise look.refusal from None
        raise
    finally:
        _last_look.reset(token)


class _LookingRequest(ClientRequest):
    """Takes the last look when the connection stands and before the first byte is written to it."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        look = _last_look.get()
        if look is not None:
            look.take()
        return await super().send(conn)


class CarrierHttpClient(AsyncHttpClient):
    """One pool of connections, to be built inside a running loop and closed with ``close``.

    ``request`` raises only errors of ``dialer.carriers.base``, and what a last look raises.
    """

    def __init__(self, limits: HttpLimits) -> None:
        super().__init__(logging.getLogger(__name__), True, limits.total_s)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limits.connections, keepalive_timeout=limits.keepalive_s),
            # aiohttp rounds timeouts above the threshold up to whole seconds: ten seconds would become
            # eleven.
            timeout=aiohttp.ClientTimeout(
                total=limits.total_s, connect=limits.connect_s, ceil_threshold=limits.total_s + 1
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_LookingRequest,
            trust_env=False,
        )

    # The SDK calls its second parameter "uri" here and "url" everywhere else. Its timeout is not used: the session
    # has one for all requests.
    async def request(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request and read its whole answer."""
        sent_headers = dict(headers or {})
        if auth is not None:
            sent_headers["Authorization"] = _basic(*auth)
        look = _last_look.get()
        if look is not None:
            look.take()
        try:
            async with self._session.request(
                method.upper(),
                url,
                params=_query(params),
                data=urlencode(data, doseq=True).encode() if data else None,
                headers=sent_headers,
                allow_redirects=False,
            ) as answer:
                body = await answer.text(encoding="utf-8", errors="replace")
                status, answer_headers = answer.status, answer.headers
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # No connection, so no byte was sent: DNS, refused, TLS, or no free connection in time.
            raise NotProcessed(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(type(error).__name__) from None
        failure = error_of_answer(status, body, answer_headers)
        if failure is not None:
            raise failure
        return Response(status, body, answer_headers)

    async def close(self) -> None:
        """Close the pool; requests under way fail as unknown."""
        await self._session.close()


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _query(params: Mapping[str, object] | None) -> Mapping[str, Any]:
    return {key: value for key, value in (params or {}).items() if value is not None}
