"""Many campaigns over one account: nobody waits for one that calls nobody, and many legs are longer than a few."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.dispatch import LEGS, LegEnd
from activities.rests import until_woken
from activities.wakeups import Wakeups, Woken
from dialer.domain.timing import Timing
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.activities.test_dispatch import closed, leg
from tests.store.lines import make_line

WANTED = """
    INSERT INTO shares (workspace_id, limit_id, campaign_id, weight, served, wants, wants_until)
    SELECT workspace_id, workspace_id, id, 1, 0, 5, dialer_now() + interval '1 minute' FROM campaigns WHERE id = :c"""


OVER = {"schedule": {"end_at": "2026-01-01T00:00:00Z"}}
WHY: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "paused": ("paused", {}),
    "closed hours": ("running", {"calling_hours": closed()}),
    "its end has passed": ("running", OVER),
    "stopped and hidden": ("running", {}),
}


@pytest.mark.parametrize("why", WHY)
async def test_a_campaign_that_calls_nobody_now_wants_nothing_of_what_it_shares(
    database: Database, workflows: Recorder, why: str
) -> None:
    status, settings = WHY[why]
    line = await make_line(database, status=status, settings=dict(settings))
    await line.run("UPDATE campaigns SET paused_reason = 'user' WHERE id = :c AND status = 'paused'")
    if why == "stopped and hidden":
        await line.run("UPDATE campaigns SET status = 'stopped', hidden_at = now() WHERE id = :c")
    await line.run(WANTED)
    await leg(line, workflows)
    assert [row.wants for row in await line.read("SELECT wants FROM shares WHERE campaign_id = :c")] == [0]
    assert not workflows.calls


async def test_whoever_begins_to_listen_looks_since_something_may_have_been_missed(database: Database) -> None:
    wakeups = Wakeups(database.url)
    with wakeups.listen(uuid4()) as woken:
        listening = asyncio.create_task(wakeups.run())
        assert await woken.wait(10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_leg_among_many_is_longer(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=2, settings={"pace": {"max_concurrent": 1, "calls_per_second": 1000}})
    wakeups, loop = Wakeups(database.url), asyncio.get_running_loop()
    with ExitStack() as others:
        for _ in range(6 * LEGS):
            others.enter_context(wakeups.listen(uuid4()))
        began = loop.time()
        # One call takes the only slot, and the leg waits for it.
        assert (await leg(line, workflows, Timing(leg_s=0.25), wakeups)).end is LegEnd.MORE
        assert loop.time() - began >= 6 * 0.25


async def test_a_worker_that_ends_does_not_wait_for_a_leg_that_rests() -> None:
    environment = ActivityEnvironment()
    resting = asyncio.create_task(environment.run(until_woken, Woken(), 600.0))
    await asyncio.sleep(0.1)
    assert not resting.done()
    environment.worker_shutdown()
    async with asyncio.timeout(10):
        await resting
