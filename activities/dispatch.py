"""The dispatch leg: claims due prospects of one campaign and starts their calls, for about ten seconds."""

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import CallToStart, Workflows
from activities.restoring import RestoreGuard, Watermark
from activities.rests import Pulse, until_woken
from activities.wakeups import Wakeups
from dialer.domain.breaker import Trip
from dialer.domain.call_results import moment
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.restores import Mark
from dialer.domain.slots import Blocked
from dialer.domain.states import CampaignStatus, CompletedReason, PausedReason
from dialer.domain.timing import Timing
from dialer.store.breakers import judge_campaign
from dialer.store.campaign_ends import BATCH, expire_ready, hold_never_open, reopen_more
from dialer.store.claims import Claim, ClaimedCall, claim, database_now
from dialer.store.control import (
    LostRace,
    StateConflict,
    await_next_run,
    complete,
    count_live,
    pause,
    start_scheduled,
)
from dialer.store.database import Database
from dialer.store.recoveries import read_campaign_standing
from dialer.store.runs import owed_after
from dialer.store.shares import want_nothing
from dialer.store.waiting import Reason, Waiting, due_lanes, never_open, open_lanes, what_now
from dialer.store.waking import campaign_of_leg, sleep_until, start_leg

logger = logging.getLogger(__name__)

#: Without a known time, look again after this long: what else could wake the campaign does so at once.
LONGEST_IDLE_S = 3600.0
#: From one claim to the next, at least: a campaign that calls twenty people a second has as many slots freed, and one
#: claim takes several as cheaply as one.
CLAIMS_APART_S = 0.05
#: While one call finds out whether the carrier answers again.
ASK_AGAIN_S = 0.5
#: The same, as a share of ``Timing.turn_s``, while that much waits for its turn anyway: the pace loses nothing.
PACED_CLAIMS_APART = 0.25
LOOKS_AT_ONCE = 8
#: Where more legs than this run in a process, each is longer, up to a minute: to end one and begin the next costs
#: Temporal as much as a third of a call.
LEGS = 20
LONGEST_LEG_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRef:
    """Which campaign, and for a leg how far the one before it has seen it come."""

    workspace_id: str
    campaign_id: str
    seen: Mark = Mark()


class LegEnd(StrEnum):
    """Why a leg stopped."""

    MORE = "more"
    IDLE = "idle"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What a leg leaves behind. ``idle_until`` is None when no time is known and ``idle_s`` is the longest wait.

    ``seen`` is for the next leg: a database that is behind it was restored, and nobody may be dialed.
    """

    end: LegEnd
    idle_s: float
    waiting_for: str
    idle_until: str | None
    claimed: int
    seen: Mark = Mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round of a leg: what was claimed, or what is waited for; ``ends_at`` when the campaign's end lies ahead."""

    calls: tuple[ClaimedCall, ...] = ()
    waiting: Waiting | None = None
    retry_s: float | None = None
    """When only the pace stands in the way, or there is more to do at once: go on after this."""
    finished: bool = False
    reopening: bool = False
    """Held people are still to be looked at again: until then nothing is waited for, and nothing completes."""
    paced: bool = False
    """As many wait for their turns as the campaign's own pace allows."""
    ends_at: datetime | None = None
    now: datetime


class DispatchActivities:
    """On the ``control`` queue: one leg per running campaign."""

    def __init__(self, database: Database, workflows: Workflows, wakeups: Wakeups, *, timing: Timing) -> None:
        self._database = database
        self._workflows = workflows
        self._wakeups = wakeups
        self._timing = timing
        self._guard = RestoreGuard(database, workflows)
        # Legs that claim wait for each other's locks, which are a workspace's. They do so here, where they hold no
        # connection, and so leave some to the calls that are being dialed, and to other workspaces.
        self._looking: defaultdict[UUID, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(LOOKS_AT_ONCE))

    @activity.defn
    async def dispatch(self, ref: CampaignRef) -> Leg:
        """Claim and start calls until the leg's time is up or nobody can be called now."""
        # A leg whose process died has told by its heartbeats how far it had come.
        seen = Watermark(ref.seen.later(Mark.unpacked(activity.info().heartbeat_details)))
        async with heartbeats(lambda: seen.mark.packed()):
            return replace(await self._leg(ref, seen), seen=seen.mark)

    async def _leg(self, ref: CampaignRef, seen: Watermark) -> Leg:
        workspace_id, campaign_id = UUID(ref.workspace_id), UUID(ref.campaign_id)
        leg_s = max(self._timing.leg_s, min(self._timing.leg_s * self._wakeups.campaigns / LEGS, LONGEST_LEG_S))
        ends = asyncio.get_running_loop().time() + leg_s
        claimed, pulse = 0, Pulse()
        async with self._database.transaction(workspace_id) as session:
            await start_leg(session, campaign_id)
        with self._wakeups.listen(campaign_id) as woken:
            while True:
                began = asyncio.get_running_loop().time()
                step = await self._step(workspace_id, campaign_id, seen, pulse)
                claimed += len(step.calls)
                if step.finished:
                    return Leg(end=LegEnd.FINISHED, idle_s=0, waiting_for="", idle_until=None, claimed=claimed)
                if step.reopening:
                    await self._reopen(workspace_id, campaign_id)
                left = ends - asyncio.get_running_loop().time()
                if step.waiting is not None and self._is_long(step.waiting, step.now, min(left, self._timing.leg_s)):
                    idle = await self._go_idle(workspace_id, campaign_id, step, step.waiting, claimed)
                    if idle is not None:
                        return idle
                if left <= 0 or activity.is_worker_shutdown():
                    return Leg(end=LegEnd.MORE, idle_s=0, waiting_for="", idle_until=None, claimed=claimed)
                pause_s = self._pause_s(step, left)
                if not (step.reopening or step.retry_s == 0.0):
                    apart_s = PACED_CLAIMS_APART * self._timing.turn_s if step.paced else CLAIMS_APART_S
                    rest = max(began + min(apart_s, left) - asyncio.get_running_loop().time(), 0.0)
                    await asyncio.sleep(rest)  # who wakes it meanwhile is not waited for below
                    pause_s = max(pause_s - rest, 0.0)
                await until_woken(woken, pause_s)

    async def _step(self, workspace_id: UUID, campaign_id: UUID, seen: Watermark, pulse: Pulse) -> Step:
        """Claim what may be claimed now, and start it once the claim is committed."""
        restored = False
        async with self._looking[workspace_id], self._database.transaction(workspace_id) as session:
            campaign = await campaign_of_leg(session, campaign_id)
            if campaign is None:
                await want_nothing(session, workspace_id, campaign_id)
                return Step(finished=True, now=await database_now(session))
            now, rules = campaign.now, rules_from_json(campaign.settings)
            if campaign.status != CampaignStatus.RUNNING:
                await want_nothing(session, workspace_id, campaign_id)
                return await self._not_running(session, campaign, rules, now, seen)
            if rules.end_at is not None and now >= rules.end_at:
                await want_nothing(session, workspace_id, campaign_id)
                return await self._past_end(session, campaign, now)
            standing = await read_campaign_standing(session, campaign_id)
            restored = standing.is_restored(seen.mark)
            lanes = await due_lanes(session, campaign_id)
            opened = open_lanes(lanes, rules, now, self._timing)
            trip = await self._judged(session, campaign, rules, pulse) if opened else None
            if not opened:
                await want_nothing(session, workspace_id, campaign_id)
            if restored:
                # Who is due here may have been called since the backup.
                step = Step(retry_s=0.0, now=now)
            elif trip is not None:
                step = Step(now=now)
            elif opened:
                found = await claim(session, campaign, rules, opened, now, self._timing)
                step = _claimed(found, now)
                if found.blocked in (Blocked.CARRIER, Blocked.DAY) and not campaign.reopening:
                    waiting = await what_now(session, campaign, rules, now, self._timing)
                    step = Step(waiting=waiting, ends_at=rules.end_at, retry_s=_ask_again_s(waiting, now), now=now)
                step = replace(step, reopening=campaign.reopening, ends_at=rules.end_at)
                if step.calls:
                    standing = await read_campaign_standing(session, campaign_id)
            elif campaign.reopening:
                return Step(reopening=True, now=now)
            else:
                closed = never_open(lanes, rules, now, self._timing)
                held = await hold_never_open(session, campaign_id, closed, settings_version=campaign.settings_version)
                if held == BATCH:
                    return Step(retry_s=0.0, now=now)
                waiting = await what_now(session, campaign, rules, now, self._timing)
                step = Step(waiting=waiting, ends_at=rules.end_at, now=now)
        if restored:
            await self._guard.pause_everything(standing.mark, seen.mark)
            return step
        seen.rise(standing.mark)
        if trip is not None:
            await self._trip(workspace_id, campaign, trip)
            return Step(retry_s=0.0, now=now)
        await self._start(workspace_id, campaign, step.calls)
        if step.waiting is not None and step.waiting.reason is Reason.NOBODY:
            return await self._finish(workspace_id, campaign, rules, step)
        return step

    async def _judged(
        self, session: AsyncSession, campaign: Row[Any], rules: CampaignRules, pulse: Pulse
    ) -> Trip | None:
        """Whether its calls fail far more often than calls do."""
        if rules.breaker is None or not pulse.beats():
            return None
        return await judge_campaign(session, campaign, rules.breaker)

    async def _trip(self, workspace_id: UUID, campaign: Row[Any], trip: Trip) -> None:
        """Pause, unless somebody has changed the campaign since it was looked at."""
        try:
            async with self._database.transaction(workspace_id) as session:
                await pause(
                    session,
                    campaign.id,
                    reason=trip.reason,
                    details=trip.figures,
                    expected_version=campaign.control_version,
                )
        except (StateConflict, LostRace):
            return
        failed, calls = trip.figures["failed"], trip.figures["calls"]
        logger.error("campaign %s paused (%s): %s of its last %s calls failed", campaign.id, trip.reason, failed, calls)

    async def _not_running(
        self, session: AsyncSession, campaign: Row[Any], rules: CampaignRules, now: datetime, seen: Watermark
    ) -> Step:
        if campaign.status == CampaignStatus.STOPPED:
            expired = await expire_ready(session, campaign.id)
            live = await count_live(session, campaign.id)
            if expired == 0 and live == 0:
                return Step(finished=True, now=now)
            if expired:
                return Step(retry_s=0.0, now=now)
            return Step(waiting=Waiting(reason=Reason.CALLS, text="calls in flight to end"), now=now)
        if campaign.status == CampaignStatus.SCHEDULED and rules.recurrence is not None:
            return await self._between_runs(session, campaign, rules, now)
        if campaign.status == CampaignStatus.SCHEDULED and (rules.start_at is None or rules.start_at <= now):
            await start_scheduled(session, campaign.id)
            return Step(retry_s=0.0, now=now)
        if campaign.status in (CampaignStatus.PAUSED, CampaignStatus.SCHEDULED):
            # After a restore nobody is given up before the carrier was asked who was called.
            ends = (
                campaign.status == CampaignStatus.PAUSED
                and campaign.paused_reason != PausedReason.DATABASE_RESTORED
                and not (await read_campaign_standing(session, campaign.id)).is_restored(seen.mark)
            )
            ends_at = rules.end_at if ends else None
            if ends_at is not None and now >= ends_at:
                return await self._past_end(session, campaign, now)
            waiting = await what_now(session, campaign, rules, now, self._timing)
            return Step(waiting=waiting, ends_at=ends_at, now=now)
        return Step(finished=True, now=now)

    async def _between_runs(
        self, session: AsyncSession, campaign: Row[Any], rules: CampaignRules, now: datetime
    ) -> Step:
        """Its Schedule begins the next run; what is left to do here is to end what has had its last."""
        assert rules.recurrence is not None
        if rules.end_at is not None and now >= rules.end_at:
            return await self._past_end(session, campaign, now)
        owed = await owed_after(session, campaign.id)
        version = campaign.settings_version
        if rules.recurrence.next_run(owed or now) is None and await complete(
            session, campaign.id, CompletedReason.ALL_FINAL, status=CampaignStatus.SCHEDULED, settings_version=version
        ):
            return Step(finished=True, now=now)
        waiting = await what_now(session, campaign, rules, now, self._timing)
        return Step(waiting=waiting, ends_at=rules.end_at, now=now)

    async def _past_end(self, session: AsyncSession, campaign: Row[Any], now: datetime) -> Step:
        status, version = CampaignStatus(campaign.status), campaign.settings_version
        if await expire_ready(session, campaign.id, settings_version=version):
            return Step(retry_s=0.0, now=now)
        if await complete(session, campaign.id, CompletedReason.END_AT, status=status, settings_version=version):
            return Step(finished=True, now=now)
        return Step(waiting=Waiting(reason=Reason.CALLS, text="calls in flight to end"), now=now)

    async def _reopen(self, workspace_id: UUID, campaign_id: UUID) -> None:
        """A batch in a transaction of its own, so that no claim holds its locks for so long."""
        async with self._database.transaction(workspace_id) as session:
            await reopen_more(session, campaign_id)

    async def _finish(self, workspace_id: UUID, campaign: Row[Any], rules: CampaignRules, step: Step) -> Step:
        if rules.keep_open and rules.recurrence is None:
            return step
        version = campaign.settings_version
        async with self._database.transaction(workspace_id) as session:
            if rules.recurrence is not None and rules.recurrence.next_run(step.now) is not None:
                await await_next_run(session, campaign.id, settings_version=version)
                return Step(retry_s=0.0, now=step.now)
            done = await complete(session, campaign.id, CompletedReason.ALL_FINAL, settings_version=version)
        return Step(finished=True, now=step.now) if done else Step(now=step.now)

    async def _start(self, workspace_id: UUID, campaign: Row[Any], calls: tuple[ClaimedCall, ...]) -> None:
        await self._workflows.start_calls(
            [
                CallToStart(
                    workspace_id=workspace_id,
                    call_id=call.call_id,
                    campaign_id=campaign.id,
                    prospect_id=call.prospect_id,
                    attempt=call.attempt,
                    summary=f"{campaign.name} · attempt {call.attempt_of}",
                )
                for call in calls
            ]
        )

    def _is_long(self, waiting: Waiting, now: datetime, left: float) -> bool:
        """True when the wait outlasts the leg, so that a durable timer does better. Slots free themselves soon."""
        if waiting.reason in (Reason.SLOTS, Reason.RUNNING):
            return False
        if waiting.reason is Reason.CALLS:
            return left <= 0
        return waiting.until is None or (waiting.until - now).total_seconds() > max(left, 0)

    def _pause_s(self, step: Step, left: float) -> float:
        """How long to wait for a wake-up, not past the leg's end."""
        if step.calls or step.reopening:
            return 0.0
        if step.ends_at is not None:
            left = max(min(left, (step.ends_at - step.now).total_seconds()), 0.02)
        if step.retry_s is not None:
            return min(left, step.retry_s)
        longest = min(left, 2.0)
        until = step.waiting.until if step.waiting is not None else None
        return longest if until is None else max(min(longest, (until - step.now).total_seconds()), 0.02)

    async def _go_idle(
        self, workspace_id: UUID, campaign_id: UUID, step: Step, waiting: Waiting, claimed: int
    ) -> Leg | None:
        """Store that no leg runs, then look once more: whoever committed before that look is seen by it."""
        until, text = waiting.until, waiting.text
        if step.ends_at is not None and (until is None or step.ends_at < until):
            until, text = step.ends_at, "its end"
        idle_s = LONGEST_IDLE_S if until is None else max((until - step.now).total_seconds(), 0.05)
        async with self._database.transaction(workspace_id) as session:
            await sleep_until(session, campaign_id, step.now + timedelta(seconds=idle_s))
        again = await self._look(workspace_id, campaign_id)
        if again is None or again.reason is not waiting.reason or again.until != waiting.until:
            async with self._database.transaction(workspace_id) as session:
                await start_leg(session, campaign_id)
            return None
        return Leg(end=LegEnd.IDLE, idle_s=idle_s, waiting_for=text, idle_until=moment(until), claimed=claimed)

    async def _look(self, workspace_id: UUID, campaign_id: UUID) -> Waiting | None:
        async with self._database.transaction(workspace_id) as session:
            campaign = await campaign_of_leg(session, campaign_id)
            if campaign is None:
                return None
            return await what_now(session, campaign, rules_from_json(campaign.settings), campaign.now, self._timing)


def _claimed(found: Claim, now: datetime) -> Step:
    if found.calls or found.blocked is None:
        return Step(calls=found.calls, paced=found.paced, now=now)
    if found.blocked is Blocked.SLOTS:
        return Step(waiting=Waiting(reason=Reason.SLOTS, text="a free slot"), now=now)
    return Step(retry_s=found.retry_s, paced=found.paced, now=now)


def _ask_again_s(waiting: Waiting, now: datetime) -> float | None:
    """None while it is known until when; else a call asks the carrier, it has just answered, or a number is free."""
    if waiting.until is not None and waiting.until > now:
        return None
    return ASK_AGAIN_S
