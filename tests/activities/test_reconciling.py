import asyncio
from uuid import UUID, uuid4

import pytest
from temporalio.exceptions import ApplicationError

from dialer.carriers.base import AccountRefused, DialOrder
from dialer.domain.carrier_events import AnsweredBy, CarrierStatus
from dialer.domain.timing import Timing
from dialer.sealing import SealBroken
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.activities.scenes import Scene, scene
from tests.simulator.lines import ACCOUNT
from tests.store.lines import finish, gate, report, tell

SLOW = {"time_scale": 1.0}


async def lose_answer(at: Scene, call_id: UUID) -> None:
    """The request leaves no trace at the carrier, and nobody here knows that."""
    await at.town.script(await at.phone(call_id), create_error="http_500")
    await at.place(call_id)
    assert (await at.call(call_id)).state == "unknown"


async def ring_elsewhere(at: Scene, call_id: UUID) -> str:
    """Another call between the same two numbers, placed by somebody else; its id at the carrier."""
    call = await at.call(call_id)
    await at.town.script(call.to_phone, kind="human")
    order = DialOrder(
        call_id=uuid4(),
        to=call.to_phone,
        from_=call.from_phone,
        ring_timeout_s=25,
        max_call_s=60,
        callback_base_url=at.town.customer.url,
    )
    assert at.carriers.carrier is not None
    return (await at.carriers.carrier.place(order)).carrier_call_id


async def test_a_call_whose_callbacks_were_lost_is_ended_by_asking_the_carrier(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy", lose_callbacks=["completed"])
        await at.place(call_id)
        sid = (await at.call(call_id)).carrier_call_id
        await at.town.until_over(sid)
        await at.fall_asleep()
        ended = await at.reconcile(call_id)
        prospect = await at.prospect(call_id)
    assert (ended.state, ended.disposition) == ("ended", "busy")
    assert (prospect.state, prospect.attempts) == ("ready", 1)
    assert workflows.nudged == [at.line.campaign_id]


async def test_a_call_that_has_ended_already_is_told_without_asking_the_carrier(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await gate(at.line, call_id)
        ended = await finish(at.line, call_id, CarrierStatus.COMPLETED, answered_by=AnsweredBy.HUMAN)
        at.carriers.error = AssertionError("nobody has to be asked")
        assert await at.reconcile(call_id) == ended


async def test_a_callback_that_came_meanwhile_adopts_the_call_before_the_carrier_is_searched(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim()
        await lose_answer(at, call_id)
        sid = await ring_elsewhere(at, call_id)
        await tell(at.line, report(call_id, CarrierStatus.RINGING, carrier_call_id=sid))
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id)
        call = await at.call(call_id)
    assert (call.state, call.carrier_call_id) == ("ringing", sid)


async def test_two_calls_that_could_be_ours_are_both_left_alone(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim()
        await lose_answer(at, call_id)
        for _ in range(2):
            await ring_elsewhere(at, call_id)
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id)
        assert (await at.call(call_id)).carrier_call_id is None
        ended = await at.reconcile(call_id, Timing(grace_s=0))
    assert ended.disposition == "unknown"


async def test_a_call_that_belongs_to_an_earlier_attempt_is_not_adopted(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        first = await at.claim_at(kind="busy")
        await at.place(first)
        await at.town.until_over((await at.call(first)).carrier_call_id)
        await at.reconcile(first)
        await at.line.run("UPDATE prospects SET next_due_at = dialer_now() WHERE campaign_id = :c")
        second = await at.claim()
        await lose_answer(at, second)
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(second)
        assert (await at.call(second)).carrier_call_id is None


async def test_a_carrier_that_cannot_be_asked_decides_nothing(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await lose_answer(at, call_id)
        await at.town.session.put(f"{at.town.url}/_sim/accounts/{ACCOUNT}", json={"auth_token": "another"})
        with pytest.raises(AccountRefused):
            await at.reconcile(call_id, Timing(grace_s=0))
        assert (await at.call(call_id)).state == "unknown", "no answer is not the answer that there is no call"


async def test_looks_at_the_same_time_end_a_call_once(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(kind="busy")
        await at.place(call_id)
        await at.town.until_over((await at.call(call_id)).carrier_call_id)
        first, *others = await asyncio.gather(*(at.reconcile(call_id) for _ in range(4)))
        assert others == [first] * 3
        assert (await at.prospect(call_id)).attempts == 1
        assert await at.line.tally("disposition") == {"busy": 1}


@pytest.mark.parametrize("error", [LookupError("no such account"), SealBroken("another key")], ids=["gone", "sealed"])
async def test_a_call_whose_carrier_cannot_be_asked_for_hours_ends_as_unknown(
    database: Database, workflows: Recorder, error: Exception
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await lose_answer(at, call_id)
        at.carriers.error = error
        patience = Timing(last_resort_s=3600.0)
        with pytest.raises(type(error)):
            await at.reconcile(call_id, patience)
        sql = "UPDATE calls SET gated_at = gated_at - interval '61 minutes' WHERE id = :id"
        await at.line.run(sql, id=call_id)
        ended = await at.reconcile(call_id, patience)
    assert (ended.state, ended.disposition) == ("ended", "unknown")
