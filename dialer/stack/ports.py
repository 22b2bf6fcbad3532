"""Which TCP ports the parts listen on: those of last time, else the usual ones, else the next that are free."""

import socket
from collections.abc import Mapping

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


def choose_ports(before: Mapping[str, int], *, wanted: set[str]) -> dict[str, int]:
    """A free port for each wanted part.

    ``before`` has the ports of this home's last run: whoever kept a link finds the same thing there. None lies in
    the range from which systems give out ports to clients, where one could be taken at any moment.
    """
    chosen: dict[str, int] = {}
    for part, usual in USUAL.items():
        if part not in wanted:
            continue
        candidates = [before[part]] if part in before else []
        candidates += range(usual, 32_000, STEP)
        taken = set(chosen.values())
        chosen[part] = next(port for port in candidates if port not in taken and is_free(port))
    return chosen


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
