"""Turns: when a claimed call may be dialed, so that calls per second are exact at the carrier also after a backlog.

Each limit has a pace row with the moment at which its next call may begin. One transaction reads the rows of campaign,
account and number, takes the latest moment and moves every row on by one call.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.clock import steady_seconds
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.states import CallState
from dialer.store.database import one, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The moment for one request: so many seconds after the pace rows were read, and that on this machine's clock."""

    wait_s: float
    at: float


class Edited(Exception):
    """The campaign was edited between the look at its rate and the lock of its pace row."""


#: What ``next_turn`` needs of a call ``c``, its campaign ``m``, and the rows that ``LIMITS`` joins.
PACED = """c.workspace_id, c.campaign_id, c.carrier_account_id, c.phone_number_id,
    m.settings_version AS campaign_settings_version, a.calls_per_second AS account_rate,
    n.calls_per_second AS number_rate, w.calls_per_second AS workspace_rate"""
LIMITS = """JOIN workspaces w ON w.id = c.workspace_id
    LEFT JOIN carrier_accounts a ON a.id = c.carrier_account_id
    LEFT JOIN phone_numbers n ON n.id = c.phone_number_id"""


async def another_turn(session: AsyncSession, call_id: UUID, *, within_s: float) -> Turn | None:
    """A turn for a ``dialing`` call that has missed its own.

    None when the next turn lies further ahead than ``within_s``, or the call is dialing no more: then none is taken.
    """
    sql = f"""
        SELECT m.settings, {PACED} FROM calls c {LIMITS} LEFT JOIN campaigns m ON m.id = c.campaign_id
        WHERE c.id = :id AND c.state = :state"""
    while True:
        call = await one(session, sql, {"id": call_id, "state": CallState.DIALING.value})
        if call is None:
            return None
        rules = rules_from_json(call.settings) if call.settings is not None else CampaignRules()
        try:
            return await next_turn(session, call, rules, within_s=within_s)
        except Edited:
            continue


async def change_rate(session: AsyncSession, campaign_id: UUID, before: float, after: float) -> None:
    """The next turn of a campaign follows the last one by the new interval: a slow pace that was made quick is not
    waited for once more. Called with the campaign's row changed and not committed.
    """
    sql = """UPDATE pace SET next_at = next_at + make_interval(secs => :longer)
             WHERE scope = 'campaign' AND scope_id = :id"""
    await session.execute(text(sql), {"id": campaign_id, "longer": 1 / after - 1 / before})


async def quicken(session: AsyncSession, scope: str, scope_id: UUID, calls_per_second: float | None) -> None:
    """The next turn of an account, a number or a workspace (``scope``) is at most one new interval away: an edit that
    makes a slow pace quick is in force at once. None: no limit any more."""
    sql = """UPDATE pace SET next_at = least(next_at, dialer_now() + make_interval(secs => :interval))
             WHERE scope = :scope AND scope_id = :id"""
    interval = 0.0 if calls_per_second is None else 1 / calls_per_second
    await session.execute(text(sql), {"scope": scope, "id": scope_id, "interval": interval})


async def next_turn(
    session: AsyncSession, call: Row[Any], rules: CampaignRules, *, within_s: float, lead_s: float = 0.0
) -> Turn | None:
    """Take the next turn on every pace row that bears on ``call`` (PACED), not before ``lead_s``.

    None when it lies further ahead than ``within_s``: then none is taken. Raises Edited when ``rules`` are of an older
    version than the campaign's; who shares the campaign's lock never sees that. The pace rows stay locked until the
    transaction ends: it takes its turn last.
    """
    rates = _rates(call, rules)
    scopes, ids, intervals = zip(*((scope, key, 1 / rate) for scope, key, rate in rates), strict=True)
    parameters = {"workspace": call.workspace_id, "scopes": list(scopes), "ids": list(ids)}
    found = await _locked(session, parameters)
    if found.rows < len(rates):
        sql = """INSERT INTO pace (workspace_id, scope, scope_id)
                 SELECT :workspace, scope, id FROM unnest(CAST(:scopes AS text[]), CAST(:ids AS uuid[])) AS v(scope, id)
                 ORDER BY 2, 3 ON CONFLICT DO NOTHING"""
        await session.execute(text(sql), parameters)
        found = await _locked(session, parameters)
    read_at, now = steady_seconds(), found.now
    begins = max(now + timedelta(seconds=lead_s), found.next_at)
    wait_s = (begins - now).total_seconds()
    if wait_s > within_s:
        return None
    # An edit that was waited for at the pace rows has moved them for its own rate: the interval read before is wrong.
    sql = """UPDATE pace SET next_at = CAST(:begins AS timestamptz) + make_interval(secs => v.seconds)
             FROM unnest(CAST(:scopes AS text[]), CAST(:ids AS uuid[]), CAST(:intervals AS float8[])) 
                 AS v(scope, id, seconds)
             WHERE pace.scope = v.scope AND pace.scope_id = v.id AND NOT EXISTS (
                SELECT 1 FROM campaigns WHERE id = :campaign AND settings_version <> :version)
             RETURNING 1"""
    edit = {"campaign": call.campaign_id, "version": call.campaign_settings_version}
    if await one(session, sql, {**parameters, **edit, "begins": begins, "intervals": list(intervals)}) is None:
        raise Edited
    return Turn(wait_s=wait_s, at=read_at + wait_s)


def _rates(call: Row[Any], rules: CampaignRules) -> list[tuple[str, UUID, float]]:
    """(scope, id, calls per second) of every limit on the call's pace, in lock order."""
    rates: list[tuple[str, UUID, float]] = []
    if call.carrier_account_id is not None:
        rates.append(("account", call.carrier_account_id, call.account_rate))
    rates.append(("workspace", call.workspace_id, call.workspace_rate))
    if call.number_rate is not None:
        rates.append(("number", call.phone_number_id, call.number_rate))
    if call.campaign_id is not None:
        rates.append(("campaign", call.campaign_id, rules.pace.calls_per_second))
    return rates


async def _locked(session: AsyncSession, parameters: dict[str, Any]) -> Row[Any]:
    """How many pace rows there are, the latest of their moments, and the time once all of them are locked.

    The time is read above the locks: read beside a row, it would be from before the wait for that row's lock when
    whoever held it rolled back, and turns would lie in the past by as much.
    """
    sql = """
        WITH locked AS MATERIALIZED (
            SELECT p.next_at FROM unnest(CAST(:scopes AS text[]), CAST(:ids AS uuid[])) WITH ORDINALITY
                AS v(scope, id, position) JOIN pace p ON p.scope = v.scope AND p.scope_id = v.id
            ORDER BY v.position FOR NO KEY UPDATE OF p
        )
        SELECT count(*) AS rows, max(next_at) AS next_at, dialer_now() AS now FROM locked"""
    (found,) = await rows(session, sql, parameters)
    return found
