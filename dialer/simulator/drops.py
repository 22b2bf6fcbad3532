"""Answering nothing at all: the connection closes and the client cannot know what happened."""

from asyncio import WriteTransport
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "dialer.simulator.connection"


class Dropped(Exception):
    """Raised by an endpoint whose request is to end without an answer."""


class DroppableHttp(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the application its connection, so that it can be cut."""

    def on_message_begin(self) -> None:
        """A request begins: put the transport where the application finds it."""
        super().on_message_begin()
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"] = {_EXTENSION: self.transport}


class DropConnections:
    """Cuts the connection of a request that raises ``Dropped``.

    Behind a server that does not show its connections, the client gets a 502 without a body instead; to it
    that is as unclear.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except Dropped:
            extensions = cast("dict[str, Any]", scope.get("extensions") or {})
            transport = cast("WriteTransport | None", extensions.get(_EXTENSION))
            if transport is None:
                start: Message = {"type": "http.response.start", "status": 502, "headers": []}
                await send(start)
                await send({"type": "http.response.body", "body": b""})
                return
            transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass
