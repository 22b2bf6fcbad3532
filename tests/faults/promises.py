"""The promises, looked at from outside: our rows beside the carrier's own ledger, when all is over."""

from collections import Counter
from typing import Any

from dialer.simulator.ledger import Call
from dialer.store.tables.base import LIVE
from dialer.store.tally_checks import wrong_tallies
from tests.faults.towns import Town
from tests.store.worlds import World

#: How a call that the carrier says has ended so may stand in our books.
FITS = {
    "completed": {
        "human",
        "voicemail_no_msg",
        "voicemail_left",
        "fax",
        "ivr",
        "answered_unknown",
        "abandoned",
        "short_hangup",
    },
    "busy": {"busy"},
    "no-answer": {"no_answer"},
    "canceled": {"canceled"},
}
FINAL = {"reached", "exhausted", "suppressed", "invalid", "expired", "held"}


async def broken_promises(world: World, town: Town, *, hidden: bool = False) -> list[str]:
    """One sentence for each; none when all are kept. ``hidden``: the carrier did not show its calls when asked."""
    calls = await world.read("SELECT * FROM calls WHERE campaign_id = :c")
    people = await world.read("SELECT * FROM prospects WHERE campaign_id = :c")
    ledger = town.ledger()
    return [
        *_never_twice(calls, ledger),
        *_as_the_carrier_says(calls, ledger, hidden=hidden),
        *_never_lost(calls, people),
        *_attempts(calls, people, ledger),
        *(await _counts(world)),
    ]


def _never_twice(calls: list[Any], ledger: list[Call]) -> list[str]:
    dialed = Counter(call.call_id for call in ledger)
    known = {str(call.id) for call in calls}
    twice = [f"call {call_id} was dialed {n} times" for call_id, n in dialed.items() if n > 1]
    strangers = [f"the carrier's call {call.sid} is no call of ours" for call in ledger if call.call_id not in known]
    return twice + strangers


def _as_the_carrier_says(calls: list[Any], ledger: list[Call], *, hidden: bool) -> list[str]:
    at_carrier = {call.call_id: call for call in ledger}
    broken: list[str] = []
    for call in calls:
        there = at_carrier.get(str(call.id))
        if there is None:
            if call.carrier_call_id is not None:
                broken.append(f"call {call.id} has a carrier id that the carrier does not know")
        elif call.state == "deferred":
            broken.append(f"call {call.id} was deferred ({call.deferred_reason}) and dialed")
        elif call.carrier_call_id != there.sid:
            broken.append(f"call {call.id} was dialed as {there.sid}, and has {call.carrier_call_id}")
        elif call.disposition == "unknown" and not hidden:
            broken.append(f"call {call.id} ended unknown, and the carrier would have told: {there.status}")
        elif call.disposition != "unknown" and call.disposition not in FITS.get(there.status, {call.disposition}):
            broken.append(f"call {call.id} is {call.disposition}, at the carrier {there.status}")
    return broken


def _never_lost(calls: list[Any], people: list[Any]) -> list[str]:
    broken = [f"call {call.id} is {call.state} for ever" for call in calls if call.state not in ("ended", "deferred")]
    for person in people:
        due = person.state == "ready" and person.next_due_at is not None
        if person.state not in FINAL and not due:
            broken.append(f"prospect {person.id} is {person.state} without a next due time")
    return broken


def _attempts(calls: list[Any], people: list[Any], ledger: list[Call]) -> list[str]:
    dialed = {call.call_id for call in ledger}
    made = Counter(
        call.prospect_id
        for call in calls
        if call.state == "ended" and (str(call.id) in dialed or call.disposition == "unknown")
    )
    return [
        f"prospect {person.id} has {person.attempts} attempts, and {made[person.id]} were made"
        for person in people
        if person.attempts != made[person.id]
    ]


async def _counts(world: World) -> list[str]:
    async with world.database.transaction(world.workspace_id) as session:
        wrong = await wrong_tallies(session, world.campaign_id)
    live = await world.read(f"SELECT id FROM calls WHERE campaign_id = :c AND {LIVE}")
    return [f"tallies are wrong: {wrong}"] * bool(wrong) + [f"call {row.id} holds a slot" for row in live]
