import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from dialer.domain.carrier_events import AnsweredBy, CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.states import CompletedReason, PausedReason
from dialer.domain.timing import Timing
from dialer.store import control, sweeps
from dialer.store.campaign_ends import expire_ready
from dialer.store.database import Database
from dialer.store.dialing import Saved, save_accepted, save_unknown
from dialer.store.endings import Ending, end_call
from dialer.store.gates import GateClosed, GatePassed, defer, pass_gate
from dialer.store.suppressing import suppress
from dialer.store.tally_checks import wrong_tallies
from tests.store.lines import (
    TIMING,
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
from tests.store.worlds import World


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=8)
    yield database
    await database.close()


@pytest.fixture
async def line(database: Database) -> World:
    return await make_line(database)


async def test_a_claim_takes_due_people_once(line: World) -> None:
    first = await claim_due(line)
    second = await claim_due(line)
    assert len(first.calls) == 3
    assert second.calls == ()
    assert await line.tally() == {"in_call": 3}


async def test_claims_at_the_same_time_never_take_a_person_twice(database: Database) -> None:
    line = await make_line(database, people=20, settings={"pace": {"max_concurrent": 12, "calls_per_second": 1000}})
    claims = await asyncio.gather(*(claim_due(line) for _ in range(6)))
    taken = [call.prospect_id for found in claims for call in found.calls]
    assert len(taken) == len(set(taken)) == 12


async def test_a_full_campaign_says_that_slots_are_missing(database: Database) -> None:
    line = await make_line(database, settings={"pace": {"max_concurrent": 2, "calls_per_second": 1000}})
    assert len((await claim_due(line)).calls) == 2
    assert (await claim_due(line)).blocked == "slots"


async def test_an_account_is_never_used_beyond_its_limit(database: Database) -> None:
    line = await make_line(database, people=5, account_limits=(2, 1000.0))
    assert len((await claim_due(line)).calls) == 2
    assert (await claim_due(line)).blocked == "slots"


async def test_no_more_than_one_seconds_worth_of_calls_waits_for_its_turn(database: Database) -> None:
    line = await make_line(database, people=9, settings={"pace": {"max_concurrent": 9, "calls_per_second": 3}})
    assert len((await claim_due(line)).calls) == 3
    assert (await claim_due(line)).blocked == "pace"


async def test_a_person_is_in_one_call_only_across_campaigns(database: Database) -> None:
    line = await make_line(database, people=1)
    other = await make_second_campaign(line)
    assert len((await claim_due(line)).calls) == 1
    assert (await claim_due(other)).calls == ()


async def test_a_gate_passes_once(line: World) -> None:
    call = await claim_one(line)
    passed = await gate(line, call.call_id)
    again = await gate(line, call.call_id)
    assert isinstance(passed, GatePassed)
    assert again == GateClosed(reason="not_claimed", touched=False)
    assert (await call_row(line, call.call_id)).state == "dialing"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE campaigns SET status = 'paused' WHERE id = :c", "campaign_paused"),
        ("UPDATE campaigns SET settings_version = 2 WHERE id = :c", "settings_changed"),
        (
            'UPDATE campaigns SET settings = settings || \'{"schedule": {"end_at": "2020-01-01T00:00:00Z"}}\' '
            "WHERE id = :c",
            "ended",
        ),
        ("UPDATE prospects SET zone_set = '' WHERE campaign_id = :c", "window"),
        ("UPDATE calls SET hang_up_at = now() WHERE campaign_id = :c", "hang_up"),
    ],
)
async def test_what_changed_since_the_claim_closes_the_gate(line: World, change: str, reason: str) -> None:
    call = await claim_one(line)
    await line.run(change)
    assert await gate(line, call.call_id) == GateClosed(reason=reason, touched=True)
    assert (await call_row(line, call.call_id)).state == "deferred"
    prospect = await prospect_row(line, call.prospect_id)
    assert (prospect.state, prospect.attempts) == ("ready", 0)


async def test_an_opt_out_between_claim_and_gate_is_in_force(line: World) -> None:
    call = await claim_one(line)
    phone = (await call_row(line, call.call_id)).to_phone
    async with line.database.transaction(line.workspace_id) as session:
        await suppress(session, line.workspace_id, phone)
    assert await gate(line, call.call_id) == GateClosed(reason="suppressed", touched=True)
    assert (await prospect_row(line, call.prospect_id)).state == "suppressed"


async def test_a_deferred_call_is_no_attempt_and_its_number_is_used_again(line: World) -> None:
    call = await claim_one(line)
    async with line.database.transaction(line.workspace_id) as session:
        assert await defer(session, call.call_id, "pace", TIMING)
    await line.run("UPDATE prospects SET next_due_at = dialer_now() WHERE id = :id", id=call.prospect_id)
    again = await claim_due(line)
    assert [found.attempt for found in again.calls if found.prospect_id == call.prospect_id] == [1]


async def test_a_pause_waits_for_a_gate_that_is_not_committed_yet(line: World) -> None:
    call = await claim_one(line)
    passed = asyncio.Event()
    commit = asyncio.Event()

    async def slow_gate() -> None:
        async with line.database.transaction(line.workspace_id) as session:
            await pass_gate(session, call.call_id, TIMING)
            passed.set()
            await commit.wait()

    async def pause() -> int:
        async with line.database.transaction(line.workspace_id) as session:
            await control.pause(session, line.campaign_id)
        async with line.database.transaction(line.workspace_id) as session:
            return await control.count_undecided(session, line.campaign_id)

    gating = asyncio.create_task(slow_gate())
    await passed.wait()
    pausing = asyncio.create_task(pause())
    done, _ = await asyncio.wait({pausing}, timeout=0.3)
    assert not done
    commit.set()
    await gating
    assert await pausing == 1


async def test_a_busy_person_is_redialed_after_the_policys_delay(database: Database) -> None:
    settings = {"redial": {"max_attempts": 3, "delays": {"busy": ["PT15M"]}}}
    line = await make_line(database, people=1, settings=settings)
    call = await claim_one(line)
    await gate(line, call.call_id)
    ended = await finish(line, call.call_id, CarrierStatus.BUSY, sip_code=486)
    prospect = await prospect_row(line, call.prospect_id)
    row = await call_row(line, call.call_id)
    assert ended is not None
    assert (ended.disposition, ended.attempt, ended.prospect_state) == ("busy", "1 of 3", "ready")
    assert ended.why == "busy: redial 1 of 1"
    assert (prospect.state, prospect.attempts, prospect.last_disposition) == ("ready", 1, "busy")
    assert timedelta(minutes=14) < prospect.next_due_at - row.ended_at < timedelta(minutes=16)


async def test_a_person_whose_redials_are_used_up_is_exhausted(database: Database) -> None:
    settings = {"redial": {"max_attempts": 9, "delays": {"busy": ["PT0S"]}}}
    line = await make_line(database, people=1, settings=settings)
    for _ in range(2):
        call = await claim_one(line)
        await gate(line, call.call_id)
        await finish(line, call.call_id, CarrierStatus.BUSY)
    assert (await prospect_row(line, call.prospect_id)).state == "exhausted"
    assert await line.tally("disposition") == {"busy": 2}


async def test_the_terminal_report_frees_the_slot_and_reaches_the_person(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    for status in (CarrierStatus.INITIATED, CarrierStatus.RINGING, CarrierStatus.IN_PROGRESS):
        await tell(line, report(call.call_id, status))
    ended = await finish(line, call.call_id, CarrierStatus.COMPLETED, answered_by=AnsweredBy.HUMAN, duration_seconds=42)
    row = await call_row(line, call.call_id)
    assert ended is not None
    assert (row.state, row.disposition, row.talk_seconds) == ("ended", "human", 42)
    assert (await prospect_row(line, call.prospect_id)).state == "reached"
    assert await line.tally("talk_seconds") == {"all": 42}


async def test_reports_out_of_order_never_lower_a_state(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await tell(line, report(call.call_id, CarrierStatus.IN_PROGRESS))
    await tell(line, report(call.call_id, CarrierStatus.RINGING))
    row = await call_row(line, call.call_id)
    assert row.state == "in_progress"
    assert row.ringing_at is not None


async def test_a_repeated_terminal_report_changes_nothing(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await finish(line, call.call_id, CarrierStatus.BUSY)
    again = await tell(line, report(call.call_id, CarrierStatus.BUSY))
    other = await tell(line, report(call.call_id, CarrierStatus.COMPLETED, duration_seconds=9))
    assert not again.changed
    assert other.ended is None
    assert (await call_row(line, call.call_id)).disposition == "busy"
    assert (await prospect_row(line, call.prospect_id)).attempts == 1


async def test_the_answer_never_lowers_what_a_callback_told(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await tell(line, report(call.call_id, CarrierStatus.RINGING))
    async with line.database.transaction(line.workspace_id) as session:
        saved = await save_accepted(session, call.call_id, sid_of(call.call_id), TIMING)
    assert saved is Saved.OURS
    assert (await call_row(line, call.call_id)).state == "ringing"


async def test_a_second_carrier_id_for_the_same_call_is_hung_up(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await tell(line, report(call.call_id, CarrierStatus.RINGING))
    stranger = await tell(line, report(call.call_id, CarrierStatus.RINGING, carrier_call_id="CA" + "f" * 32))
    async with line.database.transaction(line.workspace_id) as session:
        saved = await save_accepted(session, call.call_id, "CA" + "e" * 32, TIMING)
    assert stranger.hang_up == "CA" + "f" * 32
    assert saved is Saved.HANG_UP
    assert (await call_row(line, call.call_id)).carrier_call_id == sid_of(call.call_id)


async def test_a_call_that_surfaces_after_it_was_given_up_is_late_and_hung_up(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    async with line.database.transaction(line.workspace_id) as session:
        await save_unknown(session, call.call_id, TIMING)
        await end_call(session, call.call_id, Ending(disposition=Disposition.UNKNOWN), TIMING)
    late = await tell(line, report(call.call_id, CarrierStatus.RINGING))
    row = await call_row(line, call.call_id)
    assert late.hang_up == sid_of(call.call_id)
    assert (row.state, row.disposition) == ("ended", "unknown")
    assert row.late_at is not None


async def test_an_unknown_call_counts_as_an_attempt(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    async with line.database.transaction(line.workspace_id) as session:
        await end_call(session, call.call_id, Ending(disposition=Disposition.UNKNOWN), TIMING)
    prospect = await prospect_row(line, call.prospect_id)
    assert (prospect.state, prospect.attempts) == ("ready", 1)


async def test_a_refused_account_leaves_the_person_untouched(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    before = await prospect_row(line, call.prospect_id)
    ending = Ending(disposition=Disposition.PROVIDER_ERROR, error_code=20003, attempted=False, untouched=True)
    async with line.database.transaction(line.workspace_id) as session:
        await control.pause(session, line.campaign_id, reason=PausedReason.CARRIER_ACCOUNT)
        await end_call(session, call.call_id, ending, TIMING)
    after = await prospect_row(line, call.prospect_id)
    assert before.state == "in_call"
    assert (after.state, after.attempts, after.last_disposition) == ("ready", 0, None)


async def test_turns_are_spaced_by_the_rate_and_too_late_ones_are_not_taken(database: Database) -> None:
    settings = {"pace": {"max_concurrent": 9, "calls_per_second": 4}}
    line = await make_line(database, people=9, settings=settings)
    waits: list[float | str] = []
    for call in (await claim_due(line)).calls:
        passed = await gate(line, call.call_id, Timing(turn_s=0.6, turn_lead_s=0))
        waits.append(passed.turn.wait_s if isinstance(passed, GatePassed) else passed.reason)
    assert waits[0] == 0
    assert waits[1] == pytest.approx(0.25, abs=0.1)
    assert waits[2] == pytest.approx(0.5, abs=0.15)
    assert waits[3] == "pace"


async def test_an_expired_claim_is_found_by_the_sweep(line: World) -> None:
    call = await claim_one(line)
    await line.run("UPDATE calls SET claimed_at = dialer_now() - interval '61 seconds' WHERE id = :id", id=call.call_id)
    async with line.database.transaction_over_all() as session:
        assert [found.call_id for found in await sweeps.expired_claims(session, 60)] == [call.call_id]


async def test_a_campaign_completes_only_when_nobody_is_ready_or_in_a_call(line: World) -> None:
    async def complete() -> bool:
        async with line.database.transaction(line.workspace_id) as session:
            return await control.complete(session, line.campaign_id, CompletedReason.ALL_FINAL)

    assert not await complete()
    calls = (await claim_due(line)).calls
    assert not await complete()
    for call in calls:
        await gate(line, call.call_id)
        await finish(line, call.call_id, CarrierStatus.COMPLETED, answered_by=AnsweredBy.HUMAN)
    assert await complete()


async def test_who_decides_by_settings_that_were_edited_meanwhile_ends_nothing(line: World) -> None:
    """Such as an end that has passed, and was just moved."""
    (before,) = await line.read("SELECT settings_version FROM campaigns WHERE id = :c")
    await line.run("UPDATE campaigns SET settings_version = settings_version + 1 WHERE id = :c")
    stale, now = before.settings_version, before.settings_version + 1
    async with line.database.transaction(line.workspace_id) as session:
        assert await expire_ready(session, line.campaign_id, settings_version=stale) == 0
    async with line.database.transaction(line.workspace_id) as session:
        assert await expire_ready(session, line.campaign_id, settings_version=now) == 3
        reason = CompletedReason.END_AT
        assert not await control.complete(session, line.campaign_id, reason, settings_version=stale)
        assert not await control.await_next_run(session, line.campaign_id, settings_version=stale)
        assert await control.complete(session, line.campaign_id, reason, settings_version=now)


async def test_tallies_equal_the_rows_after_a_whole_life(line: World) -> None:
    for status in (CarrierStatus.BUSY, CarrierStatus.NO_ANSWER, CarrierStatus.COMPLETED):
        found = await claim_due(line)
        for call in found.calls[:1]:
            await gate(line, call.call_id)
            await finish(line, call.call_id, status, duration_seconds=5)
    async with line.database.transaction(line.workspace_id) as session:
        assert await wrong_tallies(session, line.campaign_id) == {}
    assert sum((await line.tally()).values()) == 3


async def test_another_workspace_sees_nothing(database: Database, line: World) -> None:
    other = await make_line(database, people=1)
    seen = await other.read("SELECT workspace_id FROM prospects")
    assert {row.workspace_id for row in seen} == {other.workspace_id}


async def make_second_campaign(line: World) -> World:
    """Another campaign of the same workspace for the same people and numbers."""
    sql = """
        INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
        SELECT workspace_id, agent_id, 'Second', settings, 10, 'running' FROM campaigns WHERE id = :c RETURNING id"""
    made = (await line.read(sql))[0]
    sql = """INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
             SELECT workspace_id, :new, phone_number_id, position FROM campaign_numbers WHERE campaign_id = :c"""
    await line.run(sql, new=made.id)
    sql = """INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, zone_set, next_due_at)
             SELECT workspace_id, :new, contact_id, phone, zone_set, dialer_now()
             FROM prospects WHERE campaign_id = :c"""
    await line.run(sql, new=made.id)
    sql = "INSERT INTO lanes (workspace_id, campaign_id, zone_set, priority) VALUES (:w, :new, :zone, 5)"
    await line.run(sql, new=made.id, w=line.workspace_id, zone="America/Los_Angeles")
    return World(database=line.database, workspace_id=line.workspace_id, campaign_id=made.id)
