"""Held people become ready again when hours or time have changed, so many at a time."""

from dialer.store.campaign_ends import reopen_held, reopen_more
from dialer.store.database import Database
from dialer.store.locks import hold_campaign
from tests.store.lines import make_line


async def test_held_people_are_looked_at_again_a_batch_at_a_time(database_url: str) -> None:
    database = Database(database_url, pool_size=3)
    line = await make_line(database, people=5, status="paused")
    held = "UPDATE prospects SET state = 'held', held_reason = :why WHERE phone LIKE :phone"
    await line.run(held, why="never_open", phone="%")
    await line.run(held, why="zone_unresolved", phone="%0104")
    async with database.transaction(line.workspace_id) as session:
        await hold_campaign(session, line.campaign_id)
        assert await reopen_held(session, line.campaign_id, batch=2) == 2
    left: list[tuple[int, dict[str, int], bool]] = []
    for _ in range(3):
        async with database.transaction(line.workspace_id) as session:
            reopened = await reopen_more(session, line.campaign_id, batch=2)
        (campaign,) = await line.read("SELECT reopening FROM campaigns WHERE id = :c")
        left.append((reopened, await line.tally(), campaign.reopening))
    all_of_them = {"ready": 4, "held": 1}
    assert left == [(2, all_of_them, True), (0, all_of_them, False), (0, all_of_them, False)]
    async with database.transaction(line.workspace_id) as session:
        await hold_campaign(session, line.campaign_id)
        assert await reopen_held(session, line.campaign_id, fixed_zone=True) == 1
    await database.close()
