"""The harness's doors to the stack: an API that may be dead just now, and the carrier simulator, which never is."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.chaos.homes import ChaosHome

AGAIN_S = 0.3
PATIENCE_S = 45.0


class Unanswered(Exception):
    """Nobody answered in all the time that was given."""


class Clients:
    """HTTP clients of one stack, closed at the end."""

    def __init__(self, home: ChaosHome) -> None:
        key = home.described["api_key"]
        # Pause and opt-out may wait twelve seconds for calls on their way.
        self._api = httpx.AsyncClient(
            base_url=home.api_url + "/api/v1", headers={"X-API-Key": key}, timeout=20, trust_env=False
        )
        self._simulator = httpx.AsyncClient(base_url=home.described["simulator_url"], timeout=20, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.aclose()
        await self._simulator.aclose()

    async def ask(
        self, method: str, path: str, *, patience_s: float = PATIENCE_S, key: bool = False, **request: Any
    ) -> httpx.Response:
        """Ask until somebody answers with anything but a failure of the server; what is asked may be asked twice.

        ``key``: with an idempotency key, for what makes something. Raises Unanswered.
        """
        headers = {"Idempotency-Key": str(uuid4())} if key else {}
        deadline = time.monotonic() + patience_s
        last = "never asked"
        while time.monotonic() < deadline:
            try:
                answer = await self._api.request(method, path, headers=headers, **request)
            except httpx.TransportError as error:
                last = type(error).__name__
            else:
                if answer.status_code < 500 and answer.status_code != 429 and not _is_still_answering(answer):
                    return answer
                last = f"{answer.status_code}"
            await asyncio.sleep(AGAIN_S)
        raise Unanswered(f"{method} {path}: {last}")

    async def get(self, path: str, **query: Any) -> Any:
        """The body of an answer that went well."""
        return good(await self.ask("GET", path, params=query))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return good(await self.ask("POST", path, json=body, key=True))

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return good(await self.ask("PATCH", path, json=body))

    async def simulator(self, method: str, path: str, **request: Any) -> Any:
        return good(await self._simulator.request(method, path, **request))

    async def callback(self, path: str, form: Mapping[str, str], signature: str) -> int | None:
        """Post a callback as the carrier would, once; None when nobody answered."""
        try:
            answer = await self._api.post(path, data=dict(form), headers={"X-Twilio-Signature": signature}, timeout=10)
        except httpx.TransportError:
            return None
        return answer.status_code


def good(answer: httpx.Response) -> Any:
    """The body. Raises AssertionError for an answer that is none of success."""
    assert answer.is_success, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


def _is_still_answering(answer: httpx.Response) -> bool:
    """True when the first request with this idempotency key is being worked on, or died while it was."""
    return answer.status_code == 409 and "idempotency" in answer.text.lower()
