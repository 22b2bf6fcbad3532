"""What two parts of the product do at the same time, or one of them twice, or too late."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.sweep import SweepActivities, SweepRequest, Swept
from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.timing import Timing
from dialer.store.database import Database
from dialer.store.dialing import Saved, ask_to_cancel, save_accepted, save_unknown
from dialer.store.endings import Ending, end_call
from tests.activities.recorders import OneCarrier, Recorder, run
from tests.activities.scenes import NO_PATIENCE, TIMING, scene
from tests.store.lines import gate, report, sid_of, tell

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
