"""The app behind a real socket, in the test's own loop: for answers that do not end."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.connections import BoundedConnection
from api.operations.live import Live
from api.operations.services import Services
from tests.api.apis import KEY

PATIENCE_S = 20.0


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    name: str
    id: str | None
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The app and where it listens."""

    app: FastAPI
    port: int
    http: httpx.AsyncClient

    @property
    def live(self) -> Live:
        return self.app.state.live

    @asynccontextmanager
    async def listen(self, path: str, *, key: str | None = KEY, **headers: str) -> AsyncGenerator["Listener"]:
        """A stream; its answer's status is 200."""
        given = headers if key is None else {"X-API-Key": key, **headers}
        async with self.http.stream("GET", path, headers=given) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Listener(answer)


class Listener:
    """Reads a stream event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self._lines = answer.aiter_lines()

    async def next(self) -> Event | None:
        """The next event; None when the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line[1:].strip())
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return Event(name=fields["event"], id=fields.get("id"), data=json.loads(fields["data"]))
        return None

    async def until(self, name: str, **wanted: Any) -> Event:
        """The next event of this name that says all this."""
        while (event := await self.next()) is not None:
            if event.name == name and all(event.data[field] == value for field, value in wanted.items()):
                return event
        raise AssertionError(f"the stream ended without {name} {wanted}")


async def holds(condition: Callable[[], bool]) -> None:
    """Wait until it does."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(services: Services) -> AsyncGenerator[Served]:
    app = create_app(services)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, loop="none", http=BoundedConnection, log_level="error")
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    await holds(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        limits = httpx.Limits(max_connections=None)
        url = f"http://127.0.0.1:{port}/api/v1"
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, limits=limits, trust_env=False) as http:
            yield Served(app=app, port=port, http=http)
    finally:
        app.state.live.close()
        server.should_exit = True
        await running
