"""How many people wait, and for what: counted in the index that claims use, as far as a cap, the rest from tallies.

Whoever asks for the status asks often, so nothing here reads more than a few hundred rows of a campaign of any size.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.states import ProspectState
from dialer.domain.timing import Timing
from dialer.domain.waits import (
    Counted,
    Wait,
    for_a_shared_slot,
    for_a_slot,
    for_hours,
    for_numbers,
    for_their_time,
    for_their_turn,
    held,
    share,
)
from dialer.domain.zones import ZoneSet
from dialer.store.database import rows
from dialer.store.waiting import DueLane, Reason, Waiting, due_lanes, open_lanes

CAP = 200
"""Rows that are looked at for one count; one of the counts can be larger and still be exact."""

_READY = """prospects p WHERE p.campaign_id = :id AND p.zone_set = l.zone_set AND p.priority = l.priority
            AND p.state = 'ready' AND p.next_due_at"""


async def who_waits(
    session: AsyncSession,
    campaign: Row[Any],
    rules: CampaignRules,
    prospects: Mapping[str, int],
    live: int,
    waiting: Waiting,
    now: datetime,
    timing: Timing,
) -> list[Wait]:
    """For a running campaign (id, settings), by reason, none of them empty.

    ``prospects`` are its tallies by state, ``live`` its calls in flight, ``waiting`` what it waits for now.
    """
    found = await held_people(session, campaign.id, prospects)
    ready = prospects.get(ProspectState.READY, 0)
    if not ready:
        return found
    lanes = await due_lanes(session, campaign.id) if waiting.lanes is None else waiting.lanes
    due = [lane for lane in lanes if lane.first_due_at <= now]
    may = set(open_lanes(lanes, rules, now, timing) if waiting.opened is None else waiting.opened)
    closed = [lane for lane in due if lane.lane not in may]
    looked, first = await _counts(session, campaign.id, closed, lanes, [lane for lane in due if lane.lane in may], now)
    out_of_hours, later, callable_now = share(ready, looked)
    waits: list[Wait] = []
    if callable_now.n:
        waits.append(_for_a_call(callable_now, campaign, rules, live, waiting, now))
    if out_of_hours.n:
        waits.append(for_hours(out_of_hours, *_opening(closed, rules, waiting.until, now, timing), now))
    if later.n:
        waits.append(for_their_time(later, first, _zone(campaign.settings), now))
    return waits + found


def _for_a_call(
    people: Counted, campaign: Row[Any], rules: CampaignRules, live: int, waiting: Waiting, now: datetime
) -> Wait:
    """What people wait for who may be called now."""
    if live >= rules.pace.max_concurrent:
        return for_a_slot(people, live, rules.pace.max_concurrent)
    if waiting.reason is Reason.SLOTS:
        return for_a_shared_slot(people, waiting.text)
    if waiting.reason is Reason.NUMBERS:
        return for_numbers(people, waiting.text, waiting.until, _zone(campaign.settings), now)
    return for_their_turn(people)


async def held_people(session: AsyncSession, campaign_id: UUID, prospects: Mapping[str, int]) -> list[Wait]:
    """Those who cannot be called until something is mended, by what that is."""
    total = prospects.get(ProspectState.HELD, 0)
    if not total:
        return []
    sql = """
        SELECT coalesce(reason, 'held') AS reason, count(*) AS n FROM (
            SELECT held_reason AS reason FROM prospects WHERE campaign_id = :id AND state = 'held' LIMIT :cap) AS looked
        GROUP BY 1 ORDER BY 2 DESC, 1"""
    counted = await rows(session, sql, {"id": campaign_id, "cap": CAP})
    if len(counted) == 1 or sum(row.n for row in counted) >= CAP:
        return [held(Counted(n=total), [row.reason for row in counted])]
    return [held(Counted(n=row.n), [row.reason]) for row in counted]


def _opening(
    closed: Sequence[DueLane], rules: CampaignRules, next_call_at: datetime | None, now: datetime, timing: Timing
) -> tuple[datetime | None, Sequence[str]]:
    """When the first of the closed lanes opens, and whose clocks say so.

    None of them opens before ``next_call_at``: one that is open then is the first, which spares looking for it.
    """
    margin = timedelta(seconds=timing.window_margin_s)
    sets = list({lane.lane.zone_set: lane.zones for lane in closed}.values())
    opens = [(next_call_at, zones) for zones in sets if _is_open(rules, next_call_at, now, margin, zones)]
    opens = opens or [(rules.hours.next_open(now, margin, zones), zones) for zones in sets]
    known = [(at, rules.hours.zones_for(zones)) for at, zones in opens if at is not None]
    at, zones = min(known, key=lambda pair: pair[0], default=(None, None))
    return at, () if zones is None else zones.names


def _is_open(
    rules: CampaignRules, at: datetime | None, now: datetime, margin: timedelta, zones: ZoneSet | None
) -> bool:
    return at is not None and at > now and rules.hours.is_open_for(at, margin, zones)


def _zone(settings: Mapping[str, Any]) -> str:
    """The clock that the campaign's own times are told by."""
    schedule: Mapping[str, Any] = settings.get("schedule") or {}
    return schedule.get("time_zone") or "UTC"


async def _counts(
    session: AsyncSession,
    campaign_id: UUID,
    closed: Sequence[DueLane],
    lanes: Sequence[DueLane],
    opened: Sequence[DueLane],
    now: datetime,
) -> tuple[list[Counted], datetime | None]:
    """Those due in ``closed`` lanes, those of all lanes whose time has not come, and those due in ``opened`` ones; and
    when the time comes for the first of those that wait for it. One statement, since each is a round trip."""
    sql = f"""SELECT {_how_many("closed", "<=")} AS closed, {_how_many("all", ">")} AS later,
        {_how_many("opened", "<=")} AS opened,
        (SELECT min(first.next_due_at) FROM {_lanes("all")}, LATERAL (
            SELECT p.next_due_at FROM {_READY} > :now ORDER BY p.next_due_at LIMIT 1) AS first) AS first"""
    parameters: dict[str, Any] = {"id": campaign_id, "now": now, "cap": CAP}
    for name, some in (("closed", closed), ("all", lanes), ("opened", opened)):
        parameters[f"{name}_zone_sets"] = [lane.lane.zone_set for lane in some]
        parameters[f"{name}_priorities"] = [lane.lane.priority for lane in some]
    (row,) = await rows(session, sql, parameters)
    return [Counted(n=n, exact=n < CAP) for n in (row.closed, row.later, row.opened)], row.first


def _how_many(which: str, compare: str) -> str:
    """SQL: people of some lanes whose time has come (``<=``), or has not; no more than the cap."""
    return f"""(SELECT count(*) FROM (
        SELECT 1 FROM {_lanes(which)}, LATERAL (SELECT 1 FROM {_READY} {compare} :now LIMIT :cap) AS found
        LIMIT :cap) AS looked)"""


def _lanes(which: str) -> str:
    return f"""unnest(CAST(:{which}_zone_sets AS text[]), CAST(:{which}_priorities AS smallint[]))
        AS l(zone_set, priority)"""
