"""Redial policies from the campaign's settings to the time that somebody is due, as calls end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dayparts import daypart_of
from dialer.domain.dispositions import Outcome
from dialer.domain.durations import parse_duration
from dialer.domain.zones import ZoneSet
from dialer.store.database import Database
from dialer.store.outcomes import note_outcome
from tests.store.lines import TIMING, call_row, claim_one, finish, gate, make_line, prospect_row
from tests.store.worlds import World

PERSON = {"answered_by": "human", "duration_seconds": 20}
MACHINE = {"answered_by": "machine_start", "duration_seconds": 9}
SPECIFIC: dict[str, list[str]] = {"voicemail": ["PT2H"], "voicemail_no_msg": ["PT1H"], "failed": ["PT3H"]}

#: What the settings say, how the call ends, what was said, and how long the next one waits (None: no redial).
POLICIES: dict[str, tuple[dict[str, list[str]], CarrierStatus, dict[str, Any], Outcome | None, str | None]] = {
    "a disposition": ({"busy": ["PT7M"]}, CarrierStatus.BUSY, {}, None, "PT7M"),
    "another disposition's default": ({"busy": ["PT7M"]}, CarrierStatus.NO_ANSWER, {}, None, "PT4H"),
    "no redial at all": ({"busy": []}, CarrierStatus.BUSY, {}, None, None),
    "a group": ({"voicemail": ["PT2H"]}, CarrierStatus.COMPLETED, MACHINE, None, "PT2H"),
    "a disposition before its group": (SPECIFIC, CarrierStatus.COMPLETED, MACHINE, None, "PT1H"),
    "the group of failures": (SPECIFIC, CarrierStatus.FAILED, {"sip_code": 503}, None, "PT3H"),
    "a refusal is none of the failures": (SPECIFIC, CarrierStatus.FAILED, {"sip_code": 603}, None, "P1D"),
    "an outcome": ({"incomplete": ["PT9H"]}, CarrierStatus.COMPLETED, PERSON, Outcome.INCOMPLETE, "PT9H"),
    "an outcome's default": ({}, CarrierStatus.COMPLETED, PERSON, Outcome.CALLBACK_REQUESTED, "P1D"),
    "an outcome before the disposition": (
        {"human": ["PT1M"], "incomplete": []},
        CarrierStatus.COMPLETED,
        PERSON,
        Outcome.INCOMPLETE,
        None,
    ),
    "a disposition whose outcome nobody told": ({"human": ["PT1M"]}, CarrierStatus.COMPLETED, PERSON, None, "PT1M"),
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.close()


async def ended(world: World, status: CarrierStatus, **facts: Any) -> Any:
    call = await claim_one(world)
    await gate(world, call.call_id)
    await finish(world, call.call_id, status, **facts)
    return call


async def test_what_the_policy_names_most_exactly_decides_when_a_person_is_called_again(database: Database) -> None:
    for name, (delays, status, facts, outcome, wait) in POLICIES.items():
        world = await make_line(database, people=1, settings={"redial": {"delays": delays}})
        call = await ended(world, status, **facts)
        if outcome is not None:
            async with database.transaction(world.workspace_id) as session:
                await note_outcome(session, call.call_id, outcome, TIMING)
        row = await call_row(world, call.call_id)
        if wait is None:
            assert row.next_state in ("exhausted", "reached"), name
        else:
            expected = row.ended_at + parse_duration(wait)
            assert abs(row.next_due_at - expected) < timedelta(seconds=5), name
        await world.run("UPDATE contacts SET phone = phone || '0'")  # the next campaign calls other people


async def test_a_redial_goes_to_a_part_of_the_day_that_was_not_tried(database: Database) -> None:
    redial = {"max_attempts": 9, "other_daypart": True, "delays": {"no_answer": ["PT1M"] * 9}}
    world = await make_line(database, people=1, settings={"redial": redial})
    call = await ended(world, CarrierStatus.NO_ANSWER)
    zones = ZoneSet(("America/Los_Angeles",))
    row, person = await call_row(world, call.call_id), await prospect_row(world, call.prospect_id)
    assert daypart_of(person.next_due_at, zones) is not daypart_of(row.dialed_at, zones)
    assert row.next_due_at == person.next_due_at > row.ended_at + timedelta(minutes=1)
    assert row.next_reason == "no_answer: redial 1 of 9, in another part of the day"


async def test_a_redial_before_the_end_is_not_put_behind_it(database: Database) -> None:
    redial = {"max_attempts": 9, "other_daypart": True, "delays": {"no_answer": ["PT0S"] * 9}}
    end_at = datetime.now(UTC) + timedelta(minutes=2)
    schedule = {"end_at": end_at.isoformat()}
    world = await make_line(database, people=1, settings={"redial": redial, "schedule": schedule})
    call = await ended(world, CarrierStatus.NO_ANSWER)
    assert (await prospect_row(world, call.prospect_id)).next_due_at < end_at
