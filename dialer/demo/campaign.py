"""What the demonstration asks of the API, and of the simulator."""

from pathlib import Path
from typing import Any

import httpx

from dialer.client.api import ApiClient

PROSPECTS = Path(__file__).parent / "prospects.csv"

TIME_SCALE = 0.05
"""Phones ring and people talk twenty times as fast."""

MAX_CONCURRENT = 25
CALLS_PER_SECOND = 8

AGENT = {
    "name": "Ada",
    "system_prompt": "You offer a better price for what the person already has. You are brief and polite.",
    "first_message": "Hello {{name}}, this is Ada. Your {{product}} is up for renewal in {{renewal_month}}.",
    "language": "en-US",
}

CALLING_HOURS = {
    "windows": [
        {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "09:00", "end": "20:00"},
    ],
    "zone": "prospect",
}
"""Real ones: at any hour some of the people may be called and some may not."""

REDIAL = {
    "max_attempts": 3,
    "delays": {
        "busy": ["PT5S", "PT10S"],
        "no_answer": ["PT8S", "PT12S"],
        "voicemail": ["PT15S"],
        "failed": ["PT5S"],
        "unknown": ["PT10S"],
    },
}
"""Seconds instead of hours, so that a redial can be watched."""


def quicken_simulator(simulator_url: str) -> None:
    """Makes the town live faster. Raises ``httpx.HTTPError``."""
    with httpx.Client(trust_env=False, timeout=10) as http:
        http.put(f"{simulator_url}/_sim/behaviour", json={"time_scale": TIME_SCALE}).raise_for_status()


def create_campaign(api: ApiClient) -> dict[str, Any]:
    """An agent and a campaign with all caller numbers of the workspace; the campaign as the API describes it."""
    agent = api.post("/agents", AGENT)
    numbers = [number["phone"] for number in api.get("/phone-numbers", limit=100)["items"]]
    return api.post(
        "/campaigns",
        {
            "name": "Renewal offers",
            "agent_id": agent["id"],
            "caller_numbers": numbers,
            "purpose": "cold_calling",
            "calling_hours": CALLING_HOURS,
            "redial": REDIAL,
            "pace": {"max_concurrent": MAX_CONCURRENT, "calls_per_second": CALLS_PER_SECOND},
        },
    )


def every(api: ApiClient, path: str, **query: str) -> list[dict[str, Any]]:
    """All items of a list, page after page."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(path, limit=100, **query, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}
