"""HTTP connections that take neither for ever nor without end.

The web server bounds neither how long a request's head takes nor how long it is: whoever opens connections and sends a
byte now and then, or one header without end, would hold memory for as long as they like. Bodies have limits of their
own, in ``api/middleware.py``.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: From the connection, or from a request's first byte, to the end of its head.
HEAD_S = 10.0
#: Bytes in a row that are no body: a request line with its headers, or what follows the last chunk.
MAX_HEAD = 64 * 1024
#: A refused body is read on and thrown away, so that whoever sends it can read the answer; so much of it, so long.
MAX_DISCARDED = 4 * 1024 * 1024
DISCARD_S = 10.0

#: Where a request's scope says how many seconds its client may leave the answer untaken: for answers without an end.
STALLED_S = "dialer.stalled_s"

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedConnection(HttpToolsProtocol):
    """One connection. Whoever exceeds a limit loses it."""

    _patience: TimerHandle | None = None
    _stalled: TimerHandle | None = None
    _without_body = 0
    _discarded = 0
    _complete = True
    """False from a request's first byte to its last."""
    _answering = False
    """True from the end of a request's head to the end of its answer."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._give(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        seconds = self.scope.get(STALLED_S) if self._answering else None
        if isinstance(seconds, float):
            self._stalled = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        self._without_body += len(data)
        super().data_received(data)
        if self._without_body > MAX_HEAD and not self.transport.is_closing():
            if not self._answering:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._complete = False
        if self._patience is None:
            self._give(HEAD_S)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._without_body = self._discarded = 0
        self._answering = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._without_body = 0
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > MAX_DISCARDED:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._complete = True
        self._without_body = 0
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answering = False
        super().on_response_complete()
        if not self._complete and not self.transport.is_closing():
            self._give(DISCARD_S)

    def _give(self, seconds: float) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
