"""Campaigns that recur, as tests need them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from dialer.domain.runs import RunOutcome, RunReason
from dialer.store import control
from dialer.store.database import Database
from dialer.store.run_starts import BegunRun, begin_run
from tests.store.lines import make_line
from tests.store.worlds import World


def every_day(**schedule: Any) -> dict[str, Any]:
    """A schedule whose next run is twelve hours away."""
    at = datetime.now(UTC) + timedelta(hours=12)
    calendar = {"at": [f"{at:%H:%M}"]}
    return {"schedule": {"time_zone": "UTC", "recurrence": {"calendars": [calendar]}, **schedule}}


async def make_recurring(database: Database, *, people: int = 2, launched: bool = True, **schedule: Any) -> World:
    """A campaign that was launched, and waits for its first run."""
    world = await make_line(database, people=people, settings=every_day(**schedule), status="draft")
    if launched:
        await changed(world, control.launch)
    return world


async def changed(world: World, change: Callable[..., Awaitable[Any]], **options: Any) -> Any:
    async with world.database.transaction(world.workspace_id) as session:
        return await change(session, world.campaign_id, **options)


async def fire(world: World, due_at: datetime) -> BegunRun:
    async with world.database.transaction(world.workspace_id) as session:
        return await begin_run(session, world.campaign_id, due_at)


async def status_of(world: World) -> str:
    return (await world.read("SELECT status FROM campaigns WHERE id = :c"))[0].status


async def runs_of(world: World) -> list[tuple[str, RunOutcome, RunReason | None]]:
    """What is known of the runs, oldest first."""
    sql = "SELECT trigger, outcome, reason FROM campaign_runs WHERE campaign_id = :c ORDER BY due_at"
    return [(row.trigger, row.outcome, row.reason) for row in await world.read(sql)]


def now() -> datetime:
    return datetime.now(UTC)
