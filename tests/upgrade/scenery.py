"""What the older version has been used for when it is replaced: campaigns in every state, a file half read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dialer.store.bootstrap import hash_key
from tests.chaos.people import stored_csv
from tests.e2e.campaigns import ALL_DAY, Campaign, fresh_phones, new_key, ok, script, until
from tests.fixtures_stack import Stack
from tests.upgrade.readings import by_id, read_campaign, read_workspace
from tests.upgrade.sites import Site

PEOPLE = 90
PART = 25
"""So many of them are done when the older version is ended."""
IN_FLIGHT = 3
ROWS = 20_000
REDIAL = {
    "max_attempts": 3,
    "delays": dict.fromkeys(("busy", "no_answer", "voicemail", "failed", "unknown"), ["PT2S", "PT3S"]),
}
#: What the carrier tells while nobody listens is asked for after both have passed, in real seconds.
LIMITS = {"ring_timeout_s": 10, "max_call_s": 15}
SLOW = {"kind": "human", "ring_s": 3, "talk_s": 14}
BEHAVIOURS: Sequence[Any] = (
    *[SLOW] * 6,
    {"behaviours": ["busy", SLOW]},
    {"behaviours": ["no_answer", SLOW]},
)
OTHER_KEY = "dk_of_an_older_version"


@dataclass(slots=True, kw_only=True)
class Scenery:
    """The campaigns by their state, and what was read when the older version ended."""

    campaigns: Mapping[str, Campaign]
    suppressed: Sequence[str]
    repeated: tuple[dict[str, Any], dict[str, str], str]
    """The body and headers of a request that made a campaign, and its id."""
    import_id: str = ""
    read: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    workspace: dict[str, Any] = field(default_factory=dict[str, Any])
    ended_calls: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    live_calls: Sequence[str] = ()
    ledger: Sequence[Mapping[str, Any]] = ()
    workflows: frozenset[tuple[str, str]] = frozenset()
    rows_read: int = 0


def prepare(site: Site, stack: Stack) -> Scenery:
    """Campaigns that have ended, that wait and that are paused, and one that is ready to be launched."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    campaigns = {
        "completed": _campaign(stack, "Completed", 10),
        "paused": _campaign(stack, "Paused", 14, pace={"max_concurrent": 2, "calls_per_second": 2}),
        "scheduled": _campaign(stack, "Scheduled", 5, schedule={"start_at": tomorrow}),
        "running": _campaign(stack, "Running", PEOPLE, pace={"max_concurrent": 8, "calls_per_second": 4}),
        "importing": Campaign.make(stack, name="Importing", calling_hours=ALL_DAY),
    }
    suppressed = [_some_phone(campaigns[name]) for name in ("paused", "running")]
    for phone in suppressed:
        ok(stack.api.post("/suppressions", json={"phone": phone}))
    _add_key(site)
    body = {"name": "Asked for twice", "agent_id": campaigns["completed"].body["agent_id"]}
    headers = new_key()
    made = ok(stack.api.post("/campaigns", json=body, headers=headers), 201)
    for name in ("completed", "paused", "scheduled"):
        ok(campaigns[name].post("launch"))
    until(lambda: campaigns["paused"].status()["prospects_done"] >= 3, what="three people to be done")
    ok(campaigns["paused"].post("pause"))
    campaigns["completed"].until_status("completed")
    until(lambda: not campaigns["paused"].status()["calls_in_flight"], what="the paused campaign's calls to end")
    return Scenery(campaigns=campaigns, suppressed=suppressed, repeated=(body, headers, made["id"]))


def set_going(stack: Stack, scenery: Scenery) -> None:
    """The campaign runs with calls in flight, the import is under way, and everything is read once more."""
    running, importing = scenery.campaigns["running"], scenery.campaigns["importing"]
    ok(running.post("launch"))
    until(lambda: running.status()["prospects_done"] >= PART, seconds=120, what=f"{PART} people to be done")
    scenery.workspace = read_workspace(stack)
    scenery.read = {name: read_campaign(scenery.campaigns[name]) for name in ("completed", "paused", "scheduled")}
    files = {"file": ("people.csv", stored_csv(ROWS), "text/csv")}
    started = ok(stack.api.post(f"/campaigns/{importing.id}/prospects:upload", files=files), 202)
    scenery.import_id = started["import_id"]

    def both_are_under_way() -> bool:
        scenery.rows_read = ok(stack.api.get(f"/imports/{scenery.import_id}"))["rows_read"]
        return scenery.rows_read > 0 and running.status()["calls_in_flight"] >= IN_FLIGHT

    until(both_are_under_way, what="calls and rows to be under way")


def note_calls(scenery: Scenery) -> None:
    """What is over and what is in flight at this moment."""
    calls = scenery.campaigns["running"].calls()
    scenery.ended_calls = by_id([call for call in calls if call["state"] == "ended"])
    scenery.live_calls = [call["id"] for call in calls if call["state"] not in ("ended", "deferred")]


def _campaign(stack: Stack, name: str, people: int, **settings: Any) -> Campaign:
    campaign = Campaign.make(stack, name=name, redial=REDIAL, **LIMITS, **settings)
    phones = fresh_phones(people)
    for position, phone in enumerate(phones):
        script(stack, phone, BEHAVIOURS[position % len(BEHAVIOURS)])
    campaign.add(phones)
    return campaign


def _some_phone(campaign: Campaign) -> str:
    """The last one: nobody has been called by then."""
    return campaign.prospects()[-1]["phone"]


def _add_key(site: Site) -> None:
    """A key that may only read agents."""
    sql = """INSERT INTO api_keys (workspace_id, name, key_hash, scopes, requests_per_minute)
             SELECT id, 'older', %s, ARRAY['agents:read'], 600 FROM workspaces"""
    with site.database() as connection:
        connection.execute(sql, [hash_key(OTHER_KEY)])
