"""Calls per second at the carrier, also when the process or the database was busy for a moment."""

import asyncio
from datetime import datetime
from itertools import pairwise

from dialer.clock import steady_seconds
from dialer.domain.timing import Timing
from dialer.store.database import Database, rows
from dialer.store.locks import hold_campaign
from tests.activities.recorders import Recorder
from tests.activities.scenes import scene
from tests.store.lines import claim_due
from tests.store.worlds import World

PACE = {"pace": {"max_concurrent": 9, "calls_per_second": 5}}
PATIENT = Timing(gate_age_s=6)


async def all_held_up(line: World, how_many: int) -> bool:
    """True when so many gates wait for the campaign's lock."""
    sql = "SELECT count(*) AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    (row,) = await line.read(sql)
    return row.waiting == how_many


async def test_gates_that_were_held_up_together_do_not_dial_together(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=4, settings=PACE) as at:
        calls = [call.call_id for call in (await claim_due(at.line)).calls]
        async with database.transaction(at.line.workspace_id) as holder:
            await hold_campaign(holder, at.line.campaign_id)
            placing = [asyncio.create_task(at.place(call_id, PATIENT)) for call_id in calls]
            while not await all_held_up(at.line, len(calls)):
                pass  # the other tasks go on while this one asks
        # Now they could all leave at once.
        await asyncio.gather(*placing)
        begun = sorted(datetime.fromisoformat(call["created_at"]) for call in await at.ledger())
    assert len(begun) == len(calls)
    assert min((later - earlier).total_seconds() for earlier, later in pairwise(begun)) > 0.09


async def test_a_call_whose_turns_are_all_missed_is_given_back(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        placed = await at.place(call_id, Timing(turn_slack_s=-1, gate_age_s=0.5))
        assert await at.ledger() == []
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.why) == ("deferred", "gate_too_old")


async def test_turns_that_waited_for_somebody_who_gave_up_do_not_lie_in_the_past(
    database: Database, workflows: Recorder
) -> None:
    """A transaction that held the pace rows and rolled back has moved nothing; the time has passed all the same."""
    async with scene(database, workflows, people=5, settings=PACE) as at:
        first, *calls = [call.call_id for call in (await claim_due(at.line)).calls]
        await at.place(first)  # makes the pace rows
        holder = database.transaction(at.line.workspace_id)
        session = await holder.__aenter__()
        await rows(session, "SELECT 1 FROM pace ORDER BY scope FOR NO KEY UPDATE")
        placing = [asyncio.create_task(at.place(call_id, PATIENT)) for call_id in calls]
        began = steady_seconds()
        while steady_seconds() - began < 1.2:
            await at.line.read("SELECT 1")  # the others wait for the rows meanwhile
        await session.rollback()
        await holder.__aexit__(None, None, None)
        await asyncio.gather(*placing)
        begun = sorted(datetime.fromisoformat(call["created_at"]) for call in await at.ledger())[1:]
    assert len(begun) == len(calls)
    assert min((later - earlier).total_seconds() for earlier, later in pairwise(begun)) > 0.09
