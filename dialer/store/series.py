"""When the calls of a campaign were dialed and answered, and how one disposition came about."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """``unit`` is hour or day of the clock of ``zone``; ``end`` is not part of it."""

    unit: str
    zone: str
    start: datetime | None = None
    end: datetime | None = None


#: Calls that came in are counted for themselves.
_ATTEMPT = "direction <> 'inbound'"
_STEP = "date_trunc(:unit, {}, :zone)"
_INSIDE = """({0} >= CAST(:start AS timestamptz) OR CAST(:start AS timestamptz) IS NULL)
    AND ({0} < CAST(:end AS timestamptz) OR CAST(:end AS timestamptz) IS NULL)"""
#: Implied, since a call is dialed and answered within hours of its row, and said for the index in the rows' order. No
#: such thing holds for the end: what a recovery found again was dialed long before its row was made.
_RECENT = "created_at > coalesce(CAST(:start AS timestamptz) - interval '1 day', '-infinity')"


async def series_of_tallies(session: AsyncSession, campaign_id: UUID, span: Range) -> list[Row[Any]]:
    """``start``, ``dialed`` and ``answered`` by step, from the counts by hour (UTC) that triggers keep."""
    at = "CAST(key AS timestamptz)"
    sql = f"""
        SELECT {_STEP.format(at)} AS start, coalesce(sum(n) FILTER (WHERE kind = 'dialed_in'), 0)::bigint AS dialed,
            coalesce(sum(n) FILTER (WHERE kind = 'answered_in'), 0)::bigint AS answered
        FROM tallies WHERE campaign_id = :id AND kind IN ('dialed_in', 'answered_in') AND {_INSIDE.format(at)}
        GROUP BY 1 HAVING sum(n) <> 0 ORDER BY 1"""
    return await rows(session, sql, _parameters(campaign_id, span))


async def series_of_calls(session: AsyncSession, campaign_id: UUID, span: Range) -> list[Row[Any]]:
    """The same, counted in the calls: for clocks and ranges that do not keep to the hours of UTC."""
    sql = f"""
        SELECT start, count(*) FILTER (WHERE kind = 'dialed') AS dialed,
            count(*) FILTER (WHERE kind = 'answered') AS answered
        FROM (
            SELECT 'dialed' AS kind, {_STEP.format("dialed_at")} AS start FROM calls
            WHERE campaign_id = :id AND state <> 'deferred' AND dialed_at IS NOT NULL AND {_INSIDE.format("dialed_at")}
                AND {_RECENT}
            UNION ALL
            SELECT 'answered', {_STEP.format("answered_at")} FROM calls
            WHERE campaign_id = :id AND {_ATTEMPT} AND answered_at IS NOT NULL AND {_INSIDE.format("answered_at")}
                AND {_RECENT}
        ) AS moments GROUP BY 1 ORDER BY 1"""
    return await rows(session, sql, _parameters(campaign_id, span))


async def ended_calls(session: AsyncSession, campaign_id: UUID, span: Range) -> int:
    """How many calls of the range have a disposition: tallied when the range is all time, else counted."""
    sql = f"""SELECT count(*) AS n FROM calls WHERE campaign_id = :id AND {_ATTEMPT} AND disposition IS NOT NULL
              AND {_INSIDE.format("coalesce(dialed_at, created_at)")} AND {_RECENT}"""
    if span.start is None and span.end is None:
        sql = """SELECT coalesce(sum(n), 0)::bigint AS n FROM tallies
                 WHERE campaign_id = :id AND kind = 'disposition'"""
    row = await one(session, sql, _parameters(campaign_id, span))
    return 0 if row is None else row.n


async def disposition_counts(session: AsyncSession, campaign_id: UUID, disposition: str, span: Range) -> list[Row[Any]]:
    """``n`` by ``kind`` (all, attempt, step, number, sip_code, error_code) and what is counted by; in one reading."""
    at = "coalesce(dialed_at, created_at)"
    sql = f"""
        WITH ended AS (
            SELECT attempt, phone_number_id, sip_code, error_code, {_STEP.format(at)} AS step FROM calls
            WHERE campaign_id = :id AND {_ATTEMPT} AND disposition = :disposition AND {_INSIDE.format(at)}
                AND {_RECENT}
        )
        SELECT CASE WHEN grouping(attempt) = 0 THEN 'attempt' WHEN grouping(step) = 0 THEN 'step'
                WHEN grouping(phone_number_id) = 0 THEN 'number' WHEN grouping(sip_code) = 0 THEN 'sip_code'
                WHEN grouping(error_code) = 0 THEN 'error_code' ELSE 'all' END AS kind,
            attempt, step, phone_number_id, sip_code, error_code, count(*) AS n
        FROM ended GROUP BY GROUPING SETS ((), (attempt), (step), (phone_number_id), (sip_code), (error_code))
        ORDER BY kind, attempt, step, n DESC, phone_number_id, sip_code, error_code"""
    return await rows(session, sql, {**_parameters(campaign_id, span), "disposition": disposition})


async def phones_of(session: AsyncSession, number_ids: list[UUID]) -> dict[UUID, str]:
    """The E.164 numbers of caller numbers."""
    sql = "SELECT id, phone FROM phone_numbers WHERE id = ANY(:ids)"
    return {row.id: row.phone for row in await rows(session, sql, {"ids": number_ids})}


async def last_calls(session: AsyncSession, prospect_ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """The last call that was made to each of these people, if any was."""
    sql = f"""
        SELECT DISTINCT ON (prospect_id) * FROM calls WHERE prospect_id = ANY(:ids) AND state <> 'deferred'
            AND {_ATTEMPT}
        ORDER BY prospect_id, created_at DESC, id DESC"""
    found = await rows(session, sql, {"ids": prospect_ids})
    return {row.prospect_id: dict(row._mapping) for row in found}  # pyright: ignore[reportPrivateUsage]


def _parameters(campaign_id: UUID, span: Range) -> dict[str, Any]:
    return {"id": campaign_id, "unit": span.unit, "zone": span.zone, "start": span.start, "end": span.end}
