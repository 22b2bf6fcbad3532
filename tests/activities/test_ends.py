"""What must not end a campaign, and what must not begin one."""

import pytest

from dialer.domain.restores import Mark
from dialer.domain.timing import Timing
from dialer.store import control
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.activities.test_dispatch import NEVER_SEEN, campaign_row, in_hours, leg, schedule
from tests.store.lines import make_line


@pytest.mark.parametrize(
    ("seen", "status", "states"),
    [(Mark(newest_call=10**9), "paused", {"ready"}), (NEVER_SEEN, "completed", {"expired"})],
)
async def test_a_paused_campaign_past_its_end_gives_nobody_up_before_the_carrier_was_asked_after_a_restore(
    database: Database, workflows: Recorder, seen: Mark, status: str, states: set[str]
) -> None:
    line = await make_line(database, people=3, status="paused", settings=schedule(end_at=in_hours(-1)))
    await line.run("UPDATE campaigns SET paused_reason = 'user' WHERE id = :c")
    await leg(line, workflows, Timing(leg_s=5), seen=seen)
    assert (await campaign_row(line)).status == status
    assert {row.state for row in await line.read("SELECT state FROM prospects WHERE campaign_id = :c")} == states


async def test_a_campaign_that_is_deleted_meanwhile_is_not_launched(database: Database) -> None:
    line = await make_line(database, people=1, status="draft")
    await line.run("UPDATE campaigns SET hidden_at = dialer_now() WHERE id = :c")
    async with database.transaction(line.workspace_id) as session:
        with pytest.raises(control.StateConflict, match="deleted"):
            await control.launch(session, line.campaign_id)
    assert (await campaign_row(line)).status == "draft"
