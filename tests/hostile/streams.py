"""Requests sent at a steady rate over a bounded number of connections, and what became of them.

``python -m tests.hostile.streams --port … --rate … --seconds …`` offers junk; the ids of live calls come on stdin, one
a line, and the statuses of the answers go out as JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from tests.hostile.wire import Line, junk

HOST = "127.0.0.1"
LINES = 64
#: Junk is made once and sent again and again, since a megabyte of it costs more to make than to refuse.
KINDS = 240


@dataclass(slots=True)
class Sent:
    """What a stream got back: statuses, and how long each answer took from the moment its request was due."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    waits: list[float] = field(default_factory=list[float])
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.waits) / self.seconds

    def wait(self, share: float) -> float:
        """The wait that ``share`` of the requests did not exceed."""
        return sorted(self.waits)[min(len(self.waits) - 1, int(len(self.waits) * share))]


async def offer(
    port: int, request: Callable[[int], bytes], count: int, rate: float | None, *, lines: int = LINES
) -> Sent:
    """Send ``count`` requests, ``rate`` a second, or as fast as they are answered for None.

    At most ``lines`` are under way: when the other side is slow, requests leave late and their wait says so.
    """
    sent = Sent()
    numbers = iter(range(count))
    began = time.monotonic()

    async def work() -> None:
        line = Line(HOST, port)
        for number in numbers:
            due = time.monotonic() if rate is None else began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent.statuses[await line.ask(request(number))] += 1
            sent.waits.append(time.monotonic() - due)
        line.close()

    await asyncio.gather(*(work() for _ in range(lines)))
    sent.seconds = time.monotonic() - began
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description="Offer junk to an API on this machine.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    ids = [UUID(line.strip()) for line in sys.stdin]
    requests = [junk(number, ids) for number in range(KINDS)]
    count = int(asked.rate * min(asked.seconds, 600))
    sent = asyncio.run(offer(asked.port, lambda number: requests[number % KINDS], count, asked.rate))
    figures = {"statuses": sent.statuses, "rate": sent.rate, "p99": sent.wait(0.99)}
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
