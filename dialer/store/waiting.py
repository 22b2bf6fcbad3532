"""Why no call goes out now, and when the next may: the one answer that legs, status and the sweep give."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.breaker import Trouble
from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.states import CampaignStatus
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet
from dialer.store.breakers import no_answer
from dialer.store.claims import Lane
from dialer.store.database import rows
from dialer.store.imports import ADDING
from dialer.store.shared_limits import full_limit
from dialer.store.tables.base import LIVE


class Reason(StrEnum):
    """What a campaign waits for."""

    RUNNING = "running"
    SCHEDULED = "scheduled"
    PAUSED = "paused"
    SLOTS = "slots"
    WINDOW = "window"
    DUE = "due"
    CALLS = "calls"
    IMPORT = "import"
    CARRIER = "carrier"
    """No account that the campaign may use answers; ``until`` is when one call asks again."""
    NUMBERS = "numbers"
    """Its caller numbers have made all calls that they may make in 24 hours."""
    NOBODY = "nobody"
    OVER = "over"


CARRIER_TEXTS: Mapping[Trouble, str] = MappingProxyType(
    {
        Trouble.UNREACHABLE: "the carrier to answer again (it cannot be reached)",
        Trouble.THROTTLED: "the carrier to answer again (it says that there are too many requests)",
        Trouble.FAILING: "the carrier to answer again (its answers are errors)",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """``until`` is the next moment at which a call may go out, when it is known.

    ``lanes`` are those that were looked at, of a running campaign, and ``opened`` those of them that are open.
    """

    reason: Reason
    until: datetime | None = None
    text: str = ""
    lanes: "list[DueLane] | None" = field(default=None, compare=False, repr=False)
    opened: "list[Lane] | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLane:
    """A lane with somebody ready in it, and when the first of them is due."""

    lane: Lane
    first_due_at: datetime

    @property
    def zones(self) -> ZoneSet | None:
        """None when the lane's people have no known zone."""
        return ZoneSet.parse(self.lane.zone_set) if self.lane.zone_set else None


async def due_lanes(session: AsyncSession, campaign_id: UUID) -> list[DueLane]:
    """Every lane of the campaign in which somebody is ready: one index look-up per lane."""
    sql = """
        SELECT l.zone_set, l.priority, d.next_due_at FROM lanes l, LATERAL (
            SELECT p.next_due_at FROM prospects p WHERE p.campaign_id = l.campaign_id AND p.zone_set = l.zone_set
                AND p.priority = l.priority AND p.state = 'ready' ORDER BY p.next_due_at LIMIT 1) AS d
        WHERE l.campaign_id = :id"""
    return [
        DueLane(lane=Lane(zone_set=row.zone_set, priority=row.priority), first_due_at=row.next_due_at)
        for row in await rows(session, sql, {"id": campaign_id})
    ]


def open_lanes(lanes: list[DueLane], rules: CampaignRules, now: datetime, timing: Timing) -> list[Lane]:
    """Those in which somebody is due now and every clock is inside the calling hours."""
    margin = timedelta(seconds=timing.window_margin_s)
    return [
        lane.lane for lane in lanes if lane.first_due_at <= now and rules.hours.is_open_for(now, margin, lane.zones)
    ]


def next_call_at(lanes: list[DueLane], rules: CampaignRules, now: datetime, timing: Timing) -> datetime | None:
    """The first moment at which somebody is due inside their calling hours; None when there is none in 14 days."""
    margin = timedelta(seconds=timing.window_margin_s)
    # Of the lanes with the same clocks, the one with the first person has the first opening.
    firsts = {each.lane.zone_set: each for each in sorted(lanes, key=lambda lane: lane.first_due_at, reverse=True)}
    opens = (rules.hours.next_open(max(now, lane.first_due_at), margin, lane.zones) for lane in firsts.values())
    return min((at for at in opens if at is not None), default=None)


def never_open(lanes: list[DueLane], rules: CampaignRules, now: datetime, timing: Timing) -> list[str]:
    """Zone sets in which no call is allowed within 14 days."""
    margin = timedelta(seconds=timing.window_margin_s)
    return sorted({d.lane.zone_set for d in lanes if rules.hours.next_open(now, margin, d.zones) is None})


async def what_now(
    session: AsyncSession,
    campaign: Row[Any],
    rules: CampaignRules,
    now: datetime,
    timing: Timing,
    *,
    live: int | None = None,
) -> Waiting:
    """What the campaign (id, status, paused_reason, completed_reason) waits for at ``now``. ``live`` is how many calls
    it has in flight, where that was counted just now."""
    match campaign.status:
        case CampaignStatus.PAUSED:
            return Waiting(reason=Reason.PAUSED, text=f"paused ({campaign.paused_reason})")
        case CampaignStatus.SCHEDULED:
            if rules.recurrence is not None:
                return Waiting(reason=Reason.SCHEDULED, until=rules.recurrence.next_run(now), text="its next run")
            return Waiting(reason=Reason.SCHEDULED, until=rules.start_at, text="waits for its start")
        case CampaignStatus.RUNNING:
            return await _running(session, campaign.id, rules, now, timing, live)
        case CampaignStatus.STOPPED:
            return await _over(session, campaign.id, "the campaign is stopped")
        case _:
            return Waiting(reason=Reason.OVER, text=f"the campaign is {campaign.status}")


async def _running(
    session: AsyncSession, campaign_id: UUID, rules: CampaignRules, now: datetime, timing: Timing, live: int | None
) -> Waiting:
    if rules.end_at is not None and now >= rules.end_at:
        return await _over(session, campaign_id, "its end has passed")
    lanes = await due_lanes(session, campaign_id)
    live = await _live(session, campaign_id) if live is None else live
    opened = open_lanes(lanes, rules, now, timing)
    waiting = await _by_lanes(session, campaign_id, lanes, opened, rules, now, timing, live)
    return replace(waiting, lanes=lanes, opened=opened)


async def _by_lanes(
    session: AsyncSession,
    campaign_id: UUID,
    lanes: list[DueLane],
    opened: list[Lane],
    rules: CampaignRules,
    now: datetime,
    timing: Timing,
    live: int,
) -> Waiting:
    if opened:
        if live >= rules.pace.max_concurrent:
            return Waiting(reason=Reason.SLOTS, until=now, text=f"all {rules.pace.max_concurrent} slots are taken")
        silent = await no_answer(session, campaign_id)
        if silent is not None:
            return Waiting(reason=Reason.CARRIER, until=silent.until or now, text=CARRIER_TEXTS[silent.reason])
        full = await full_limit(session, campaign_id)
        if full is not None and full.is_day:
            return Waiting(reason=Reason.NUMBERS, until=full.until or now, text=full.text)
        if full is not None:
            return Waiting(reason=Reason.SLOTS, until=now, text=full.text)
        return Waiting(reason=Reason.RUNNING, until=now, text="calling")
    until = next_call_at(lanes, rules, now, timing)
    if until is not None:
        due = any(lane.first_due_at <= now for lane in lanes)
        reason, text = (Reason.WINDOW, "calling hours to open") if due else (Reason.DUE, "the next redial")
        return Waiting(reason=reason, until=until, text=text)
    if live:
        return Waiting(reason=Reason.CALLS, text="calls in flight to end")
    if await _importing(session, campaign_id):
        return Waiting(reason=Reason.IMPORT, text="an import to finish")
    return Waiting(reason=Reason.NOBODY, text="nobody is left to call")


async def _over(session: AsyncSession, campaign_id: UUID, text: str) -> Waiting:
    """Nothing new begins; calls in flight finish."""
    if await _live(session, campaign_id):
        return Waiting(reason=Reason.CALLS, text="calls in flight to end")
    return Waiting(reason=Reason.OVER, text=text)


async def _live(session: AsyncSession, campaign_id: UUID) -> int:
    sql = f"SELECT count(*) AS n FROM calls WHERE campaign_id = :id AND {LIVE}"
    (counted,) = await rows(session, sql, {"id": campaign_id})
    return counted.n


async def _importing(session: AsyncSession, campaign_id: UUID) -> bool:
    sql = f"SELECT EXISTS (SELECT 1 FROM imports WHERE campaign_id = :id AND {ADDING}) AS any"
    (found,) = await rows(session, sql, {"id": campaign_id})
    return found.any
