"""Many campaigns over one account: nobody waits for one that calls nobody, and many legs are longer than a few."""

import asyncio
from contextlib import ExitStack
from uuid import uuid4

import pytest

from activities.dispatch import LEGS, LONGEST_LEG, LegEnd
from activities.wakeups import Wakeups
from dialer.domain.timing import Timing
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.activities.test_dispatch import closed, leg
from tests.store.lines import make_line

WANTED = """
    INSERT INTO shares (workspace_id, limit_id, campaign_id, weight, served, wants, wants_until)
    SELECT workspace_id, workspace_id, id, 1, 0, 5, dialer_now() + interval '1 minute' FROM campaigns WHERE id = :c"""


@pytest.mark.parametrize("why", ["paused", "closed hours"])
async def test_a_campaign_that_calls_nobody_now_wants_nothing_of_what_it_shares(
    database: Database, workflows: Recorder, why: str
) -> None:
    paused = why == "paused"
    line = await make_line(
        database, status="paused" if paused else "running", settings={} if paused else {"calling_hours": closed()}
    )
    await line.run("UPDATE campaigns SET paused_reason = 'user' WHERE id = :c AND status = 'paused'")
    await line.run(WANTED)
    assert (await leg(line, workflows)).end is LegEnd.IDLE
    assert [row.wants for row in await line.read("SELECT wants FROM shares WHERE campaign_id = :c")] == [0]


async def test_a_leg_among_many_is_longer(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=2, settings={"pace": {"max_concurrent": 1, "calls_per_second": 1000}})
    wakeups, loop = Wakeups(database.url), asyncio.get_running_loop()
    with ExitStack() as others:
        for _ in range(LEGS * LONGEST_LEG):
            others.enter_context(wakeups.listen(uuid4()))
        began = loop.time()
        # One call takes the only slot, and the leg waits for it.
        assert (await leg(line, workflows, Timing(leg_s=0.25), wakeups)).end is LegEnd.MORE
        assert loop.time() - began >= LONGEST_LEG * 0.25
