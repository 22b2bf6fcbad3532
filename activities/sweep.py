"""The sweep: repairs what crashes left behind, then watches live calls until the next sweep is due."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.batches import restart_batches
from activities.heartbeats import heartbeats
from activities.looks import Looks
from activities.ports import Carriers, Workflows
from activities.reconciling import Reconciler
from activities.restoring import RestoreGuard
from activities.schedule_repairs import ScheduleRepairs
from dialer.carriers.base import CallNotFound, CarrierError
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.restores import Mark
from dialer.domain.timing import Timing
from dialer.sealing import SealBroken
from dialer.store import sweeps
from dialer.store.database import Database
from dialer.store.dialing import campaign_of, mark_hang_up_sent, push_deadline
from dialer.store.gates import defer, zones_of
from dialer.store.idempotency import forget_old
from dialer.store.imports import delete_old_pieces, fail_abandoned_uploads
from dialer.store.shares import forget_standings
from dialer.store.sweeps import OwnedCall
from dialer.store.tally_checks import limit_statements, mark_checked, repair_tallies, wrong_tallies
from dialer.store.waiting import Reason, what_now
from dialer.store.waking import wake

logger = logging.getLogger(__name__)

CONCURRENT_STARTS = 10
#: A sweep ends in time for the next one; a look that it does not wait for is begun again by that one.
FINISH_S = 1.5
#: A check of tallies that takes longer is given up, so that no sweep waits for it.
CHECK_S = 20
#: What rings is ended so long before its window closes: a look comes every second, and fewer between two sweeps.
CLOSING = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """The database's high-water mark as the previous sweep saw it: the newest call, and the last recovery."""

    high_water: int
    recovered_at: datetime | None = None

    @property
    def seen(self) -> Mark:
        return Mark(newest_call=self.high_water, recovered_at=self.recovered_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was found. ``restored`` is True when the database has gone backwards and everything was paused.

    Then the mark is the one from before, so that every sweep pauses again what is resumed before the recovery.
    """

    high_water: int
    recovered_at: datetime | None = None
    restored: bool = False
    deferred: int = 0
    reconciled: int = 0
    orphans: int = 0
    tallies_repaired: int = 0

    @property
    def seen(self) -> Mark:
        return Mark(newest_call=self.high_water, recovered_at=self.recovered_at)


class SweepActivities:
    """On the ``control`` queue, one at a time for the whole installation."""

    def __init__(
        self,
        database: Database,
        carriers: Carriers,
        workflows: Workflows,
        *,
        timing: Timing,
        watch: bool = True,
        schedules: ScheduleRepairs | None = None,
    ) -> None:
        self._database = database
        self._carriers = carriers
        self._workflows = workflows
        self._timing = timing
        self._watch_on = watch
        self._schedules = schedules
        self._guard = RestoreGuard(database, workflows)
        self._reconciler = Reconciler(database, carriers, timing=timing)

    @activity.defn
    async def sweep(self, request: SweepRequest) -> Swept:
        """Repair once, then look at live calls every second until shortly before the next sweep."""
        async with heartbeats():
            return await self._sweep(request)

    async def _sweep(self, request: SweepRequest) -> Swept:
        until = asyncio.get_running_loop().time() + self._timing.sweep_s - 2
        mark = await self._guard.check(request.seen)
        async with Looks(finish_s=FINISH_S if self._watch_on else self._timing.http_timeout_s) as looks:
            if mark is None:
                # Nothing is repaired, since what was claimed then may have been dialed since; but calls still end.
                reconciled = await self._watch_until(until, looks)
                return Swept(
                    high_water=request.high_water,
                    recovered_at=request.recovered_at,
                    restored=True,
                    reconciled=reconciled,
                )
            # First, since repairs may take a while, and nobody else watches.
            reconciled = await self._watch_once(looks)
            deferred = await self._defer_expired()
            orphans = await self._free_orphans()
            await self._restart_workflows()
            if self._schedules is not None:
                await self._schedules.repair()
            await restart_batches(self._database, self._workflows)
            await self._forget()
            # Beside the watch: it reads every row of a campaign, and calls wait to be looked after.
            checking = asyncio.create_task(self._check_tallies())
            try:
                reconciled += await self._watch_until(until, looks)
                repaired = await checking
            finally:
                checking.cancel()
                # What it has open is closed before the sweep is over: afterwards the pool may be closed, too.
                await asyncio.wait([checking])
        return Swept(
            high_water=mark.newest_call,
            recovered_at=mark.recovered_at,
            deferred=deferred,
            reconciled=reconciled,
            orphans=orphans,
            tallies_repaired=repaired,
        )

    async def _forget(self) -> None:
        """What was kept for a while."""
        async with self._database.transaction_over_all() as session:
            await delete_old_pieces(session)
            await fail_abandoned_uploads(session)
            await forget_old(session)
            await forget_standings(session)

    async def _watch_until(self, until: float, looks: Looks) -> int:
        """Look once, and then every second; how many calls were looked at."""
        looked = await self._watch_once(looks)
        while self._watch_on and not activity.is_worker_shutdown() and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(self._timing.watch_s)
            looked += await self._watch_once(looks)
        if activity.is_worker_shutdown():
            # Not a result: until the next sweep nobody would watch. Another worker begins anew.
            raise ApplicationError("its worker is ended", category=ApplicationErrorCategory.BENIGN)
        return looked

    async def _watch_once(self, looks: Looks) -> int:
        """Begin to end calls at the carrier, and to look up those past their deadline; how many of the latter."""
        async with self._database.transaction_over_all() as session:
            await sweeps.mark_not_ringing(session, self._timing.ring_after_s)
            await sweeps.mark_window_closing(session, await self._outside_hours(session))
            ending = await sweeps.to_hang_up(session)
            overdue = await sweeps.overdue(session)
        for call in ending:
            looks.begin(("hang-up", call.call_id), call.carrier_account_id, partial(self._hang_up, call))
        return sum(
            looks.begin(("look", call.call_id), call.carrier_account_id, partial(self._look, call)) for call in overdue
        )

    async def _outside_hours(self, session: AsyncSession) -> list[UUID]:
        closed: list[UUID] = []
        known: dict[UUID | None, CampaignRules] = {None: CampaignRules()}
        for row in await sweeps.waiting_at_carrier(session):
            try:
                if row.campaign_id not in known:
                    known[row.campaign_id] = rules_from_json(row.settings)
                is_open = known[row.campaign_id].hours.is_open_for(row.now, CLOSING, zones_of(row))
            except (KeyError, TypeError, ValueError) as error:
                # What cannot be decided must not ring, nor keep others from being looked after.
                logger.error("the hours of call %s cannot be read: %s", row.id, type(error).__name__)
                is_open = False
            if not is_open:
                closed.append(row.id)
        return closed

    async def _hang_up(self, call: OwnedCall) -> None:
        assert call.carrier_account_id is not None
        assert call.carrier_call_id is not None
        try:
            carrier = await self._carriers.of(call.workspace_id, call.carrier_account_id)
            await carrier.hang_up(call.carrier_call_id, answered=call.answered)
        except CallNotFound:
            logger.warning("call %s is not known to the carrier any more", call.call_id)
        except (CarrierError, LookupError, SealBroken) as error:
            logger.warning("hang-up of call %s failed: %s", call.call_id, type(error).__name__)
            return
        async with self._database.transaction(call.workspace_id) as session:
            await mark_hang_up_sent(session, call.call_id, call.carrier_call_id)

    async def _look(self, call: OwnedCall) -> None:
        try:
            ended = await self._reconciler.look(call.workspace_id, call.call_id)
        except (CarrierError, LookupError, SealBroken) as error:
            logger.warning("call %s could not be looked up: %s", call.call_id, type(error).__name__)
            async with self._database.transaction(call.workspace_id) as session:
                await push_deadline(session, call.call_id, self._timing.reconcile_s)
            return
        if ended is not None:
            await self._workflows.call_ended(call.call_id, ended)
            await self._wake_of(call)

    async def _defer_expired(self) -> int:
        async with self._database.transaction_over_all() as session:
            expired = await sweeps.expired_claims(session, self._timing.claim_expiry_s)
        for call in expired:
            async with self._database.transaction(call.workspace_id) as session:
                await defer(session, call.call_id, "claim_expired", self._timing)
            await self._wake_of(call)
        return len(expired)

    async def _free_orphans(self) -> int:
        async with self._database.transaction_over_all() as session:
            campaigns = await sweeps.free_orphans(session)
        for campaign_id in campaigns:
            await self._wake(campaign_id)
        return len(campaigns)

    async def _restart_workflows(self) -> None:
        """A campaign or import without an open workflow gets a new one; a campaign that overslept is woken."""
        async with self._database.transaction_over_all() as session:
            campaigns = await sweeps.open_campaigns(session)
            imports = await sweeps.open_imports(session)
        slots = asyncio.Semaphore(CONCURRENT_STARTS)

        async def restart(row: Row[Any]) -> None:
            async with slots:
                await self._workflows.start_campaign(row.workspace_id, row.id, row.name)
                if await self._overslept(row):
                    await self._wake(row.id, always=True)

        async with asyncio.TaskGroup() as group:
            for row in campaigns:
                group.create_task(restart(row))
        for row in imports:
            await self._workflows.start_import(row.workspace_id, row.id, row.campaign_id, row.run)

    async def _overslept(self, row: Row[Any]) -> bool:
        """True when the campaign waits although it need not, because a wake-up was lost on its way.

        ``idle_until`` is cleared before the nudge is sent: without it a leg runs, or the nudge was lost. A nudge to a
        leg that runs costs one event.
        """
        if row.idle_until is None:
            return not row.claiming
        try:
            rules = rules_from_json(row.settings)
        except (KeyError, TypeError, ValueError) as error:
            logger.error("the settings of campaign %s cannot be read: %s", row.id, type(error).__name__)
            return False
        async with self._database.transaction(row.workspace_id) as session:
            waiting = await what_now(session, row, rules, row.now, self._timing)
        if waiting.reason in (Reason.RUNNING, Reason.OVER):
            return True
        if waiting.reason is Reason.NOBODY:
            return not rules.keep_open
        moment = timedelta(seconds=5)
        return (
            waiting.until is not None and waiting.until < row.idle_until - moment and row.now < row.idle_until - moment
        )

    async def _check_tallies(self) -> int:
        """One campaign per sweep."""
        async with self._database.transaction_over_all() as session:
            found = await sweeps.least_checked(session)
        if found is None:
            return 0
        workspace_id, campaign_id, _ = found
        try:
            async with self._database.transaction(workspace_id) as session:
                await limit_statements(session, CHECK_S)
                wrong = await wrong_tallies(session, campaign_id)
                if wrong:
                    logger.error("tallies of campaign %s are wrong and counted anew: %s", campaign_id, wrong)
                    await repair_tallies(session, campaign_id)
        except DBAPIError as error:
            # Too many rows for one statement, perhaps; the triggers keep counting all the same.
            logger.error("tallies of campaign %s could not be checked: %s", campaign_id, type(error.orig).__name__)
            wrong = {}
        async with self._database.transaction(workspace_id) as session:
            await mark_checked(session, campaign_id)
        return len(wrong)

    async def _wake_of(self, call: OwnedCall) -> None:
        async with self._database.transaction(call.workspace_id) as session:
            campaign_id = await campaign_of(session, call.call_id)
        if campaign_id is not None:
            await self._wake(campaign_id)

    async def _wake(self, campaign_id: UUID, *, always: bool = False) -> None:
        async with self._database.transaction_over_all() as session:
            idle = await wake(session, campaign_id)
        if idle or always:
            await self._workflows.nudge_campaign(campaign_id)
