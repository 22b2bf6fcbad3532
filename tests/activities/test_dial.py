from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from dialer.domain.timing import Timing
from dialer.sealing import SealBroken
from dialer.stack.ports import free_port
from dialer.store import control
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.activities.scenes import IMPATIENT, NO_PATIENCE, PATIENT, Scene, scene
from tests.simulator.lines import ACCOUNT, TOKEN
from tests.store.lines import claim_due

SLOW = {"time_scale": 1.0}


class Killed(BaseException):
    """The process died here."""


async def assert_untouched(at: Scene, call_id: Any) -> None:
    """Nobody's phone rang, and the person stands where they stood."""
    prospect = await at.prospect(call_id)
    assert (prospect.state, prospect.attempts, prospect.last_disposition) == ("ready", 0, None)
    assert await at.ledger() == []


async def test_an_accepted_call_has_the_carriers_id_and_ours_is_at_the_carrier(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="human")
        placed = await at.place(call_id)
        (known,) = await at.ledger()
        call = await at.call(call_id)
    assert (call.state, call.carrier_call_id) == ("accepted", known["sid"])
    assert known["call_id"] == str(call_id)
    assert (known["to"], known["from"]) == (call.to_phone, call.from_phone)
    assert placed.ended is None
    assert placed.wait_s > 300, "a whole call fits in before anybody looks"


async def test_a_refused_number_is_invalid_and_no_attempt(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(create_error=21211)
        await at.fall_asleep()
        placed = await at.place(call_id)
        prospect = await at.prospect(call_id)
        assert await at.ledger() == []
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.disposition) == ("ended", "invalid_number")
    assert (prospect.state, prospect.attempts) == ("invalid", 0)
    assert workflows.nudged == [at.line.campaign_id]


async def test_a_refusal_uses_up_a_redial_and_none_of_the_attempts(database: Database, workflows: Recorder) -> None:
    settings = {"redial": {"max_attempts": 1, "delays": {"provider_error": ["PT15M"]}}}
    async with scene(database, workflows, settings=settings) as at:
        placed = await at.place(await at.claim_at(create_error=21999))
        again = await at.line.read("UPDATE prospects SET next_due_at = dialer_now() RETURNING state, attempts")
        last = await at.place(await at.claim_at(create_error=21999))
        assert await at.ledger() == []
    assert [(row.state, row.attempts) for row in again] == [("ready", 0)]
    assert placed.ended is not None
    assert placed.ended.why == "provider_error: redial 1 of 1"
    assert last.ended is not None
    assert (last.ended.prospect_state, last.ended.why) == ("exhausted", "provider_error: all 1 redials used")


async def test_wrong_credentials_pause_the_campaign_and_touch_nobody(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await at.town.session.put(f"{at.town.url}/_sim/accounts/{ACCOUNT}", json={"auth_token": "another"})
        placed = await at.place(call_id)
        campaign = await at.campaign()
        await assert_untouched(at, call_id)
    assert (campaign.status, campaign.paused_reason) == ("paused", "carrier_account_refused")
    assert placed.ended is not None
    assert placed.ended.disposition == "provider_error"
    assert workflows.nudged == [at.line.campaign_id]


async def test_a_caller_number_that_is_not_ours_pauses_the_campaign(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, owned_numbers=["+16505550199"]) as at:
        call_id = await at.claim()
        await at.place(call_id)
        campaign = await at.campaign()
        await assert_untouched(at, call_id)
    assert (campaign.status, campaign.paused_reason) == ("paused", "carrier_configuration")


@pytest.mark.parametrize("missing", [SealBroken("another key"), "no public address"], ids=repr)
async def test_settings_with_which_nothing_can_be_dialed_pause_the_campaign(
    database: Database, workflows: Recorder, missing: Exception | str
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        at.carriers.error = missing if isinstance(missing, Exception) else None
        placed = await at.place(call_id, **({"public_url": None} if isinstance(missing, str) else {}))
        campaign = await at.campaign()
        await assert_untouched(at, call_id)
    assert (campaign.status, campaign.paused_reason) == ("paused", "carrier_configuration")
    assert placed.ended is not None
    assert placed.ended.state == "deferred"


async def test_a_carrier_that_is_too_busy_defers_the_call(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, faults={"throttled": 1.0}) as at:
        call_id = await at.claim()
        placed = await at.place(call_id)
        await assert_untouched(at, call_id)
        due = (await at.prospect(call_id)).next_due_at
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.why) == ("deferred", "not_processed")
    assert due - datetime.now(UTC) > timedelta(seconds=3)


async def test_a_carrier_that_cannot_be_reached_defers_the_call(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        nobody = TwilioCarrier(
            TwilioCredentials.of_auth_token(ACCOUNT, TOKEN),
            base_url=f"http://127.0.0.1:{free_port()}",
            limits=PATIENT,
            environment={},
        )
        at.carriers.carrier = nobody
        call_id = await at.claim()
        placed = await at.place(call_id)
        await nobody.close()
        await assert_untouched(at, call_id)
    assert placed.ended is not None
    assert placed.ended.state == "deferred"


@pytest.mark.parametrize("mishap", ["timeout_after_accept", "error_after_accept", "drop_after_accept"])
async def test_a_call_whose_answer_was_lost_is_adopted_and_never_dialed_again(
    database: Database, workflows: Recorder, mishap: str
) -> None:
    limits = IMPATIENT if mishap == "timeout_after_accept" else PATIENT
    async with scene(database, workflows, limits=limits, slow_answer_s=1, **SLOW) as at:
        call_id = await at.claim_at(kind="human", create_error=mishap)
        placed = await at.place(call_id)
        before = (await at.call(call_id)).state
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id)
        again = await at.place(call_id)
        (known,) = await at.ledger()
        call = await at.call(call_id)
    assert placed.ended is None
    assert again.ended is None
    assert before == "unknown"
    assert call.carrier_call_id == known["sid"]
    assert call.state in ("accepted", "ringing", "in_progress")
    assert call.late_at is None


@pytest.mark.parametrize("mishap", ["http_500", "refuse_before_accept"])
async def test_a_call_that_the_carrier_never_took_ends_unknown_after_the_grace(
    database: Database, workflows: Recorder, mishap: str
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim_at(create_error=mishap)
        await at.place(call_id)
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id)
        assert (await at.call(call_id)).state == "unknown"
        await at.fall_asleep()
        ended = await at.reconcile(call_id, Timing(grace_s=0))
        prospect = await at.prospect(call_id)
        assert await at.ledger() == []
    assert (ended.state, ended.disposition) == ("ended", "unknown")
    assert (prospect.state, prospect.attempts) == ("ready", 1)
    assert workflows.nudged == [at.line.campaign_id]


async def test_a_process_that_was_frozen_after_its_gate_does_not_dial(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        placed = await at.place(call_id, Timing(gate_age_s=0))
        await assert_untouched(at, call_id)
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.why) == ("deferred", "gate_too_old")


async def test_a_call_that_would_wait_in_the_carriers_queue_is_cancelled(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, people=2, calls_per_second=0.01) as at:
        first, second = [call.call_id for call in (await claim_due(at.line)).calls]
        await at.place(first)
        await at.place(second)
        call = await at.call(second)
        ended = await at.reconcile(second)
        by_id = {row["call_id"]: row for row in await at.ledger()}
    assert call.cancel_reason == "queued"
    assert call.hang_up_sent_at is not None
    assert by_id[str(second)]["status"] == "canceled"
    assert by_id[str(second)]["dialed_at"] is None
    assert (ended.disposition, ended.prospect_state) == ("canceled", "ready")


async def test_a_hang_up_asked_for_while_the_request_is_under_way_ends_the_call(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="human")

        async def pause() -> None:
            async with database.transaction(at.line.workspace_id) as session:
                await control.pause(session, at.line.campaign_id, hang_up=True)

        at.carriers.before = pause
        await at.place(call_id)
        (known,) = await at.ledger()
        assert (await at.call(call_id)).hang_up_sent_at is not None
    assert known["status"] in ("canceled", "completed")
    assert known["answered_at"] is None


async def test_a_gate_that_is_closed_dials_nothing(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        async with database.transaction(at.line.workspace_id) as session:
            await control.pause(session, at.line.campaign_id)
        placed = await at.place(call_id)
        await assert_untouched(at, call_id)
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.why) == ("deferred", "campaign_paused")


async def test_a_call_whose_turn_is_too_far_away_is_given_back_and_wakes_its_campaign(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        await at.line.run(
            """INSERT INTO pace (workspace_id, scope, scope_id, next_at)
               VALUES (:w, 'campaign', :c, dialer_now() + interval '1 minute')""",
            w=at.line.workspace_id,
        )
        await at.fall_asleep()
        placed = await at.place(call_id)
        await assert_untouched(at, call_id)
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.why) == ("deferred", "pace")
    assert workflows.nudged == [at.line.campaign_id]


async def test_a_call_that_is_under_way_is_neither_dialed_nor_taken_back_by_a_second_place_call(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        at.carriers.before = die
        with pytest.raises(Killed):
            await at.place(call_id)
        at.carriers.before = None
        placed = await at.place(call_id)
        assert await at.ledger() == []
        assert (await at.call(call_id)).state == "dialing"
        assert (await at.prospect(call_id)).state == "in_call"
    assert placed.ended is None


async def test_a_worker_killed_before_its_request_leaves_a_call_that_ends_unknown_undialed(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        at.carriers.before = die
        with pytest.raises(Killed):
            await at.place(call_id)
        at.carriers.before = None
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id)
        assert (await at.call(call_id)).state == "dialing", "its request may still be under way"
        ended = await at.reconcile(call_id, NO_PATIENCE)
        await at.place(call_id)
        assert await at.ledger() == []
    assert (ended.disposition, ended.prospect_state) == ("unknown", "ready")


async def test_a_worker_killed_after_its_request_leaves_a_call_that_is_adopted(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, **SLOW) as at:
        call_id = await at.claim_at(kind="human")
        real = at.carriers.carrier
        assert real is not None

        class Dying:
            async def place(self, *order: Any) -> None:
                await real.place(*order)
                raise Killed

        at.carriers.carrier = Dying()  # type: ignore[assignment]
        with pytest.raises(Killed):
            await at.place(call_id)
        at.carriers.carrier = real
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id, Timing(undecided_s=0))
        (known,) = await at.ledger()
        assert (await at.call(call_id)).carrier_call_id == known["sid"]


async def test_a_claim_whose_worker_died_before_the_gate_is_given_back(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows) as at:
        call_id = await at.claim()
        with pytest.raises(ApplicationError, match="not decided yet"):
            await at.reconcile(call_id)
        ended = await at.reconcile(call_id, Timing(place_timeout_s=0))
        await assert_untouched(at, call_id)
    assert (ended.state, ended.why) == ("deferred", "worker_lost")


async def die() -> None:
    raise Killed
