"""What two parts of the product do at the same time, or one of them twice, or too late."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from dialer.domain.carrier_events import CarrierStatus
from dialer.store.database import Database
from dialer.store.dialing import save_unknown
from tests.activities.recorders import Recorder
from tests.activities.scenes import NO_PATIENCE, TIMING, scene
from tests.store.lines import gate, report, tell


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
