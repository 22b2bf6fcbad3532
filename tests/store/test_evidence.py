"""Evidence is read as of one moment, and is the whole story of one campaign."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.judging.evidence import CallRecord, CarrierRecord, Evidence
from dialer.domain.judging.judge import judge
from dialer.domain.states import ProspectState
from dialer.store.callbacks import adopt
from dialer.store.control import mark_settled, pause, resume
from dialer.store.database import Database
from dialer.store.evidence import NotASnapshot, find_campaign, read_evidence, snapshot
from dialer.store.suppressing import suppress
from tests.store.lines import claim_due, claim_one, finish, gate, make_line, sid_of
from tests.store.worlds import World


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.close()


@pytest.fixture
async def line(database: Database) -> World:
    return await make_line(database)


async def read(world: World, campaign_id: UUID | None = None) -> Evidence:
    async with snapshot(world.database) as session:
        return await read_evidence(session, campaign_id=campaign_id)


def at_carrier(evidence: Evidence, statuses: dict[UUID, CarrierStatus]) -> Evidence:
    """What a carrier would have written down of the calls that were let through."""
    sids = {number.carrier_account_id: number.account_sid for number in evidence.numbers}

    def record(call: CallRecord) -> CarrierRecord:
        assert call.gated_at is not None
        assert call.carrier_account_id is not None
        over: datetime | None = call.ended_at
        return CarrierRecord(
            carrier_call_id=sid_of(call.id),
            account_sid=sids[call.carrier_account_id],
            call_id=call.id,
            to=call.to_phone or "",
            from_=call.from_phone or "",
            status=statuses.get(call.id, CarrierStatus.IN_PROGRESS),
            created_at=call.gated_at + timedelta(microseconds=10),
            ended_at=over,
        )

    return evidence.with_carrier(record(call) for call in evidence.calls if call.gated_at is not None)


async def test_what_the_store_does_is_acquitted_with_every_limit_known(line: World) -> None:
    claimed = (await claim_due(line)).calls
    for call in claimed:
        await gate(line, call.call_id)
        async with line.database.transaction(line.workspace_id) as session:
            await adopt(session, call.call_id, sid_of(call.call_id))
    await finish(line, claimed[0].call_id, CarrierStatus.BUSY)
    await finish(line, claimed[1].call_id, CarrierStatus.COMPLETED, answered_by="human", duration_seconds=9)
    async with line.database.transaction(line.workspace_id) as session:
        await pause(session, line.campaign_id)
        await suppress(session, line.workspace_id, "+14155550100")
    async with line.database.transaction(line.workspace_id) as session:
        await mark_settled(session, line.campaign_id)
    ends = {claimed[0].call_id: CarrierStatus.BUSY, claimed[1].call_id: CarrierStatus.COMPLETED}
    evidence = at_carrier(await read(line, line.campaign_id), ends)
    verdict = judge(evidence)
    assert verdict.violations == ()
    assert {result.rule: result.not_decidable for result in verdict.rules if result.not_decidable} == {}
    assert [change.settled_at is not None for change in evidence.changes if change.subject == "campaign"][-1]
    assert evidence.campaigns[0].tallies
    assert {call.zone_set for call in evidence.calls} == {"America/Los_Angeles"}


async def test_a_row_altered_behind_the_products_back_is_convicted(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await finish(line, call.call_id, CarrierStatus.BUSY)
    await line.run("UPDATE prospects SET state = 'in_call' WHERE id = :id", id=call.prospect_id)
    evidence = at_carrier(await read(line, line.campaign_id), {call.call_id: CarrierStatus.BUSY})
    broken = {(violation.rule, violation.ids.get("prospect")) for violation in judge(evidence).violations}
    assert broken == {("prospects_not_lost", str(call.prospect_id))}


async def test_one_moment_is_read_whatever_is_committed_meanwhile(line: World) -> None:
    async with snapshot(line.database) as session:
        before = await read_evidence(session, campaign_id=line.campaign_id)
        await claim_due(line)
        after = await read_evidence(session, campaign_id=line.campaign_id)
    assert (before.calls, before.prospects) == (after.calls, after.prospects) == ((), before.prospects)
    assert {prospect.state for prospect in after.prospects} == {ProspectState.READY}
    assert len((await read(line)).calls) == 3


async def test_the_moment_is_never_later_than_what_is_read(line: World) -> None:
    await claim_due(line)
    evidence = await read(line)
    assert all(call.claimed_at is not None and call.claimed_at <= evidence.now for call in evidence.calls)


async def test_an_ordinary_transaction_is_refused(line: World) -> None:
    async with line.database.transaction_over_all() as session:
        with pytest.raises(NotASnapshot):
            await read_evidence(session)


async def test_nothing_can_be_written_while_evidence_is_read(line: World) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with snapshot(line.database) as session:
            await session.execute(text("UPDATE calls SET state = 'ended'"))
    assert isinstance(refused.value.orig, errors.ReadOnlySqlTransaction)


async def test_calls_of_other_campaigns_are_read_where_they_share_a_limit(line: World) -> None:
    """They count towards caps, and the verdict is silent about them."""
    await claim_due(line)
    sql = """INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
             SELECT workspace_id, agent_id, 'Another', settings, 5, 'draft' FROM campaigns WHERE id = :c RETURNING id"""
    other = (await line.read(sql))[0].id
    evidence = await read(line, other)
    assert evidence.judged == frozenset({other})
    assert (len(evidence.calls), evidence.prospects) == (3, ())
    assert judge(replace(evidence, carrier=None)).counts.calls == 0


async def test_a_campaign_is_found_by_id_and_by_slug(line: World) -> None:
    await line.run("UPDATE campaigns SET slug = 'spring' WHERE id = :c")
    async with snapshot(line.database) as session:
        assert await find_campaign(session, str(line.campaign_id)) == line.campaign_id
        assert await find_campaign(session, "spring") == line.campaign_id
        with pytest.raises(LookupError):
            await find_campaign(session, "summer")
    with pytest.raises(LookupError):
        await read(line, uuid4())


async def test_a_pause_and_a_resume_are_in_the_history(line: World) -> None:
    async with line.database.transaction(line.workspace_id) as session:
        await pause(session, line.campaign_id)
    async with line.database.transaction(line.workspace_id) as session:
        await resume(session, line.campaign_id)
    changes = [change for change in (await read(line, line.campaign_id)).changes if change.subject == "campaign"]
    assert [(change.facts or {})["status"] for change in sorted(changes, key=lambda each: each.at)] == [
        "running",
        "paused",
        "running",
    ]
