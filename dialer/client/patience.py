"""Trying again while nobody answers: a server that restarts, a network that comes and goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dialer.client.api import ApiProblem, NoStack

T = TypeVar("T")
#: Answers that say nothing about the request itself.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds: how long in all without any success, and between two tries at first and at most."""

    in_all: float = 300.0
    first: float = 0.5
    longest: float = 15.0


def is_passing(error: ApiProblem | NoStack) -> bool:
    """True when the same request may succeed later."""
    return isinstance(error, NoStack) or error.status in PASSING


def patiently(work: Callable[[], T], patience: Patience, say: Say) -> T:
    """``work()``, again and again while its failure is a passing one. Raises its last error when patience ends."""
    begun, pause = time.monotonic(), patience.first
    while True:
        try:
            return work()
        except (ApiProblem, NoStack) as error:
            if not is_passing(error) or time.monotonic() - begun + pause > patience.in_all:
                raise
            what = "no answer" if isinstance(error, NoStack) else f"the answer {error.status}"
            say(f"{what}; trying again in {pause:g} s")
        time.sleep(pause)
        pause = min(pause * 2, patience.longest)
