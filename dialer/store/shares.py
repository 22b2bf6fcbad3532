"""Who wants what of the limits that campaigns share, and what each has had of it: rows written by every claim.

A campaign that is left no room says what it wants, for a few seconds; one that does not say so again wants nothing any
more. Counts move under the locks of the limits that a claim holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.shares import Contender, starting_count
from dialer.store.database import rows
from dialer.store.waking import CHANNEL

#: So long a campaign is waited for that has said what it wants, or twice as long as its leg sleeps between two looks.
WANTED_S = 4.0
#: Whose rows nobody has touched for so long begins anew, where the others are.
KEPT = "10 minutes"
#: So many campaigns are told at once that they may call now: the first of them take what is free.
MOST_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One campaign among the others: its counts by account and in the workspace, and the others who want something."""

    counts: Mapping[UUID, float]
    count: float
    contenders: Sequence[Contender]
    wants: bool
    """It has said that it wants something."""


async def read_standing(
    session: AsyncSession, workspace_id: UUID, campaign_id: UUID, accounts: Sequence[UUID]
) -> Standing:
    """The campaign's own counts at ``accounts``, and everybody in the workspace who wants something at any account."""
    sql = """
        SELECT limit_id, campaign_id, weight, served, wants, wants > 0 AND wants_until > dialer_now() AS waits,
            NULL::float8 AS latest
        FROM shares WHERE workspace_id = :workspace
            AND (campaign_id = :campaign OR wants > 0 AND wants_until > dialer_now())
        UNION ALL
        SELECT limit_id, NULL, 0, 0, 0, false, max(served) FROM shares
        WHERE workspace_id = :workspace AND limit_id = ANY(:limits) GROUP BY limit_id"""
    parameters = {"workspace": workspace_id, "campaign": campaign_id, "limits": [workspace_id, *accounts]}
    found = await rows(session, sql, parameters)
    latest: dict[UUID, float] = {row.limit_id: row.latest for row in found if row.campaign_id is None}
    known = {(row.limit_id, row.campaign_id): row for row in found if row.campaign_id is not None}
    waiting = [row for row in known.values() if row.waits and row.campaign_id != campaign_id]

    least: dict[UUID, float] = {}
    for row in waiting:
        least[row.limit_id] = min(row.served, least.get(row.limit_id, row.served))

    def count(limit_id: UUID, of: UUID) -> float:
        row = known.get((limit_id, of))
        own, waits = (0.0, False) if row is None else (row.served, row.waits)
        return starting_count(own, waits, least[limit_id] if limit_id in least else latest.get(limit_id, 0.0))

    in_workspace = {row.campaign_id: count(workspace_id, row.campaign_id) for row in waiting}
    return Standing(
        counts={account: count(account, campaign_id) for account in accounts},
        count=count(workspace_id, campaign_id),
        contenders=[_contender(row, in_workspace) for row in waiting if row.limit_id != workspace_id],
        wants=any(row.waits for row in known.values() if row.campaign_id == campaign_id),
    )


async def save_standing(
    session: AsyncSession,
    campaign: Row[Any],
    weight: float,
    *,
    counts: Mapping[UUID, float],
    wants: Mapping[UUID, int],
    looks_again_s: float | None,
) -> None:
    """Store the campaign's (id, workspace_id) counts by limit, and what it wants there besides; unchanged rows stay.

    ``looks_again_s``: when it says so again, if nobody wakes it before.
    """
    sql = """
        INSERT INTO shares (workspace_id, limit_id, campaign_id, weight, served, wants, wants_until)
        SELECT :workspace, v.limit_id, :campaign, :weight, v.served, v.wants,
            dialer_now() + make_interval(secs => :wanted)
        FROM unnest(CAST(:limits AS uuid[]), CAST(:served AS float8[]), CAST(:wants AS bigint[]))
            AS v(limit_id, served, wants) ORDER BY v.limit_id
        ON CONFLICT (workspace_id, limit_id, campaign_id) DO UPDATE SET weight = EXCLUDED.weight,
            served = greatest(shares.served, EXCLUDED.served), wants = EXCLUDED.wants,
            wants_until = EXCLUDED.wants_until
        WHERE shares.wants <> EXCLUDED.wants OR shares.served < EXCLUDED.served
            OR shares.wants_until < EXCLUDED.wants_until - interval '1.5 seconds'"""
    limits = sorted(counts)
    await session.execute(
        text(sql),
        {
            "workspace": campaign.workspace_id,
            "campaign": campaign.id,
            "weight": weight,
            "wanted": max(WANTED_S, 2 * (looks_again_s or 0.0)),
            "limits": limits,
            "served": [counts[limit] for limit in limits],
            "wants": [wants.get(limit, 0) for limit in limits],
        },
    )


async def want_nothing(session: AsyncSession, workspace_id: UUID, campaign_id: UUID) -> None:
    """Nobody need wait for the campaign any more. If somebody may have done so, the next of them are told."""
    sql = f"""
        WITH gone AS (
            UPDATE shares SET wants = 0 WHERE workspace_id = :workspace AND campaign_id = :campaign AND wants > 0
                AND wants_until > dialer_now() RETURNING 1
        ), next AS (
            SELECT campaign_id FROM shares WHERE workspace_id = :workspace AND campaign_id <> :campaign AND wants > 0
                AND wants_until > dialer_now() GROUP BY campaign_id ORDER BY min(served) LIMIT {MOST_TOLD}
        )
        SELECT pg_notify('{CHANNEL}', campaign_id::text) FROM next WHERE EXISTS (SELECT 1 FROM gone)"""
    await session.execute(text(sql), {"workspace": workspace_id, "campaign": campaign_id})


async def tell(session: AsyncSession, campaigns: Sequence[UUID]) -> None:
    """Wake the legs of those whose turn it is. Whoever has none is found again when what they want is forgotten."""
    if campaigns:
        sql = f"SELECT pg_notify('{CHANNEL}', id) FROM unnest(CAST(:ids AS text[])) AS v(id)"
        await session.execute(text(sql), {"ids": [str(one) for one in campaigns[:MOST_TOLD]]})


async def forget_standings(session: AsyncSession) -> int:
    """Delete the rows of campaigns that have not called for a while; how many."""
    sql = f"DELETE FROM shares WHERE wants_until < dialer_now() - interval '{KEPT}' RETURNING 1"
    return len(await rows(session, sql))


def _contender(row: Row[Any], in_workspace: Mapping[UUID, float]) -> Contender:
    return Contender(
        campaign_id=row.campaign_id,
        account_id=row.limit_id,
        weight=row.weight,
        on_account=row.served,
        in_workspace=in_workspace[row.campaign_id],
        wants=row.wants,
    )
