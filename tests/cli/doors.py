"""A way to a server that breaks: real sockets, cut or stalled in the middle of what a client sends."""

import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from dialer.stack.ports import HOST


@dataclass(kw_only=True)
class Door:
    """Connections to ``port`` reach the server at ``behind``.

    ``cuts``: after how many bytes of its client the first, second, … connection breaks; later ones hold. ``stall``
    instead: after how many bytes nothing passes any more, and ``stalled`` is set. ``passed`` counts bytes of clients.
    """

    behind: int
    cuts: Sequence[int] = ()
    stall: int | None = None
    passed: int = 0
    broken: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)
    _server: socket.socket = field(default_factory=lambda: socket.create_server((HOST, 0)))
    _entered: int = 0

    @property
    def port(self) -> int:
        return self._server.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            cut = self.cuts[self._entered] if self._entered < len(self.cuts) else None
            self._entered += 1
            theirs = socket.create_connection((HOST, self.behind))
            threading.Thread(target=self._forward, args=(client, theirs, cut), daemon=True).start()
            threading.Thread(target=self._back, args=(theirs, client), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _forward(self, client: socket.socket, theirs: socket.socket, cut: int | None) -> None:
        came = 0
        with suppress(OSError):
            while data := client.recv(65_536):
                came += len(data)
                if cut is not None and came > cut:
                    self.broken += 1
                    break
                if self.stall is not None and self.passed > self.stall:
                    self.stalled.set()
                    continue
                theirs.sendall(data)
                self.passed += len(data)
        _end(client)
        _end(theirs)

    def _back(self, theirs: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := theirs.recv(65_536):
                client.sendall(data)
        _end(client)


def _end(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    side.close()


@contextmanager
def door(behind: int, *, cuts: Sequence[int] = (), stall: int | None = None) -> Generator[Door]:
    """A door that is open until the block ends."""
    opened = Door(behind=behind, cuts=cuts, stall=stall)
    thread = threading.Thread(target=opened.serve, daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        opened.close()
        thread.join(10)
