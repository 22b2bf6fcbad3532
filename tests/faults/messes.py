"""What crashes leave behind, all of it at once: a sweep has to mend it, and may be killed at any step of that."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import text

from dialer.domain.timing import Timing
from tests.activities.recorders import run
from tests.faults.doors import Doors
from tests.faults.processes import Process
from tests.faults.scenarios import HUMAN, Scenario
from tests.faults.sites import Site, ref_of
from tests.store.lines import claim_due, gate, make_line

#: Who was dialed is not called again, so that each part of the mess has one end.
SETTINGS = {"redial": {"max_attempts": 1}}


async def make_mess(site: Site) -> tuple[UUID, ...]:
    """The calls: a claim that nobody dials, one dialed without an answer, one whose callbacks were lost, one gone."""
    expired, silent, overdue, gone = [call.call_id for call in (await claim_due(site.world)).calls]
    await gate(site.world, silent, Timing())
    helper = Process("helper", site.its, Doors())
    await run(helper.dial.place_call, ref_of(site.world.workspace_id, overdue))
    await helper.close()
    await site.town.quiet()
    site.town.doorstep.take()
    await site.world.run(
        """UPDATE calls SET state = 'deferred', deferred_reason = 'test', ended_at = dialer_now(), deadline_at = NULL
           WHERE id = :id""",
        id=gone,
    )
    await site.world.run("UPDATE tallies SET n = n + 1 WHERE campaign_id = :c AND kind = 'state'")
    stopped = await make_line(site.world.database, people=1)
    await stopped.run("UPDATE campaigns SET status = 'stopped' WHERE id = :c")
    site.others.append(stopped.campaign_id)
    async with site.world.database.transaction_over_all() as session:
        # A sweep sees all campaigns, and checks the tallies of one: this one's turn has come.
        sql = "UPDATE campaigns SET tallies_checked_at = dialer_now(), hidden_at = dialer_now() WHERE id <> ALL(:ours)"
        await session.execute(text(sql), {"ours": [site.world.campaign_id, stopped.campaign_id]})
        sql = "UPDATE campaigns SET tallies_checked_at = dialer_now() WHERE id = :stopped"
        await session.execute(text(sql), {"stopped": stopped.campaign_id})
    # Longer than anything waits; whoever made the mess has been dead for as long.
    site.its.clock.let_pass(400)
    return expired, silent, overdue, gone


async def mend(site: Site) -> None:
    """One sweep, with what Temporal does when it fails; then everything takes its course."""
    calls = await make_mess(site)
    site.remembered = calls
    await site.sweep()
    await site.run_on()


async def mended(site: Site) -> list[str]:
    """Each part of the mess became what it has to become."""
    found = {row.id: row for row in await site.world.read("SELECT * FROM calls WHERE campaign_id = :c")}
    expired, silent, overdue, _ = (found[call_id] for call_id in site.remembered)
    wanted = (
        ("the expired claim", (expired.state, expired.deferred_reason), ("deferred", "claim_expired")),
        ("the dialed call without an answer", (silent.state, silent.disposition), ("ended", "unknown")),
        ("the call whose callbacks were lost", (overdue.state, overdue.disposition), ("ended", "human")),
        ("the stopped campaign's workflow", site.others[0] in site.its.temporal.campaigns, True),
    )
    return [f"{what} is {seen}, not {right}" for what, seen, right in wanted if seen != right]


MESS = replace(
    Scenario(name="a sweep"),
    phones=((HUMAN,), (HUMAN,), (HUMAN,), (HUMAN,)),
    settings=SETTINGS,
    withheld=lambda callback: "CallDuration" not in callback.form,
    launched=False,
    play=mend,
    also=mended,
    expected=frozenset({"human", "unknown"}),
)
