"""What the sweep does for batches."""

from datetime import timedelta
from uuid import UUID

from activities.batches import BatchActivities, BatchRef, restart_batches
from dialer.domain.timing import Timing
from dialer.store import control
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.store.worlds import World, make_world
from tests.workflows.batches import ALWAYS, make_batch


async def old(world: World, import_id: UUID, status: str) -> None:
    """The file came a minute ago."""
    sql = """UPDATE imports SET status = :status, started_at = dialer_now() - interval '1 minute',
                 finished_at = dialer_now() - interval '20 seconds' WHERE id = :i"""
    await world.run(sql, i=import_id, status=status)


async def test_a_batch_that_is_not_over_gets_a_workflow_and_a_late_one_is_woken(database: Database) -> None:
    made: dict[str, UUID] = {}
    for name, status, ahead in (
        ("importing", "running", None),
        ("waiting", "completed", timedelta(days=1)),
        ("late", "completed", None),
        ("dialing", "completed", None),
        ("failed", "failed", None),
        ("stopped", "completed", None),
    ):
        world = await make_world(database, settings=ALWAYS)
        made[name], import_id = await make_batch(world, b"phone\n", ahead)
        await old(world, import_id, status)
        async with database.transaction(world.workspace_id) as session:
            if name == "dialing":
                await control.launch(session, world.campaign_id)
            elif name == "stopped":
                await control.stop(session, world.campaign_id)
    fresh = await make_world(database, settings=ALWAYS)
    await make_batch(fresh, b"phone\n", None)
    workflows = Recorder()
    await restart_batches(database, workflows)
    assert set(workflows.batches) == {made[name] for name in ("importing", "waiting", "late", "dialing")}
    assert workflows.nudged_batches == [made["late"]]


async def test_only_a_file_that_has_nobody_at_all_fails_before_its_time(database: Database) -> None:
    activities = BatchActivities(database, Recorder(), timing=Timing(), callback_url="https://dialer.example")
    for who, settings, step in (
        (None, ALWAYS, "over"),
        (None, ALWAYS.replace("{", '{"keep_open": true, ', 1), "wait"),
        ("held", ALWAYS, "wait"),
        ("import", ALWAYS, "wait"),
    ):
        world = await make_world(database, settings=settings)
        batch_id, import_id = await make_batch(world, b"phone\n", timedelta(days=1))
        await old(world, import_id, "completed")
        if who == "held":
            await world.run("""
                WITH contact AS (INSERT INTO contacts (workspace_id, phone)
                    SELECT workspace_id, '+12025550123' FROM campaigns WHERE id = :c RETURNING id, workspace_id)
                INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, state, held_reason)
                SELECT workspace_id, :c, id, '+12025550123', 'held', 'zone_unresolved' FROM contact""")
        if who == "import":
            sql = "INSERT INTO imports (workspace_id, campaign_id, filename, options) VALUES (:w, :c, 'f', '{}')"
            await world.run(sql, w=world.workspace_id)
        ref = BatchRef(workspace_id=str(world.workspace_id), batch_id=str(batch_id))
        assert (await activities.launch_batch(ref)).step == step, who
        (row,) = await world.read("SELECT status FROM campaigns WHERE id = :c")
        assert row.status == "draft"
