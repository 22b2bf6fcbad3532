"""What became of a call that nobody reported on: look at the row, then at the carrier, and never dial."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from activities.ports import Carriers
from dialer.carriers.base import CallNotFound, Carrier, CarrierCall, CarrierError
from dialer.carriers.twilio_callbacks import event_of_call
from dialer.domain.call_results import CallEnded
from dialer.domain.dispositions import Disposition
from dialer.domain.states import CallState
from dialer.domain.timing import Timing
from dialer.sealing import SealBroken
from dialer.store.callbacks import apply_event, dedupe_key
from dialer.store.database import Database
from dialer.store.dialing import (
    CallAtCarrier,
    is_as_it_was,
    owned_ids,
    push_deadline,
    read_at_carrier,
    save_unknown,
)
from dialer.store.endings import Ending, end_call, read_result, settle_amd
from dialer.store.gates import defer

logger = logging.getLogger(__name__)

#: The carrier's clock and ours may differ by this much.
CLOCK_SKEW = timedelta(seconds=5)


class Reconciler:
    """Decides undecided calls. One look changes what it can and returns the end, or None while there is none."""

    def __init__(self, database: Database, carriers: Carriers, *, timing: Timing) -> None:
        self._database = database
        self._carriers = carriers
        self._timing = timing

    async def look(self, workspace_id: UUID, call_id: UUID) -> CallEnded | None:
        """One look. Raises CarrierError, LookupError or SealBroken when the carrier cannot be asked."""
        call = await self._settle_locally(workspace_id, call_id)
        if call is None:
            return await self._ended(workspace_id, call_id)
        if call.state in (CallState.CLAIMED, CallState.DIALING):
            return None
        try:
            carrier = await self._carriers.of(workspace_id, call.carrier_account_id)
            found = await self._at_carrier(call, carrier)
        except (CarrierError, LookupError, SealBroken):
            if not _longer(call, call.gated_at or call.claimed_at, self._timing.last_resort_s):
                raise
            logger.error("call %s could not be looked up for hours: it ends as unknown", call_id)
            await self._give_up(workspace_id, call_id, call)
            return await self._ended(workspace_id, call_id)
        if found is not None:
            await self._apply(workspace_id, call_id, carrier, found)
        elif self._grace_is_over(call):
            await self._give_up(workspace_id, call_id, call)
        else:
            async with self._database.transaction(workspace_id) as session:
                await push_deadline(session, call_id, self._timing.reconcile_s)
        return await self._ended(workspace_id, call_id)

    async def _settle_locally(self, workspace_id: UUID, call_id: UUID) -> CallAtCarrier | None:
        """The call while it is live; what the row alone can decide is decided."""
        async with self._database.transaction(workspace_id) as session:
            call = await read_at_carrier(session, call_id)
            if call is None or call.state in (CallState.ENDED, CallState.DEFERRED):
                return None
            if call.state is CallState.CLAIMED and call.awaits_recovery:
                # In a database that was restored, what looks claimed may have been dialed since the backup.
                return call
            if call.state is CallState.CLAIMED and _longer(call, call.claimed_at, self._timing.place_timeout_s):
                # Its activity is dead or past its time, and a late one finds a call that is no longer claimed.
                await defer(session, call_id, "worker_lost", self._timing)
                return None
            undecided = call.gated_at is not None and _longer(call, call.gated_at, self._timing.undecided_s)
            if call.state is CallState.DIALING and undecided:
                await save_unknown(session, call_id, self._timing)
                return await read_at_carrier(session, call_id)
            return call

    async def _at_carrier(self, call: CallAtCarrier, carrier: Carrier) -> CarrierCall | None:
        if call.carrier_call_id is not None:
            try:
                return await carrier.fetch(call.carrier_call_id)
            except CallNotFound:
                return None
        if call.gated_at is None:
            return None
        calls = await carrier.find(to=call.to_phone, from_=call.from_phone, placed_after=call.gated_at - CLOCK_SKEW)
        async with self._database.transaction(call.workspace_id) as session:
            ids = [candidate.carrier_call_id for candidate in calls]
            owned = await owned_ids(session, call.carrier_account_id, ids)
        candidates = [candidate for candidate in calls if candidate.carrier_call_id not in owned]
        if len(candidates) > 1:
            logger.error("%d calls at the carrier could be the same one: none is adopted", len(candidates))
        return candidates[0] if len(candidates) == 1 else None

    def _grace_is_over(self, call: CallAtCarrier) -> bool:
        return _longer(call, call.gated_at or call.claimed_at, self._timing.grace_s)

    async def _apply(self, workspace_id: UUID, call_id: UUID, carrier: Carrier, found: CarrierCall) -> None:
        event = event_of_call(found, call_id)
        async with self._database.transaction(workspace_id) as session:
            applied = await apply_event(
                session, call_id, event, payload={}, dedupe=dedupe_key(event), timing=self._timing
            )
            await push_deadline(session, call_id, self._timing.deadline_margin_s)
        if applied.hang_up is not None:
            try:
                await carrier.hang_up(applied.hang_up, answered=None)
            except CarrierError as error:
                logger.warning("hang-up of call %s failed: %s", call_id, type(error).__name__)

    async def _give_up(self, workspace_id: UUID, call_id: UUID, call: CallAtCarrier) -> None:
        """The carrier neither confirms nor denies: the call ends as unknown and counts as an attempt.

        Unless it has reported while it was searched: then somebody may be talking, and the next look sees it.
        """
        async with self._database.transaction(workspace_id) as session:
            if await is_as_it_was(session, call_id, call.state, call.carrier_call_id):
                await end_call(session, call_id, Ending(disposition=Disposition.UNKNOWN), self._timing)

    async def _ended(self, workspace_id: UUID, call_id: UUID) -> CallEnded | None:
        async with self._database.transaction(workspace_id) as session:
            await settle_amd(session, call_id, only_when_due=True)
            return await read_result(session, call_id)


def _longer(call: CallAtCarrier, since: datetime, seconds: float) -> bool:
    return call.now - since > timedelta(seconds=seconds)
