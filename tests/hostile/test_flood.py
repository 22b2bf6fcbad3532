"""A short flood, as on every change; ``python -m tests.hostile.flood`` measures a long one."""

from pathlib import Path

from dialer.store.database import Database
from tests.hostile.flood import applied, flood, genuine
from tests.hostile.ground import running_api
from tests.hostile.live_calls import make_live_calls, settings_for
from tests.hostile.streams import offer
from tests.hostile.wire import REPORTS, callback, report

CALLS = 40
GENUINE_PER_S = 16.0
JUNK_PER_S = 100.0


async def test_genuine_callbacks_are_all_applied_in_a_flood_of_junk(database_url: str, tmp_path: Path):
    """How fast depends on the machine; that none is lost or refused, and what the junk costs in memory, does not."""
    configured = settings_for(database_url)
    database = Database(database_url)
    try:
        calls = await make_live_calls(database, configured, CALLS + 10)
        with running_api(configured, tmp_path) as api:
            warm = [callback(call_id, report(call_id, 0)) for call_id in calls.ids[CALLS:]]
            assert (await offer(api.port, warm.__getitem__, len(warm), None)).statuses == {204: len(warm)}
            done = await flood(api, genuine(calls.ids[:CALLS]), GENUINE_PER_S, JUNK_PER_S, calls.ids)
        assert done.genuine.statuses == {204: CALLS * len(REPORTS)}
        # 0: the API hung up on a megabyte before its sender had read the answer.
        assert set(done.junk["statuses"]) <= {"403", "413", "400", "0"}
        assert sum(done.junk["statuses"].values()) == int(JUNK_PER_S * CALLS * len(REPORTS) / GENUINE_PER_S)
        assert done.memory_peak - done.memory_before < 100_000_000
        assert await applied(database, calls) == {"human": CALLS, "accepted": 10, "events": CALLS * 4 + 10}
    finally:
        await database.close()
