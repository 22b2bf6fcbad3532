"""Which TCP ports the parts listen on: those of last time, else the usual ones, else the next that are free."""

import socket
from collections.abc import Mapping, Set
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"

USUAL = {
    "api": 8600,
    "simulator": 8601,
    "postgres": 8602,
    "temporal_metrics": 8603,
    "temporal": 7233,
    "temporal_ui": 8233,
    "temporal_http": 7243,
}
STEP = 20
"""Wider than the usual ports lie apart, so that parts of neighbouring stacks do not push each other about."""


class PortLease:
    """Ports that no other stack on this machine takes while this is open.

    Between a look at a free port and the start of the server that listens there lie seconds. So that two stacks
    started together do not choose the same, the UDP port of the same number, which nothing else here uses, is held:
    that needs no file, works between users, and ends with the process.
    """

    def __init__(self, before: Mapping[str, int], *, wanted: Set[str]) -> None:
        """Leases a free port for each wanted part.

        ``before`` has the ports of this home's last run: whoever kept a link finds the same thing there. None lies
        in the range from which systems give out ports to clients, where one could be taken at any moment.
        """
        self._held: list[socket.socket] = []
        self.ports: dict[str, int] = {}
        for part, usual in USUAL.items():
            if part in wanted:
                candidates = [before[part]] if part in before else []
                candidates += range(usual, 32_000, STEP)
                self.ports[part] = next(port for port in candidates if is_free(port) and self._hold(port))

    def close(self) -> None:
        for held in self._held:
            held.close()
        self._held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hold(self, port: int) -> bool:
        held = socket.socket(type=socket.SOCK_DGRAM)
        try:
            held.bind((HOST, port))
        except OSError:
            held.close()
            return False
        self._held.append(held)
        return True


def is_free(port: int) -> bool:
    """True when nobody listens on the port: it can be bound, and nothing answers there."""
    with socket.socket() as probe:
        # As the servers themselves do: connections of a run that just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    with socket.socket() as probe:
        # Some systems let one bind beside a listener on all addresses.
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) != 0


def free_port() -> int:
    """Any port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
