"""A database that has lost calls, and a carrier that knows them: the real adapter at the real simulator."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.exceptions import ApplicationError

from activities.sweep import SweepActivities, SweepRequest
from dialer.carriers.base import AccountRefused, DialOrder
from dialer.domain.restores import Mark
from dialer.domain.timing import Timing
from dialer.recovered_calls import Found
from dialer.recovering import CannotAsk, Recovered, pause_everything, recover, resume_all
from dialer.store.database import Database
from dialer.store.gates import defer
from dialer.store.recoveries import read_standing
from dialer.store.tally_checks import wrong_tallies
from tests.activities.recorders import OneCarrier, Recorder, run
from tests.activities.scenes import Scene, scene
from tests.store.lines import add_people, claim_one, gate, make_line
from tests.store.worlds import World

NUMBER = "+16505550150"
TIMING = Timing()
LONG_AGO = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One prospect, as the restored database has them."""

    id: UUID
    phone: str


async def people(line: World) -> list[Person]:
    """Everybody of the campaign, by phone."""
    found = await line.read("SELECT id, phone FROM prospects WHERE campaign_id = :c ORDER BY phone")
    return [Person(id=row.id, phone=row.phone) for row in found]


async def dial_unseen(at: Scene, phone: str, *, over: bool = True, **behaviour: Any) -> str:
    """A call that was made after the backup: only the carrier knows it. Its id there."""
    assert at.carriers.carrier is not None
    if behaviour:
        await at.town.script(phone, **behaviour)
    order = DialOrder(
        call_id=uuid4(),
        to=phone,
        from_=NUMBER,
        ring_timeout_s=25,
        max_call_s=600,
        callback_base_url=at.town.customer.url,
    )
    sid = (await at.carriers.carrier.place(order)).carrier_call_id
    if over:
        await at.town.until_over(sid)
    return sid


async def recovery(at: Scene, **options: Any) -> Recovered:
    options = {"since": datetime.now(UTC) - LONG_AGO, **options}
    return await recover(at.line.database, at.carriers, timing=TIMING, **options)


def found(done: Recovered) -> dict[Found, int]:
    return dict(sum((Counter(report.found) for report in done.accounts), Counter[Found]()))


async def rows_of(line: World, person: Person) -> Sequence[Any]:
    return await line.read("SELECT * FROM calls WHERE prospect_id = :p ORDER BY attempt", p=person.id)


async def prospect(line: World, person: Person) -> Any:
    return (await line.read("SELECT * FROM prospects WHERE id = :p", p=person.id))[0]


async def awaits_recovery(database: Database) -> bool:
    async with database.transaction_over_all() as session:
        return (await read_standing(session)).awaits_recovery


async def everything(line: World) -> list[Any]:
    """All that a recovery could change."""
    async with line.database.transaction(line.workspace_id) as session:
        assert await wrong_tallies(session, line.campaign_id) == {}
    calls = await line.read("SELECT * FROM calls ORDER BY number")
    prospects = await line.read("SELECT * FROM prospects ORDER BY id")
    return [tuple(row) for row in (*calls, *prospects)]


async def test_lost_calls_are_recorded_as_the_attempts_that_they_were(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=3) as at:
        busy, reached, untouched = await people(at.line)
        sids = [await dial_unseen(at, busy.phone, kind="busy"), await dial_unseen(at, busy.phone)]
        sids.append(await dial_unseen(at, reached.phone, kind="human"))
        done = await recovery(at)
        assert found(done) == {Found.RECOVERED: 3}
        first, second = await rows_of(at.line, busy)
        assert [first.carrier_call_id, second.carrier_call_id] == sids[:2]
        assert [(row.attempt, row.state, row.disposition) for row in (first, second)] == [
            (1, "ended", "busy"),
            (2, "ended", "busy"),
        ]
        assert first.dialed_at <= first.ended_at <= second.dialed_at
        (talk,) = await rows_of(at.line, reached)
        assert (talk.carrier_call_id, talk.attempt, talk.created_by) == (sids[2], 1, "recovery")
        assert talk.answered_at is not None
        states = {person.phone: await prospect(at.line, person) for person in (busy, reached, untouched)}
        assert (states[busy.phone].state, states[busy.phone].attempts) == ("ready", 2)
        assert states[busy.phone].next_due_at > datetime.now(UTC), "the redial waits as after any other end"
        assert states[reached.phone].attempts == 1
        assert (states[untouched.phone].state, states[untouched.phone].attempts) == ("ready", 0)
        before = await everything(at.line)
        assert found(await recovery(at)) == {Found.KNOWN: 3}
        assert await everything(at.line) == before, "a second time changes nothing"


async def test_a_dry_run_says_the_same_and_changes_nothing(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=1) as at:
        (person,) = await people(at.line)
        claimed = await claim_one(at.line)
        for _ in range(2):
            await dial_unseen(at, person.phone, kind="busy")
        before = await everything(at.line)
        tried = await recovery(at, dry_run=True)
        assert tried.recovered_at is None
        assert await everything(at.line) == before
        assert (await at.campaign()).status == "running"
        done = await recovery(at)
        assert found(done) == found(tried) == {Found.ADOPTED: 1, Found.RECOVERED: 1}
        first, second = await rows_of(at.line, person)
        assert first.id == claimed.call_id
        assert (first.state, first.disposition, second.attempt) == ("ended", "busy", 2)


@pytest.mark.parametrize("caught", ["claimed", "dialing"])
async def test_a_call_that_the_backup_caught_in_the_middle_is_adopted(
    database: Database, workflows: Recorder, caught: str
) -> None:
    async with scene(database, workflows) as at:
        (person,) = await people(at.line)
        call_id = await at.claim()
        if caught == "dialing":
            await gate(at.line, call_id)
        sid = await dial_unseen(at, person.phone, kind="busy")
        assert found(await recovery(at)) == {Found.ADOPTED: 1}
        (row,) = await rows_of(at.line, person)
        assert (row.id, row.carrier_call_id, row.disposition) == (call_id, sid, "busy")
        assert (await prospect(at.line, person)).attempts == 1
        assert await everything(at.line)


async def test_a_call_that_was_given_up_as_unknown_gets_its_carrier_id(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        (person,) = await people(at.line)
        call_id = await at.claim()
        await gate(at.line, call_id)
        sid = await dial_unseen(at, person.phone, kind="busy")
        sql = "UPDATE calls SET state = 'ended', disposition = 'unknown', ended_at = dialer_now() WHERE id = :id"
        await at.line.run(sql, id=call_id)
        await at.line.run("UPDATE prospects SET state = 'ready', attempts = 1 WHERE id = :p", p=person.id)
        assert found(await recovery(at)) == {Found.ADOPTED: 1}
        (row,) = await rows_of(at.line, person)
        assert (row.carrier_call_id, row.disposition) == (sid, "unknown")
        assert (await prospect(at.line, person)).attempts == 1


async def test_a_call_that_surfaced_after_its_claim_was_given_back_counts(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        (person,) = await people(at.line)
        call_id = await at.claim()
        sid = await dial_unseen(at, person.phone, kind="busy")
        async with database.transaction(at.line.workspace_id) as session:
            await defer(session, call_id, "worker_lost", TIMING)
        await at.line.run("UPDATE calls SET carrier_call_id = :s WHERE id = :id", s=sid, id=call_id)
        assert found(await recovery(at)) == {Found.RECOVERED: 1}
        rows = {row.id: row for row in await rows_of(at.line, person)}
        assert (rows.pop(call_id).carrier_call_id, len(rows)) == (None, 1)
        assert (await prospect(at.line, person)).attempts == 1


async def test_a_claim_over_another_number_does_not_hold_its_person_back(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        (person,) = await people(at.line)
        call_id = await at.claim()
        await at.line.run("UPDATE calls SET from_phone = '+16505550199' WHERE id = :id", id=call_id)
        await dial_unseen(at, person.phone, kind="human")
        assert found(await recovery(at)) == {Found.RECOVERED: 1}
        assert (await at.call(call_id)).state == "deferred"
        assert (await prospect(at.line, person)).state != "in_call"
        assert (await prospect(at.line, person)).attempts == 1


async def second_campaign(line: World) -> World:
    """Another campaign of the workspace, over the same number, with the same people."""
    sql = """
        WITH made AS (
            INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
            SELECT workspace_id, agent_id, 'Other', settings, max_concurrent, status FROM campaigns WHERE id = :c
            RETURNING id, workspace_id
        ), numbers AS (
            INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
            SELECT n.workspace_id, made.id, n.phone_number_id, n.position FROM campaign_numbers n, made
            WHERE n.campaign_id = :c RETURNING 1
        ) SELECT id FROM made"""
    made = (await line.read(sql))[0].id
    other = World(database=line.database, workspace_id=line.workspace_id, campaign_id=made)
    await add_people(other, 1)
    return other


async def test_a_call_that_two_campaigns_may_have_made_is_an_attempt_of_both(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        other = await second_campaign(at.line)
        (person,) = await people(at.line)
        (same,) = await people(other)
        sid = await dial_unseen(at, person.phone, kind="human")
        assert found(await recovery(at)) == {Found.AMBIGUOUS: 1}
        rows = [*await rows_of(at.line, person), *await rows_of(other, same)]
        assert [(row.attempt, row.disposition) for row in rows] == [(1, "unknown")] * 2
        assert sorted(row.carrier_call_id or "" for row in rows) == ["", sid]
        for line, who in ((at.line, person), (other, same)):
            row = await prospect(line, who)
            assert (row.state, row.attempts) == ("ready", 1), "nobody is lost, and nobody is called as the same attempt"
        assert found(await recovery(at)) == {Found.KNOWN: 1}


async def test_a_campaign_whose_redial_lay_ahead_did_not_make_the_call(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        other = await second_campaign(at.line)
        (person,), (same,) = await people(at.line), await people(other)
        await other.run("UPDATE prospects SET next_due_at = dialer_now() + interval '1 hour' WHERE campaign_id = :c")
        for _ in range(2):
            await dial_unseen(at, person.phone, kind="busy")
        assert found(await recovery(at)) == {Found.RECOVERED: 2}, "the second one neither"
        assert (len(await rows_of(at.line, person)), len(await rows_of(other, same))) == (2, 0)


async def test_calls_without_a_campaign_are_known_and_foreign_ones_are_left_alone(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        single = await dial_unseen(at, "+14155550177", kind="human")
        await at.town.place("+14155550178")  # over a number that the database does not have
        assert found(await recovery(at)) == {Found.WITHOUT_CAMPAIGN: 1, Found.NOT_OURS: 1}
        (row,) = await at.line.read("SELECT * FROM calls WHERE workspace_id IS NOT NULL")
        assert (row.carrier_call_id, row.campaign_id, row.state) == (single, None, "ended")


@pytest.mark.parametrize("answered", [True, False])
async def test_a_call_that_still_goes_on_is_live_again(database: Database, workflows: Recorder, answered: bool) -> None:
    async with scene(database, workflows, time_scale=1.0) as at:
        (person,) = await people(at.line)
        kind = {"kind": "human", "ring_s": 0.1, "talk_s": 300} if answered else {"kind": "no_answer"}
        sid = await dial_unseen(at, person.phone, over=False, **kind)
        assert at.carriers.carrier is not None
        if answered:
            await at.town.customer.wait_for(lambda heard: any(h.form["CallStatus"] == "in-progress" for h in heard))
        assert found(await recovery(at)) == {Found.RECOVERED: 1}
        (row,) = await rows_of(at.line, person)
        assert (row.carrier_call_id, row.hang_up_at is None) == (sid, answered)
        assert row.state == ("in_progress" if answered else row.state)
        assert (await prospect(at.line, person)).state == "in_call"
        await at.carriers.carrier.hang_up(sid, answered=answered)
        await at.town.until_over(sid)
        assert found(await recovery(at)) == {Found.KNOWN: 1}, "and it ends when it is over there"
        (row,) = await rows_of(at.line, person)
        assert (row.state, (await prospect(at.line, person)).attempts) == ("ended", 1)
        assert await everything(at.line)


async def test_nothing_is_recovered_while_an_account_cannot_be_asked(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        (person,) = await people(at.line)
        await make_line(database)  # with an account of its own
        await dial_unseen(at, person.phone)
        broken = OneCarrier(error=AccountRefused(20003, 401))
        with pytest.raises(CannotAsk):
            await recover(database, broken, timing=TIMING)
        assert await rows_of(at.line, person) == []
        row = await at.campaign()
        assert (row.status, row.paused_reason) == ("paused", "database_restored")
        assert await awaits_recovery(database)


async def test_the_gap_begins_at_the_newest_call_of_when_the_restore_was_noticed(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, people=2) as at:
        await at.line.run(
            """INSERT INTO calls (workspace_id, state, created_at)
               VALUES (:w, 'deferred', dialer_now() - interval '5 hours')""",
            w=at.line.workspace_id,
        )
        await pause_everything(database)
        await at.line.run("UPDATE campaigns SET status = 'running' WHERE id = :c")
        await claim_one(at.line)
        done = await recovery(at, since=None)
        assert datetime.now(UTC) - done.since > timedelta(hours=5)
        assert done.recovered_at is not None
        async with database.transaction_over_all() as session:
            assert not (await read_standing(session)).is_restored(Mark(newest_call=10**9))
        again = await recovery(at, since=None)
        assert datetime.now(UTC) - again.since < timedelta(hours=1), "that gap is closed"


async def test_a_call_that_was_made_before_the_restore_was_noticed_does_not_hide_the_gap(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, people=2) as at:
        await at.line.run(
            """INSERT INTO calls (workspace_id, state, created_at)
               VALUES (:w, 'deferred', dialer_now() - interval '5 hours')""",
            w=at.line.workspace_id,
        )
        await claim_one(at.line)
        done = await recovery(at, since=None)
        assert datetime.now(UTC) - done.since > timedelta(hours=5)


async def test_only_what_was_paused_for_the_restore_is_resumed(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        by_hand = await second_campaign(at.line)
        await by_hand.run("UPDATE campaigns SET status = 'paused', paused_reason = 'user' WHERE id = :c")
        done = await recovery(at)
        resumed = await resume_all(database, done.waiting)
        assert [campaign.campaign_id for campaign in resumed] == [at.line.campaign_id]
        statuses = await at.line.read("SELECT id, status FROM campaigns")
        assert {row.id: row.status for row in statuses} == {
            at.line.campaign_id: "running",
            by_hand.campaign_id: "paused",
        }


async def test_a_claimed_call_is_not_given_back_before_the_carrier_was_asked(
    database: Database, workflows: Recorder
) -> None:
    impatient = Timing(place_timeout_s=0)
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await pause_everything(database)
        with pytest.raises(ApplicationError, match="not decided"):
            await at.reconcile(call_id, impatient)
        assert (await at.call(call_id)).state == "claimed"
        assert found(await recovery(at)) == {}
        assert (await at.reconcile(call_id, impatient)).state == "deferred"


async def test_the_workflow_of_a_call_that_the_database_has_lost_comes_to_its_end(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = uuid4()
        placed = await at.place(call_id)
        assert placed.ended is not None
        assert await at.reconcile(call_id) == placed.ended
        assert placed.ended.state == "lost"
        assert await at.ledger() == []


async def test_whatever_is_resumed_before_the_recovery_is_paused_by_the_next_sweep(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        await pause_everything(database)
        await at.line.run("UPDATE campaigns SET status = 'running', paused_reason = NULL WHERE id = :c")
        sweeps = SweepActivities(database, at.carriers, workflows, timing=TIMING, watch=False)
        assert (await run(sweeps.sweep, SweepRequest(high_water=0))).restored, "although no mark tells so"
        assert (await at.campaign()).paused_reason == "database_restored"
        await recovery(at)
        assert not (await run(sweeps.sweep, SweepRequest(high_water=0))).restored
