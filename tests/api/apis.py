"""An API over a real database, and what a test usually needs in it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from api.operations.services import Services
from dialer.store.database import rows

KEY = "dk_for-tests-only"
CALLER = "+16505550150"
PERSON = "+12025550123"
ALWAYS = {
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}],
    "zone": "UTC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A client of the app that knows the first key, and what is behind the app."""

    http: httpx.AsyncClient
    services: Services
    workspace_id: UUID

    async def call(self, method: str, path: str, *, expect: int | None = None, **arguments: Any) -> httpx.Response:
        """One request; ``expect`` is the status that it must have."""
        answer = await self.http.request(method, f"/api/v1{path}", **arguments)
        if expect is not None:
            assert answer.status_code == expect, answer.text
        return answer

    async def get(self, path: str, **arguments: Any) -> Any:
        return (await self.call("GET", path, expect=200, **arguments)).json()

    async def post(self, path: str, body: Any = None, *, expect: int = 201, **arguments: Any) -> Any:
        return (await self.call("POST", path, expect=expect, json=body, **arguments)).json()

    async def refused(self, method: str, path: str, status: int, **arguments: Any) -> dict[str, Any]:
        """The problem document of a refused request."""
        answer = await self.call(method, path, expect=status, **arguments)
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem = answer.json()
        assert problem["status"] == status
        assert {"type", "title", "detail", "trace_id", "code"} <= problem.keys()
        return problem

    async def read(self, sql: str, **parameters: Any) -> list[Any]:
        """Rows of one statement in the workspace."""
        async with self.services.database.transaction(self.workspace_id) as session:
            return list(await rows(session, sql, parameters))

    async def agent(self, **fields: Any) -> dict[str, Any]:
        return await self.post("/agents", {"name": "Ada", "first_message": "Hi {{name|there}}", **fields})

    async def campaign(self, **fields: Any) -> dict[str, Any]:
        """A draft that may call at any hour."""
        agent_id = fields.pop("agent_id", None) or (await self.agent())["id"]
        given = {"name": "Spring sale", "agent_id": agent_id, "caller_numbers": [CALLER], "calling_hours": ALWAYS}
        return await self.post("/campaigns", {**given, **fields})


def fields_of(problem: dict[str, Any]) -> set[str]:
    """The wrong fields that a problem names."""
    return {error["field"] for error in problem["errors"]}
