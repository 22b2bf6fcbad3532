"""Requests to the API from a process of its own, as fast as they are answered: ``python -m benchmarks.load``.

A line of JSON on stdin says what to send; one on stdout says what came of it. Each connection sends its next request as
soon as the last one is answered. ``--echo`` answers instead of asking, with nothing: what the sender reaches there is
its own ceiling.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import uvloop

from benchmarks.stacks import phones
from tests.hostile.live_calls import KEY
from tests.hostile.wire import REPORTS, callback, post, report

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
#: Calls whose reports come by turns, as they do when that many are under way.
COHORT = 50
PER_UPSERT = 1000
#: Requests that are sent first and not counted.
WARM_UP = 0.1


@dataclass(slots=True)
class Answers:
    """Statuses, and from request to answer in seconds, in the order of their ends."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    waits: list[float] = field(default_factory=list[float])
    ends: list[float] = field(default_factory=list[float])

    def figures(self, cpu_s: float) -> dict[str, Any]:
        skipped = int((len(self.ends) - 1) * WARM_UP)
        waits = sorted(self.waits[skipped:])
        seconds = self.ends[-1] - self.ends[skipped]
        return {
            "requests": len(waits),
            "per_second": round((len(waits) - 1) / seconds, 1),
            "p50_ms": round(waits[len(waits) // 2] * 1000, 2),
            "p99_ms": round(waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000, 2),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "sender_cpu_share": round(cpu_s / (self.ends[-1] - self.ends[0]), 2),
        }


class _Line(asyncio.Protocol):
    """One kept connection that asks until there is nothing left to ask."""

    def __init__(self, requests: deque[bytes], answers: Answers) -> None:
        self._requests, self._answers = requests, answers
        self._transport: Any = None  # uvloop's is none of asyncio's classes
        self._held, self._asked_at = b"", 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, body = self._held.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        now = time.perf_counter()
        self._answers.statuses[int(head[9:12])] += 1
        self._answers.waits.append(now - self._asked_at)
        self._answers.ends.append(now)
        self._held = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server has closed the connection"))

    def _ask(self) -> None:
        if not self._requests:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._asked_at = time.perf_counter()
        self._transport.write(self._requests.popleft())


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return 0 if at < 0 else int(head[at + 15 :].partition(b"\r\n")[0])


class _Echo(asyncio.Protocol):
    """Answers each piece that ends a small request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)


async def send(port: int, requests: Iterable[bytes], lines: int) -> Answers:
    """Ask over so many connections."""
    waiting, answers, loop = deque(requests), Answers(), asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: _Line(waiting, answers), HOST, port))[1] for _ in range(lines)]
    await asyncio.gather(*(line.done for line in made))
    return answers


def requests_for(order: dict[str, Any]) -> list[bytes]:
    """What an order asks for: ``callbacks`` of ``ids``, or ``count`` times ``status`` or ``upsert`` of a campaign."""
    path = f"/api/v1/campaigns/{order.get('campaign')}"
    key = {"X-API-Key": KEY, "Content-Type": "application/json"}
    match order["kind"]:
        case "callbacks":
            ids = [UUID(each) for each in order["ids"]]
            cohorts = [ids[start : start + COHORT] for start in range(0, len(ids), COHORT)]
            return [
                callback(call_id, report(call_id, number))
                for cohort in cohorts
                for number in range(len(REPORTS))
                for call_id in cohort
            ]
        case "status":
            asked = post(f"{path}/status", b"", key).replace(b"POST", b"GET", 1)
            return [asked] * order["count"]
        case _:
            return [post(f"{path}/prospects:upsert", _people(n), key) for n in range(order["count"])]


def _people(number: int) -> bytes:
    """A thousand, of whom each upsert changes the company."""
    numbers = phones(PER_UPSERT)
    items = [
        {"phone": phone, "external_id": f"crm-{n}", "name": "Ada", "variables": {"company": f"Company {number}"}}
        for n, phone in enumerate(numbers)
    ]
    return json.dumps({"items": items}).encode()


async def echo(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Echo, HOST, port)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask an API on this machine.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lines", type=int, default=16, help="connections")
    parser.add_argument("--echo", action="store_true", help="be the server that answers with nothing")
    asked = parser.parse_args()
    if asked.echo:
        uvloop.run(echo(asked.port))
        return
    requests = requests_for(json.loads(sys.stdin.readline()))
    began = time.process_time()
    answers = uvloop.run(send(asked.port, requests, asked.lines))
    sys.stdout.write(json.dumps(answers.figures(time.process_time() - began)) + "\n")


if __name__ == "__main__":
    main()
