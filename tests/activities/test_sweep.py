import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.sweep import SweepActivities, SweepRequest, Swept
from dialer.domain.carrier_events import AnsweredBy, CarrierStatus
from dialer.domain.restores import Mark
from dialer.domain.timing import Timing
from dialer.store import control, imports
from dialer.store.database import Database, rows
from dialer.store.recoveries import close_recoveries
from dialer.store.tally_checks import wrong_tallies
from tests.activities.recorders import OneCarrier, Recorder, run
from tests.activities.scenes import scene
from tests.store.lines import (
    ALL_DAY,
    TIMING,
    add_people,
    call_row,
    claim_due,
    claim_one,
    finish,
    gate,
    make_line,
    prospect_row,
    report,
    tell,
)
from tests.store.worlds import World

SLOW = {"time_scale": 1.0}
ASLEEP = "UPDATE campaigns SET idle_until = dialer_now() + interval '10 hours' WHERE id = :c"


async def sweep(
    database: Database,
    workflows: Recorder,
    carriers: OneCarrier | None = None,
    *,
    high_water: int = 0,
    after: Swept | None = None,
    timing: Timing = TIMING,
) -> Swept:
    """One sweep that repairs and looks once, and is told what the one before it saw."""
    activities = SweepActivities(database, carriers or OneCarrier(), workflows, timing=timing, watch=False)
    seen = after.seen if after is not None else Mark(newest_call=high_water)
    return await run(activities.sweep, SweepRequest(high_water=seen.newest_call, recovered_at=seen.recovered_at))


async def campaign(line: World) -> Any:
    return (await line.read("SELECT * FROM campaigns WHERE id = :c"))[0]


async def test_a_sweep_whose_worker_is_ended_is_taken_over_by_another(database: Database, workflows: Recorder) -> None:
    activities = SweepActivities(database, OneCarrier(), workflows, timing=replace(TIMING, sweep_s=30))
    environment = ActivityEnvironment()
    environment.worker_shutdown()
    with pytest.raises(ApplicationError, match="its worker is ended") as raised:
        await environment.run(activities.sweep, SweepRequest(high_water=0))
    assert not raised.value.non_retryable


async def test_a_sweep_that_is_over_has_nothing_under_way_any_more(database: Database, workflows: Recorder) -> None:
    await make_line(database, people=2)
    activities = SweepActivities(database, OneCarrier(), workflows, timing=replace(TIMING, sweep_s=30, watch_s=0.01))
    environment = ActivityEnvironment()
    async with database.transaction_over_all() as session:
        await rows(session, "SELECT id FROM campaigns FOR UPDATE")  # the check of tallies waits to say that it was made
        sweeping = asyncio.create_task(environment.run(activities.sweep, SweepRequest(high_water=0)))
        while not await rows(session, "SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        environment.worker_shutdown()
        with pytest.raises(ApplicationError, match="its worker is ended"):
            await sweeping
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_sweep_of_a_healthy_campaign_changes_nothing(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=2)
    calls = (await claim_due(line)).calls
    for call in calls:
        await gate(line, call.call_id)
        await tell(line, report(call.call_id, CarrierStatus.RINGING))
    swept = await sweep(database, workflows)
    assert swept == Swept(high_water=swept.high_water)
    assert workflows == Recorder()
    assert {(await call_row(line, call.call_id)).state for call in calls} == {"ringing"}


async def test_a_claim_that_nobody_dials_is_given_back(
    database: Database, later: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=1)
    call = await claim_one(line)
    assert (await sweep(database, workflows)).deferred == 0
    await line.run(ASLEEP)
    assert (await sweep(later, workflows)).deferred == 1
    row, prospect = await call_row(line, call.call_id), await prospect_row(line, call.prospect_id)
    assert (row.state, row.deferred_reason) == ("deferred", "claim_expired")
    assert (prospect.state, prospect.attempts) == ("ready", 0)
    assert line.campaign_id in workflows.nudged


async def test_a_claim_that_is_dialed_while_the_sweep_runs_is_not_taken_back(
    database: Database, later: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=2)
    calls = {call.call_id for call in (await claim_due(line)).calls}
    await line.run(ASLEEP)

    async def dial_the_other() -> None:
        """After the sweep has listed both and given one back."""
        for row in await line.read("SELECT id FROM calls WHERE state = 'claimed'"):
            await gate(line, row.id)

    workflows.before_nudge = dial_the_other
    await sweep(later, workflows, timing=Timing(undecided_s=3600))
    states = {(await call_row(line, call_id)).state for call_id in calls}
    assert states == {"deferred", "dialing"}
    assert await line.tally() == {"ready": 1, "in_call": 1}


async def test_a_person_whose_call_is_gone_is_called_again(
    database: Database, later: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=2)
    lost, talking = (await claim_due(line)).calls
    await gate(line, talking.call_id)
    await tell(line, report(talking.call_id, CarrierStatus.IN_PROGRESS))
    await line.run("DELETE FROM calls WHERE id = :id", id=lost.call_id)
    assert (await sweep(database, workflows)).orphans == 0, "it may be in the middle of its transaction"
    assert (await sweep(later, workflows)).orphans == 1
    assert (await prospect_row(line, lost.prospect_id)).state == "ready"
    assert (await prospect_row(line, talking.prospect_id)).state == "in_call"


@pytest.mark.parametrize("status", ["scheduled", "running", "paused"])
async def test_an_open_campaign_without_a_workflow_gets_one(
    database: Database, later: Database, workflows: Recorder, status: str
) -> None:
    line = await make_line(database, status=status)
    await make_line(database, status="draft")
    await make_line(database, status="completed")
    await sweep(database, workflows)
    assert workflows.campaigns == [], "whoever launched it is starting it"
    await sweep(later, workflows)
    assert workflows.campaigns == [line.campaign_id]


async def test_a_running_import_without_a_workflow_gets_one(
    database: Database, later: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=0)
    async with database.transaction(line.workspace_id) as session:
        import_id = await imports.create_import(
            session, workspace_id=line.workspace_id, campaign_id=line.campaign_id, filename="f", options={}
        )
        await imports.finish_upload(session, import_id)
    await sweep(later, workflows)
    assert workflows.imports == [import_id]


async def asleep_with_a_lost_nudge(line: World) -> None:
    """idle_until was cleared, and the nudge was never sent."""
    await line.run("UPDATE campaigns SET idle_until = NULL WHERE id = :c")


async def asleep_with_somebody_due(line: World) -> None:
    """People were added, and whoever added them died before waking the campaign."""
    await line.run(ASLEEP)


async def asleep_with_somebody_due_sooner(line: World) -> None:
    await line.run("UPDATE prospects SET next_due_at = dialer_now() + interval '1 hour' WHERE campaign_id = :c")
    await line.run(ASLEEP)


async def asleep_with_nobody_left(line: World) -> None:
    """The last call ended, and the process died before waking the campaign."""
    await line.run("UPDATE prospects SET state = 'reached', next_due_at = NULL WHERE campaign_id = :c")
    await line.run(ASLEEP)


async def asleep_past_its_end(line: World) -> None:
    ended = json.dumps({"schedule": {"end_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}})
    await line.run("UPDATE campaigns SET settings = settings || CAST(:s AS jsonb) WHERE id = :c", s=ended)
    await line.run(ASLEEP)


@pytest.mark.parametrize(
    "fall_asleep",
    [
        asleep_with_a_lost_nudge,
        asleep_with_somebody_due,
        asleep_with_somebody_due_sooner,
        asleep_with_nobody_left,
        asleep_past_its_end,
    ],
    ids=lambda how: how.__name__,
)
async def test_a_campaign_that_overslept_is_woken(
    database: Database, later: Database, workflows: Recorder, fall_asleep: Any
) -> None:
    line = await make_line(database, people=1)
    await fall_asleep(line)
    await sweep(later, workflows)
    assert workflows.nudged == [line.campaign_id]
    assert (await campaign(line)).idle_until is None


async def test_a_campaign_that_waits_as_it_should_is_left_alone(
    database: Database, later: Database, workflows: Recorder
) -> None:
    waits = await make_line(database, people=1)
    await waits.run("UPDATE prospects SET next_due_at = dialer_now() + interval '10 hours' WHERE campaign_id = :c")
    kept_open = await make_line(database, people=0, settings={"keep_open": True})
    paused = await make_line(database, status="paused")
    for line in (waits, kept_open, paused):
        await line.run(ASLEEP)
    await sweep(later, workflows)
    assert len(workflows.campaigns) == 3
    assert workflows.nudged == []


async def test_a_call_past_its_deadline_is_looked_up_and_its_workflow_told(
    database: Database, later: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy", lose_callbacks=["completed"])
        await at.place(call_id)
        await at.town.until_over((await at.call(call_id)).carrier_call_id)
        assert (await sweep(database, workflows, at.carriers)).reconciled == 0
        await at.fall_asleep()
        assert (await sweep(later, workflows, at.carriers)).reconciled == 1
        assert (await at.call(call_id)).disposition == "busy"
    assert workflows.ended[call_id].disposition == "busy"
    assert at.line.campaign_id in workflows.nudged


async def test_a_dialing_call_whose_worker_died_is_decided_by_the_sweep_alone(
    database: Database, later: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await gate(at.line, call_id)
        await sweep(later, workflows, at.carriers)
        assert (await at.call(call_id)).disposition == "unknown"
        assert await at.ledger() == []
    assert workflows.ended[call_id].state == "ended"


async def test_a_call_that_does_not_begin_to_ring_is_cancelled_at_the_carrier(
    database: Database, later: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, people=2, calls_per_second=0.01) as at:
        first, second = [call.call_id for call in (await claim_due(at.line)).calls]
        for call_id in (first, second):
            await at.place(call_id, Timing(queue_s=1e6))
        await tell(
            at.line,
            report(first, CarrierStatus.RINGING, carrier_call_id=(await at.call(first)).carrier_call_id),
        )
        await sweep(database, workflows, at.carriers)
        assert (await at.call(second)).cancel_reason is None, "it has fifteen seconds"
        await sweep(later, workflows, at.carriers, timing=Timing(reconcile_s=1))
        assert (await at.call(second)).cancel_reason == "not_ringing"
        assert (await at.call(first)).cancel_reason is None
        by_id = {row["call_id"]: row for row in await at.ledger()}
    assert by_id[str(second)]["status"] == "canceled"


async def test_a_ringing_call_is_ended_when_its_window_closes(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer")
        await at.place(call_id)
        closed = (datetime.now(UTC) + timedelta(hours=12)).hour
        window = {**ALL_DAY["windows"][0], "start": f"{closed:02d}:00", "end": f"{(closed + 1) % 24:02d}:00"}
        hours = json.dumps({"calling_hours": {"windows": [window], "zone": "UTC"}})
        await sweep(database, workflows, at.carriers)
        assert (await at.call(call_id)).cancel_reason is None
        await at.line.run("UPDATE campaigns SET settings = settings || CAST(:s AS jsonb) WHERE id = :c", s=hours)
        await sweep(database, workflows, at.carriers)
        assert (await at.call(call_id)).cancel_reason == "window_closing"
        (known,) = await at.ledger()
    assert known["status"] == "canceled"


async def test_a_call_to_be_hung_up_is_ended_at_the_carrier_once(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="no_answer")
        await at.place(call_id)
        async with database.transaction(at.line.workspace_id) as session:
            await control.pause(session, at.line.campaign_id, hang_up=True)
        await sweep(database, workflows, at.carriers)
        (known,) = await at.ledger()
        assert (await at.call(call_id)).hang_up_sent_at is not None
        at.carriers.error = AssertionError("once is enough")
        await sweep(database, workflows, at.carriers)
    assert known["status"] == "canceled"


async def test_an_account_that_cannot_be_opened_does_not_keep_others_from_being_looked_after(
    database: Database, later: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        stranger = await make_line(database, people=1)
        stuck = await claim_one(stranger)
        await gate(stranger, stuck.call_id)
        at.carriers.refused_accounts.add((await call_row(stranger, stuck.call_id)).carrier_account_id)
        call_id = await at.claim_at(kind="busy", lose_callbacks=["completed"])
        await at.place(call_id)
        await at.town.until_over((await at.call(call_id)).carrier_call_id)
        await sweep(later, workflows, at.carriers)
        assert (await at.call(call_id)).disposition == "busy"
    assert (await call_row(stranger, stuck.call_id)).state == "unknown"


async def test_a_person_waits_for_a_detection_result_no_longer_than_promised(
    database: Database, later: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=1, settings={"answering_machine": "detect_async"})
    call = await claim_one(line)
    await gate(line, call.call_id)
    assert await finish(line, call.call_id, CarrierStatus.COMPLETED, duration_seconds=30) is None
    await sweep(database, workflows)
    assert (await prospect_row(line, call.prospect_id)).state == "in_call"
    await sweep(later, workflows)
    assert (await prospect_row(line, call.prospect_id)).state == "ready"
    assert workflows.ended[call.call_id].disposition == "answered_unknown"


async def test_tallies_that_are_wrong_are_counted_anew(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=3)
    call = await claim_one(line)
    await gate(line, call.call_id)
    await finish(line, call.call_id, CarrierStatus.COMPLETED, answered_by=AnsweredBy.HUMAN, duration_seconds=7)
    right = await line.tally(), await line.tally("talk_seconds")
    await line.run("UPDATE tallies SET n = n + 5 WHERE kind IN ('state', 'talk_seconds') AND campaign_id = :c")
    assert (await sweep(database, workflows)).tallies_repaired > 0
    assert (await line.tally(), await line.tally("talk_seconds")) == right
    async with database.transaction(line.workspace_id) as session:
        assert await wrong_tallies(session, line.campaign_id) == {}
    await add_people(line, 4)
    assert sum((await line.tally()).values()) == 4, "and they go on from there"


async def test_a_database_that_went_backwards_pauses_everything(
    database: Database, later: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=1)
    scheduled = await make_line(database, status="scheduled")
    call = await claim_one(line)
    mark = (await sweep(database, workflows)).high_water
    assert mark > 0
    assert (await sweep(later, workflows, high_water=mark + 1)) == Swept(high_water=mark + 1, restored=True)
    for held in (line, scheduled):
        row = await campaign(held)
        assert (row.status, row.paused_reason) == ("paused", "database_restored")
    assert sorted(workflows.nudged) == sorted([line.campaign_id, scheduled.campaign_id])
    assert (await call_row(line, call.call_id)).state == "claimed", "nothing is repaired that may not be true"
    assert (await sweep(later, workflows, high_water=mark + 1)).restored, "until somebody has recovered it"


async def recover(line: World) -> datetime:
    """As if the carrier had been asked for everything that was lost."""
    async with line.database.transaction_over_all() as session:
        return await close_recoveries(session, datetime.now(UTC), {})


async def test_after_a_recovery_the_mark_starts_anew_and_a_second_restore_is_noticed(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=2)
    await claim_due(line)
    seen = await sweep(database, workflows)
    ahead = replace(seen, high_water=seen.high_water + 50)
    assert (await sweep(database, workflows, after=ahead)).restored
    await recover(line)
    recovered = await sweep(database, workflows, after=ahead)
    assert (recovered.restored, recovered.high_water) == (False, seen.high_water)
    assert recovered.recovered_at is not None
    async with database.transaction_over_all() as session:
        await session.execute(text("DELETE FROM recoveries"))
    again = await sweep(database, workflows, after=recovered)
    assert again.restored, "the same backup once more: as many calls as before, and no recovery"
    assert again == replace(recovered, restored=True, reconciled=again.reconciled)
    await recover(line)
    assert not (await sweep(database, workflows, after=again)).restored


async def test_a_restore_remembers_when_the_newest_call_was_made(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=1)
    await claim_one(line)
    await line.run("UPDATE calls SET created_at = created_at - interval '1 hour'")
    await sweep(database, workflows, high_water=10**9)
    await line.run("UPDATE campaigns SET status = 'running', paused_reason = NULL WHERE id = :c")
    await add_people(line, 3)
    await claim_due(line)  # by somebody who has not noticed
    await sweep(database, workflows, high_water=10**9)
    noted = await line.read(
        "SELECT r.newest_call_at, r.recovered_at, (SELECT min(created_at) FROM calls) AS first FROM recoveries r"
    )
    assert [(row.newest_call_at, row.recovered_at) for row in noted] == [(noted[0].first, None)]
