"""How many requests an actor has left in this minute, counted by this process."""

from dataclasses import dataclass
from time import time
from typing import Final

WINDOW_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``limit`` requests a minute, ``remaining`` of them until ``reset`` (Unix seconds)."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class Rates:
    """Fixed windows of one minute on the machine's clock; what is counted is forgotten with its minute."""

    def __init__(self) -> None:
        self._window = 0
        self._used: dict[str, int] = {}

    def now(self) -> int:
        return int(time())

    def count(self, principal: str, limit: int) -> Rate:
        """Count one request."""
        window = self.now() // WINDOW_S
        if window != self._window:
            self._window, self._used = window, {}
        used = self._used.get(principal, 0) + 1
        self._used[principal] = used
        return Rate(limit=limit, remaining=max(0, limit - used), reset=(window + 1) * WINDOW_S, exceeded=used > limit)
