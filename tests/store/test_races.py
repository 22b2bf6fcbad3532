"""What two parts of the product do at the same time, or one of them twice, or too late."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.dispatch import CampaignRef, DispatchActivities
from activities.sweep import SweepActivities, SweepRequest, Swept
from activities.wakeups import Wakeups
from dialer.domain.carrier_events import CarrierEvent, CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.timing import Timing
from dialer.store import control
from dialer.store.call_reads import redact
from dialer.store.callbacks import apply_event
from dialer.store.campaign_ends import hold_never_open, reopen_held
from dialer.store.database import Database
from dialer.store.dialing import Saved, ask_to_cancel, save_accepted, save_unknown
from dialer.store.endings import Ending, end_call
from tests.activities.recorders import OneCarrier, Recorder, run
from tests.activities.scenes import NO_PATIENCE, TIMING, scene
from tests.fixtures_postgres import TestPostgres
from tests.store.lines import (
    ALL_DAY,
    call_row,
    claim_due,
    claim_one,
    finish,
    gate,
    make_line,
    prospect_row,
    report,
    sid_of,
    tell,
)

SLOW = {"time_scale": 1.0}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def later(database_url: str) -> AsyncIterator[Database]:
    """The same database as a process sees it whose clock is ten minutes ahead."""
    database = Database(database_url, clock_offset=timedelta(minutes=10), pool_size=4)
    yield database
    await database.close()


@pytest.fixture
def workflows() -> Recorder:
    return Recorder()


async def sweep(database: Database, carriers: OneCarrier, workflows: Recorder, timing: Timing = TIMING) -> Swept:
    """One sweep that repairs and looks once."""
    activities = SweepActivities(database, carriers, workflows, timing=timing, watch=False)
    return await run(activities.sweep, SweepRequest(high_water=0))


async def test_a_call_that_reports_while_the_carrier_is_searched_in_vain_is_not_given_up(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await gate(at.line, call_id)
        async with database.transaction(at.line.workspace_id) as session:
            await save_unknown(session, call_id, TIMING)

        async def somebody_answers() -> None:
            await tell(at.line, report(call_id, CarrierStatus.IN_PROGRESS))

        at.carriers.before = somebody_answers
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id, NO_PATIENCE)
        call, prospect = await at.call(call_id), await at.prospect(call_id)
    assert (call.state, prospect.state) == ("in_progress", "in_call"), "they talk: nobody may ring them again"


async def test_a_report_that_says_nothing_of_the_line_does_not_keep_a_call_undecided(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy")
        await at.place(call_id)
        sid = (await at.call(call_id)).carrier_call_id
        await at.town.until_over(sid)
        # The worker died before it saved the answer, and of all reports only the detection's arrived.
        await at.line.run(
            "UPDATE calls SET state = 'dialing', accepted_at = NULL, gated_at = gated_at - interval '20 seconds' "
            "WHERE id = :id",
            id=call_id,
        )
        ended = await at.reconcile(call_id)
    assert ended.disposition == "busy"


async def test_a_late_call_whose_hang_up_failed_is_hung_up_by_the_sweep(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer", create_error="drop_after_accept")
        await at.place(call_id)
        async with database.transaction(at.line.workspace_id) as session:
            await end_call(session, call_id, Ending(disposition=Disposition.UNKNOWN), TIMING)
        (known,) = await at.ledger()
        applied = await tell(at.line, report(call_id, CarrierStatus.RINGING, carrier_call_id=known["sid"]))
        assert applied.hang_up == known["sid"], "and the process that should have acted on it dies here"
        await sweep(database, at.carriers, workflows)
        (known,) = await at.ledger()
        call = await at.call(call_id)
    assert known["status"] == "canceled"
    assert call.late_at is not None
    assert (call.state, call.disposition) == ("ended", "unknown")


async def test_an_answer_that_comes_after_the_call_was_given_up_is_hung_up_even_if_the_first_try_fails(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer", create_error="drop_after_accept")
        await at.place(call_id)
        async with database.transaction(at.line.workspace_id) as session:
            await end_call(session, call_id, Ending(disposition=Disposition.UNKNOWN), TIMING)
        (known,) = await at.ledger()
        async with database.transaction(at.line.workspace_id) as session:
            assert await save_accepted(session, call_id, known["sid"], TIMING) is Saved.HANG_UP
        await sweep(database, at.carriers, workflows)
        (known,) = await at.ledger()
    assert known["status"] == "canceled"


async def test_hanging_up_a_second_call_of_the_same_id_leaves_the_first_to_be_hung_up(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer")

        async def another_is_known_already() -> None:
            await tell(at.line, report(call_id, CarrierStatus.RINGING))
            async with database.transaction(at.line.workspace_id) as session:
                await ask_to_cancel(session, call_id, "hang_up")

        at.carriers.before = another_is_known_already
        await at.place(call_id)
        (known,) = await at.ledger()
        call = await at.call(call_id)
    assert known["status"] == "canceled"
    assert (call.carrier_call_id, call.hang_up_sent_at) == (sid_of(call_id), None)


async def test_a_carrier_that_takes_its_time_does_not_make_the_sweep_look_dead(
    database: Database, later: Database, workflows: Recorder
) -> None:
    environment = ActivityEnvironment()
    beats: asyncio.Queue[None] = asyncio.Queue()
    environment.on_heartbeat = lambda *_: beats.put_nowait(None)
    async with scene(database, workflows) as at:
        await gate(at.line, await at.claim())

        async def slow_carrier() -> None:
            while not beats.empty():
                beats.get_nowait()
            await asyncio.wait_for(beats.get(), 5)

        at.carriers.before = slow_carrier
        activities = SweepActivities(later, at.carriers, workflows, timing=TIMING, watch=False)
        swept = await environment.run(activities.sweep, SweepRequest(high_water=0))
    assert swept.reconciled == 1


async def test_calls_that_cannot_be_looked_up_let_others_have_their_turn(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy")
        await at.place(call_id)
        await at.town.until_over((await at.call(call_id)).carrier_call_id)
        pace = {"max_concurrent": 200, "calls_per_second": 1000}
        stranger = await make_line(database, people=101, settings={"pace": pace})
        assert len((await claim_due(stranger)).calls) == 101
        rows = await stranger.read("SELECT carrier_account_id FROM calls WHERE campaign_id = :c LIMIT 1")
        at.carriers.refused_accounts.add(rows[0].carrier_account_id)
        overdue = "deadline_at = dialer_now() - make_interval(secs => :late)"
        await stranger.run(f"UPDATE calls SET state = 'unknown', {overdue} WHERE campaign_id = :c", late=60)
        await at.line.run(f"UPDATE calls SET {overdue} WHERE campaign_id = :c", late=1)
        for _ in range(2):
            await sweep(database, at.carriers, workflows)
        assert (await at.call(call_id)).disposition == "busy"


async def test_settings_that_cannot_be_read_let_other_campaigns_be_looked_after(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy")
        await at.place(call_id)
        await at.town.until_over((await at.call(call_id)).carrier_call_id)
        await at.line.run("UPDATE calls SET deadline_at = dialer_now() - interval '1 second' WHERE campaign_id = :c")
        stranger = await make_line(database, people=1)
        ringing = await claim_one(stranger)
        await gate(stranger, ringing.call_id)
        await tell(stranger, report(ringing.call_id, CarrierStatus.RINGING))
        hours = json.dumps({"calling_hours": {**ALL_DAY, "holidays": "Atlantis"}})
        await stranger.run(
            "UPDATE campaigns SET settings = settings || CAST(:s AS jsonb), idle_until = dialer_now(), "
            "updated_at = dialer_now() - interval '1 hour' WHERE id = :c",
            s=hours,
        )
        await sweep(database, at.carriers, workflows)
        assert (await at.call(call_id)).disposition == "busy"
    assert (await call_row(stranger, ringing.call_id)).cancel_reason == "window_closing", "nobody knows its hours"


async def test_a_count_that_the_database_refuses_does_not_end_the_sweep(
    database: Database, database_url: str, postgres: TestPostgres, workflows: Recorder
) -> None:
    line = await make_line(database, people=0)
    with psycopg.connect(postgres.admin_url(database_url.rpartition("/")[2]), autocommit=True) as admin:
        admin.execute("DROP FUNCTION call_counts")
    assert (await sweep(database, OneCarrier(), workflows)).tallies_repaired == 0
    (checked,) = await line.read("SELECT tallies_checked_at FROM campaigns WHERE id = :c")
    assert checked.tallies_checked_at is not None, "the next campaign has its turn"


async def test_a_phone_stops_ringing_before_its_window_closes(
    database: Database, database_url: str, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer")
        await at.place(call_id)
        hours = {"windows": [{**ALL_DAY["windows"][0], "start": "09:00", "end": "20:00"}], "zone": "UTC"}
        await at.line.run(
            "UPDATE campaigns SET settings = settings || CAST(:s AS jsonb) WHERE id = :c",
            s=json.dumps({"calling_hours": hours}),
        )
        closes = datetime.now(UTC).replace(hour=20, minute=0, second=0, microsecond=0)
        for seconds, reason in ((20, None), (3, "window_closing")):
            offset = closes - timedelta(seconds=seconds) - datetime.now(UTC)
            clock = Database(database_url, clock_offset=offset, pool_size=2)
            # Only the window counts here: on that clock the call may have been accepted hours ago, or not yet.
            await sweep(clock, at.carriers, workflows, Timing(ring_after_s=1e6))
            await clock.close()
            assert (await at.call(call_id)).cancel_reason == reason


async def test_nobody_is_called_more_often_than_the_rules_of_now_allow(database: Database) -> None:
    line = await make_line(database, people=2, settings={"redial": {"max_attempts": 2}})
    await line.run("UPDATE prospects SET attempts = 2 WHERE phone LIKE '%0100'")
    found = await claim_due(line)
    assert len(found.calls) == 1, "the limit was lowered after this person's second call"
    assert await line.tally() == {"in_call": 1, "exhausted": 1}


async def test_people_held_because_their_hours_never_opened_are_called_after_a_launch(database: Database) -> None:
    line = await make_line(database, people=2, status="completed")
    held = "UPDATE prospects SET state = 'held', held_reason = :why, next_due_at = NULL WHERE phone LIKE :phone"
    await line.run(held, why="never_open", phone="%0100")
    await line.run(held, why="zone_unresolved", phone="%0101")
    async with database.transaction(line.workspace_id) as session:
        await control.launch(session, line.campaign_id)
    assert await line.tally() == {"ready": 1, "held": 1}
    assert len((await claim_due(line)).calls) == 1


async def test_hours_that_have_changed_meanwhile_hold_nobody(database: Database) -> None:
    line = await make_line(database, people=2)
    async with database.transaction(line.workspace_id) as session:
        assert await hold_never_open(session, line.campaign_id, ["America/Los_Angeles"], settings_version=0) == 0
        assert await hold_never_open(session, line.campaign_id, ["America/Los_Angeles"], settings_version=1) == 2
    assert await line.tally() == {"held": 2}


@pytest.mark.parametrize(
    ("mishap", "state", "disposition"),
    [(None, "accepted", None), (21211, "ended", "invalid_number"), ("http_429", "deferred", None)],
)
async def test_what_the_carrier_said_outlives_a_lost_connection_to_the_database(
    database: Database,
    database_url: str,
    postgres: TestPostgres,
    workflows: Recorder,
    mishap: object,
    state: str,
    disposition: str | None,
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer", **({} if mishap is None else {"create_error": mishap}))
        name = database_url.rpartition("/")[2]

        async def cut() -> None:
            async with await psycopg.AsyncConnection.connect(postgres.admin_url(), autocommit=True) as admin:
                sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                await admin.execute(sql, (name,))

        at.carriers.before = cut
        await at.place(call_id)
        call = await at.call(call_id)
        assert [known["sid"] for known in await at.ledger()] == ([call.carrier_call_id] if mishap is None else [])
    assert (call.state, call.disposition) == (state, disposition)


async def test_what_arrives_after_a_call_was_redacted_tells_nothing_personal_again(database: Database) -> None:
    line = await make_line(database, people=1)
    call_id = (await claim_one(line)).call_id
    await gate(line, call_id)
    await tell(line, report(call_id, CarrierStatus.COMPLETED, duration_seconds=30))
    async with database.transaction(line.workspace_id) as session:
        assert await redact(session, call_id)
    recorded = CarrierEvent(
        call_id=call_id,
        carrier_call_id=sid_of(call_id),
        kind="recording",
        account_sid="AC0",
        recording_url="https://carrier.example/recording",
    )
    async with database.transaction(line.workspace_id) as session:
        payload = {"RecordingUrl": recorded.recording_url}
        await apply_event(session, call_id, recorded, payload=payload, dedupe="late", timing=TIMING)
    assert (await call_row(line, call_id)).recording_url is None
    events = await line.read("SELECT kind, payload FROM call_events")
    assert {event.kind for event in events} == {"status", "recording"}
    assert [event.payload for event in events] == [{}, {}]


async def test_calls_still_end_after_the_database_was_restored(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy")
        await at.place(call_id)
        await at.town.until_over((await at.call(call_id)).carrier_call_id)
        await at.line.run("UPDATE calls SET deadline_at = dialer_now() WHERE campaign_id = :c")
        activities = SweepActivities(database, at.carriers, workflows, timing=TIMING, watch=False)
        swept = await run(activities.sweep, SweepRequest(high_water=10**9))
        assert (swept.restored, swept.high_water) == (True, 10**9)
        assert (await at.call(call_id)).disposition == "busy"
        assert (await at.campaign()).status == "paused"


async def test_a_leg_that_waits_for_a_lock_does_not_look_dead(
    database: Database, database_url: str, workflows: Recorder
) -> None:
    line = await make_line(database, people=1)
    environment = ActivityEnvironment()
    beats: asyncio.Queue[None] = asyncio.Queue()
    environment.on_heartbeat = lambda *_: beats.put_nowait(None)
    activities = DispatchActivities(database, workflows, Wakeups(database_url), timing=Timing(leg_s=0))
    ref = CampaignRef(workspace_id=str(line.workspace_id), campaign_id=str(line.campaign_id))
    async with database.transaction(line.workspace_id) as session:
        await session.execute(text("SELECT 1 FROM workspaces FOR UPDATE"))
        leg = asyncio.create_task(environment.run(activities.dispatch, ref))
        for _ in range(2):
            await asyncio.wait_for(beats.get(), 5)
        assert not leg.done()
    assert (await leg).claimed == 1


async def test_a_redial_that_has_to_wait_does_not_come_sooner_for_having_been_held(database: Database) -> None:
    line = await make_line(database, people=1, settings={"redial": {"delays": {"busy": ["PT4H"]}}})
    call = await claim_one(line)
    await gate(line, call.call_id)
    await finish(line, call.call_id, CarrierStatus.BUSY)
    due_at = (await prospect_row(line, call.prospect_id)).next_due_at
    async with database.transaction(line.workspace_id) as session:
        assert await hold_never_open(session, line.campaign_id, ["America/Los_Angeles"], settings_version=1) == 1
    async with database.transaction(line.workspace_id) as session:
        await reopen_held(session, line.campaign_id)
    person = await prospect_row(line, call.prospect_id)
    assert (person.state, person.next_due_at) == ("ready", due_at)
