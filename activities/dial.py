"""Ringing one phone at most once, and finding out what became of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.measures import count_request
from activities.ports import Carriers, Workflows
from activities.reconciling import Reconciler
from dialer.carriers.base import (
    AccountRefused,
    CallNotFound,
    Carrier,
    CarrierError,
    DialOrder,
    NotProcessed,
    OutcomeUnknown,
    Placed,
    Refused,
)
from dialer.carriers.twilio import digits_for_extension
from dialer.clock import steady_seconds
from dialer.domain.breaker import Trouble
from dialer.domain.call_results import CallEnded
from dialer.domain.dispositions import CONFIGURATION_CODES, Disposition, disposition_of_refusal, refusal_pauses_campaign
from dialer.domain.states import CallState, PausedReason
from dialer.domain.timing import Timing
from dialer.sealing import SealBroken
from dialer.store.breakers import campaigns_of_account, note_answer, note_failure
from dialer.store.control import StateConflict, pause
from dialer.store.database import Database, is_transient
from dialer.store.dialing import Saved, ask_to_cancel, campaign_of, mark_hang_up_sent, save_accepted, save_unknown
from dialer.store.endings import Ending, end_call, read_result
from dialer.store.gates import GateClosed, GatePassed, defer, pass_gate
from dialer.store.turns import Turn, another_turn
from dialer.store.waking import wake

logger = logging.getLogger(__name__)

T = TypeVar("T")
#: Between two tries to save what the carrier answered. After the last one the call is reconciled.
SAVE_AGAIN_S = (0.1, 0.5, 2.0)
DATABASE_FAILED = (DBAPIError, PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRef:
    """Which call. The phone number is read from the database, so that Temporal never has it."""

    workspace_id: str
    call_id: str

    @property
    def ids(self) -> tuple[UUID, UUID]:
        """(workspace, call)."""
        return UUID(self.workspace_id), UUID(self.call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCall:
    """What became of the request. ``ended`` when the call is over already, else look after ``wait_s`` seconds."""

    wait_s: float
    ended: CallEnded | None = None


class GateTooOld(Exception):
    """The process was frozen between its gate and the request: what the gate saw may be true no longer."""


class TurnMissed(Exception):
    """The moment for the request has passed: sent now, it would leave together with others."""


class DialActivities:
    """On the ``dial`` queue: everything that talks to the carrier about one call."""

    def __init__(
        self,
        database: Database,
        carriers: Carriers,
        workflows: Workflows,
        *,
        timing: Timing,
        public_url: str | None,
    ) -> None:
        self._database = database
        self._carriers = carriers
        self._workflows = workflows
        self._timing = timing
        self._public_url = public_url
        self._reconciler = Reconciler(database, carriers, timing=timing)

    @activity.defn
    async def place_call(self, call: CallRef) -> PlacedCall:
        """Ring one phone, at most once.

        A lost reply may hide a ringing phone: then the outcome is unknown and the workflow reconciles; nothing dials
        again.
        """
        workspace_id, call_id = call.ids
        # The gate comes before the turn's moment, so that its transaction does not delay the request.
        began = steady_seconds()
        async with self._database.transaction(workspace_id, by_keys=True) as session:
            gate = await pass_gate(session, call_id, self._timing)
        if isinstance(gate, GateClosed):
            if gate.touched:
                await self._wake_of(workspace_id, call_id)
            return await self._over(workspace_id, call_id)
        return await self._dial(call_id, gate, began)

    @activity.defn
    async def reconcile_call(self, call: CallRef) -> CallEnded:
        """Find out what became of a call. Raises a retryable error until it is decided."""
        workspace_id, call_id = call.ids
        ended = await self._reconciler.look(workspace_id, call_id)
        if ended is None:
            # No error, so that the log does not tell every look as one.
            raise ApplicationError(
                "the call is not decided yet", type="Undecided", category=ApplicationErrorCategory.BENIGN
            )
        await self._wake_of(workspace_id, call_id)
        return ended

    async def _another_turn(self, workspace_id: UUID, call_id: UUID, within_s: float) -> Turn:
        """For a call that has missed its turn and may still be dialed. Raises GateTooOld when there is none in time."""
        try:
            async with self._database.transaction(workspace_id, by_keys=True) as session:
                turn = await another_turn(session, call_id, within_s=within_s)
        except DATABASE_FAILED as error:
            logger.warning("call %s gets no other turn: the database failed (%s)", call_id, type(error).__name__)
            turn = None
        if turn is None:
            raise GateTooOld
        return turn

    async def _dial(self, call_id: UUID, gate: GatePassed, gate_began: float) -> PlacedCall:
        if self._public_url is None:
            # No callback could reach us. A launch is refused then; this is for what was launched before.
            return await self._cannot_dial(call_id, gate, "no_public_url")
        try:
            carrier = await self._carriers.at(gate.account)
        except SealBroken:
            return await self._cannot_dial(call_id, gate, "no_carrier")
        order = self._order(call_id, gate, self._public_url)
        try:
            placed = await self._place(carrier, order, gate, gate_began)
        except GateTooOld:
            count_request("not_sent")
            return await self._give_back(call_id, gate, "gate_too_old")
        except NotProcessed as error:
            count_request("not_processed")
            await self._failed(gate, Trouble.THROTTLED if error.answered else Trouble.UNREACHABLE, error.retry_after_s)
            return await self._give_back(call_id, gate, "not_processed")
        except Refused as refusal:
            count_request("refused")
            return await self._refused(call_id, gate, refusal)
        except OutcomeUnknown:
            count_request("unknown")
            await self._failed(gate, Trouble.FAILING)
            await self._save(gate.workspace_id, lambda session: save_unknown(session, call_id, self._timing))
            return PlacedCall(wait_s=self._timing.reconcile_s)
        count_request("accepted")
        return await self._accepted(call_id, gate, carrier, placed)

    def _order(self, call_id: UUID, gate: GatePassed, public_url: str) -> DialOrder:
        return DialOrder(
            call_id=call_id,
            to=gate.to_phone,
            from_=gate.from_phone,
            ring_timeout_s=gate.rules.ring_timeout_s,
            max_call_s=gate.rules.max_call_s,
            callback_base_url=public_url,
            answering_machine=gate.rules.answering_machine.value,
            send_digits=digits_for_extension(gate.extension) if gate.extension else None,
            record=gate.rules.record,
        )

    async def _place(self, carrier: Carrier, order: DialOrder, gate: GatePassed, gate_began: float) -> Placed:
        """One request, at its turn's moment. A turn that is missed, on a busy machine, costs another turn and no call.

        Raises GateTooOld when nothing was sent, and what ``Carrier.place`` raises.
        """
        timing, turn = self._timing, gate.turn
        while True:
            at = turn.at

            def may_still_dial(at: float = at) -> None:
                now = steady_seconds()
                if now - gate_began > timing.gate_age_s:
                    raise GateTooOld
                if now - at > timing.turn_slack_s:
                    raise TurnMissed

            await asyncio.sleep(max(at - steady_seconds(), 0.0))
            try:
                return await carrier.place(order, may_still_dial)
            except TurnMissed:
                left = timing.gate_age_s - (steady_seconds() - gate_began)
                turn = await self._another_turn(gate.workspace_id, order.call_id, left)

    async def _failed(self, gate: GatePassed, trouble: Trouble, retry_after_s: float | None = None) -> None:
        """Before the call is given back, so that its prospect is not claimed again for nothing in between."""
        account_id, timing = gate.account.id, self._timing
        until = await self._save(
            gate.workspace_id,
            lambda session: note_failure(session, gate.workspace_id, account_id, trouble, timing, retry_after_s),
        )
        if until is not None:
            logger.warning("carrier account %s is %s: nobody is dialed over it until %s", account_id, trouble, until)

    async def _answered(self, gate: GatePassed) -> None:
        """The carrier answers, after requests that failed: whoever waits for that may go on.

        Nothing that the call depends on: when the database fails, the next answer says so.
        """
        try:
            async with self._database.transaction(gate.workspace_id, by_keys=True) as session:
                closed = await note_answer(session, gate.account.id)
                waiting = await campaigns_of_account(session, gate.account.id) if closed else ()
            idle: list[UUID] = []
            for campaign_id in waiting:
                async with self._database.transaction(gate.workspace_id, by_keys=True) as session:
                    idle += [campaign_id] if await wake(session, campaign_id) else []
        except DATABASE_FAILED as error:
            logger.warning("the carrier's answer could not be noted (%s)", type(error).__name__)
            return
        for campaign_id in idle:
            await self._workflows.nudge_campaign(campaign_id)

    async def _accepted(self, call_id: UUID, gate: GatePassed, carrier: Carrier, placed: Placed) -> PlacedCall:
        async def save(session: AsyncSession) -> tuple[Saved, bool]:
            saved = await save_accepted(session, call_id, placed.carrier_call_id, self._timing)
            queued = saved is Saved.OURS and placed.queue_time_s > self._timing.queue_s
            if queued:
                await ask_to_cancel(session, call_id, "queued")
            return saved, queued

        saved, queued = await self._save(gate.workspace_id, save)
        if saved is Saved.HANG_UP or queued:
            if saved is Saved.HANG_UP:
                logger.warning("call %s surfaced at the carrier after it was given up: hanging up", call_id)
            await self._hang_up(gate.workspace_id, call_id, carrier, placed.carrier_call_id)
        if gate.troubled:
            await self._answered(gate)
        rules = gate.rules
        limit = self._timing.ring_after_s + rules.ring_timeout_s + rules.max_call_s + self._timing.amd_wait_s
        return PlacedCall(wait_s=limit + 2 * self._timing.deadline_margin_s)

    async def _hang_up(self, workspace_id: UUID, call_id: UUID, carrier: Carrier, carrier_call_id: str) -> None:
        try:
            await carrier.hang_up(carrier_call_id, answered=None)
        except (CallNotFound, CarrierError) as error:
            # The watch of the next sweep asks again.
            logger.warning("hang-up of call %s failed: %s", call_id, type(error).__name__)
            return
        async with self._database.transaction(workspace_id, by_keys=True) as session:
            await mark_hang_up_sent(session, call_id, carrier_call_id)

    async def _cannot_dial(self, call_id: UUID, gate: GatePassed, reason: str) -> PlacedCall:
        """Our own settings keep every call of the campaign from leaving, until a person mends them."""
        if gate.campaign_id is not None:
            await self._pause(gate.workspace_id, gate.campaign_id, PausedReason.CARRIER_CONFIGURATION, reason)
        return await self._give_back(call_id, gate, reason, paused=True)

    async def _give_back(self, call_id: UUID, gate: GatePassed, reason: str, *, paused: bool = False) -> PlacedCall:
        """Nobody's phone rang, certainly: the request did not leave, or the carrier did nothing with it."""
        logger.warning("call %s was not dialed: %s", call_id, reason)
        timing, dialing = self._timing, CallState.DIALING
        await self._save(gate.workspace_id, lambda session: defer(session, call_id, reason, timing, state=dialing))
        await self._wake_of(gate.workspace_id, call_id, paused=paused)
        return await self._over(gate.workspace_id, call_id)

    async def _refused(self, call_id: UUID, gate: GatePassed, refusal: Refused) -> PlacedCall:
        disposition = disposition_of_refusal(refusal.code)
        if disposition is None:
            return await self._give_back(call_id, gate, "not_processed")
        pauses = isinstance(refusal, AccountRefused) or refusal_pauses_campaign(refusal.code)
        ending = Ending(
            disposition=Disposition.PROVIDER_ERROR if pauses else disposition,
            error_code=refusal.code,
            attempted=False,
            untouched=pauses,
        )
        if pauses and gate.campaign_id is not None:
            is_account = refusal.code not in CONFIGURATION_CODES
            reason = PausedReason.CARRIER_ACCOUNT if is_account else PausedReason.CARRIER_CONFIGURATION
            await self._pause(gate.workspace_id, gate.campaign_id, reason, f"refused with code {refusal.code}")
        await self._save(gate.workspace_id, lambda session: end_call(session, call_id, ending, self._timing))
        if gate.troubled and not pauses:
            await self._answered(gate)
        await self._wake_of(gate.workspace_id, call_id, paused=pauses)
        return await self._over(gate.workspace_id, call_id)

    async def _pause(self, workspace_id: UUID, campaign_id: UUID, reason: PausedReason, why: str) -> None:
        """Before the call ends, so that its prospect is not claimed again in between."""
        try:
            await self._save(workspace_id, lambda session: pause(session, campaign_id, reason=reason))
        except StateConflict:
            return
        logger.error("campaign %s paused (%s): %s", campaign_id, reason, why)

    async def _save(self, workspace_id: UUID, save: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Save what became of the request, and try again when the database fails: nobody else has heard it.

        Every ``save`` is a compare-and-set, so that one whose commit was not confirmed may be repeated.
        """
        for wait_s in SAVE_AGAIN_S:
            try:
                async with self._database.transaction(workspace_id, by_keys=True) as session:
                    return await save(session)
            except DATABASE_FAILED as error:
                if isinstance(error, DBAPIError) and not is_transient(error):
                    raise
                logger.warning("the carrier's answer could not be saved (%s): once more", type(error).__name__)
            await asyncio.sleep(wait_s)
        async with self._database.transaction(workspace_id, by_keys=True) as session:
            return await save(session)

    async def _over(self, workspace_id: UUID, call_id: UUID) -> PlacedCall:
        """The call as it stands when this activity did not dial it."""
        async with self._database.transaction(workspace_id, by_keys=True) as session:
            return PlacedCall(wait_s=self._timing.reconcile_s, ended=await read_result(session, call_id))

    async def _wake_of(self, workspace_id: UUID, call_id: UUID, *, paused: bool = False) -> None:
        """Somebody else may be called, or nobody any more: wake the call's campaign. Last, once all is saved."""
        async with self._database.transaction(workspace_id, by_keys=True) as session:
            campaign_id = await campaign_of(session, call_id)
            idle = campaign_id is not None and await wake(session, campaign_id)
        if campaign_id is not None and (idle or paused):
            await self._workflows.nudge_campaign(campaign_id)
