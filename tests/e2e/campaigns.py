"""A person at the keyboard: makes campaigns, uploads files, waits for what the API says."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

from tests.fixtures_stack import Stack

ALL_DAY = {
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}],
}
#: +1 408 555 01xx and its like in other area codes: reserved for fiction. The walk-through of the README uses others.
AREAS = (408, 212, 312, 617, 303, 206, 404, 512, 602, 702, 713, 503, 215, 314, 412, 504, 619, 808, 907, 505)
_next = count()


def fresh_phones(how_many: int) -> list[str]:
    """Numbers that no other test of this session has called."""
    numbers = (next(_next) for _ in range(how_many))
    return [f"+1{AREAS[number // 100]}55501{number % 100:02d}" for number in numbers]


def until(
    condition: Callable[[], Any], *, seconds: float = 60, every_s: float = 0.05, what: str = "the condition"
) -> Any:
    """Whatever ``condition`` returns once it is true, asked so often; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(every_s)
    return found


def ok(answer: Any, *statuses: int) -> Any:
    """The body of an answer that went well."""
    assert answer.status_code in (statuses or (200, 201, 202, 204)), f"{answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


class Campaign:
    """One campaign of the running stack."""

    def __init__(self, stack: Stack, body: Mapping[str, Any]) -> None:
        self.stack = stack
        self.body = body
        self.id = body["id"]

    @classmethod
    def make(cls, stack: Stack, **settings: Any) -> "Campaign":
        """A draft that calls all day, with an agent and a caller number of its own."""
        agent = ok(stack.api.post("/agents", json={"name": "Ann", "first_message": "Hello {{name|there}}!"}))
        account = ok(stack.api.get("/carrier-accounts"))["items"][0]
        phone = f"+1650555{next(_next) + 1000:04d}"
        number = {"phone": phone, "carrier_account_id": account["id"]}
        ok(stack.api.post("/phone-numbers", json=number))
        body = {
            "name": "Spring sale",
            "agent_id": agent["id"],
            "caller_numbers": [phone],
            "calling_hours": ALL_DAY,
            "redial": {"max_attempts": 3, "delays": {"busy": ["PT1S"], "no_answer": ["PT1S"]}},
            "pace": {"max_concurrent": 20, "calls_per_second": 20},
            **settings,
        }
        return cls(stack, ok(stack.api.post("/campaigns", json=body), 201))

    def upload(self, csv: str, *, seconds: float = 60) -> dict[str, Any]:
        """Upload a file and wait for its import."""
        path = f"/campaigns/{self.id}/prospects:upload"
        files = {"file": ("people.csv", csv.encode(), "text/csv")}
        started = ok(self.stack.api.post(path, files=files), 202)
        return until(lambda: self._import(started["import_id"]), seconds=seconds, what="the end of the import")

    def add(self, phones: Sequence[str]) -> dict[str, Any]:
        """People with these phones, by file."""
        rows = "".join(f"p{phone[1:]},Person {i},{phone}\n" for i, phone in enumerate(phones))
        return self.upload("external_id,name,phone\n" + rows)

    def post(self, action: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.stack.api.post(f"/campaigns/{self.id}/{action}", json=body or {})

    def status(self) -> dict[str, Any]:
        return ok(self.stack.api.get(f"/campaigns/{self.id}/status"))

    def stats(self) -> dict[str, Any]:
        return ok(self.stack.api.get(f"/campaigns/{self.id}/stats"))

    def calls(self, **query: Any) -> list[dict[str, Any]]:
        return self._all("/calls", {"campaign_id": self.id, **query})

    def prospects(self) -> list[dict[str, Any]]:
        return self._all(f"/campaigns/{self.id}/prospects", {})

    def until_status(self, status: str, seconds: float = 90) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            now = self.status()
            return now if now["status"] == status else None

        return until(reached, seconds=seconds, what=f"the campaign to be {status}")

    def at_carrier(self) -> list[dict[str, Any]]:
        """The carrier's own ledger, only this campaign's caller numbers."""
        mine = set(self.body["caller_numbers"])
        return [call for call in ok(self.stack.simulator.get("/_sim/calls"))["items"] if call["from"] in mine]

    def _import(self, import_id: str) -> dict[str, Any] | None:
        found = ok(self.stack.api.get(f"/imports/{import_id}"))
        return found if found["status"] != "running" else None

    def _all(self, path: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = ok(self.stack.api.get(path, params={**query, "limit": 100} | ({"cursor": cursor} if cursor else {})))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items


def script(stack: Stack, phone: str, behaviour: Any) -> None:
    """Decide what one simulated phone does."""
    body = behaviour if isinstance(behaviour, dict) and "behaviours" in behaviour else {"behaviour": behaviour}
    ok(stack.simulator.put(f"/_sim/phones/{phone}", json=body))


@contextmanager
def in_real_time(stack: Stack) -> Generator[None]:
    """Phones ring and people talk as long as in life while the block runs."""
    before = ok(stack.simulator.get("/_sim/behaviour"))["time_scale"]
    ok(stack.simulator.put("/_sim/behaviour", json={"time_scale": 1}))
    try:
        yield
    finally:
        ok(stack.simulator.put("/_sim/behaviour", json={"time_scale": before}))


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}
