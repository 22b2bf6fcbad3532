"""What becomes of people who are still ready when their campaign ends, or whose zones never open."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.store.database import one
from dialer.store.locks import share_campaign

BATCH = 5000


async def expire_ready(session: AsyncSession, campaign_id: UUID, *, settings_version: int | None = None) -> int:
    """Up to 5,000 ready prospects of a campaign that is over become expired; how many.

    Settings that are no longer those of ``settings_version``, if given, expire nobody: an edit may have moved the end.
    """
    await share_campaign(session, campaign_id)
    sql = """
        WITH batch AS (
            SELECT p.id FROM prospects p JOIN campaigns c ON c.id = p.campaign_id
            WHERE p.campaign_id = :id AND p.state = 'ready'
                AND c.settings_version = coalesce(CAST(:version AS bigint), c.settings_version)
            LIMIT :batch FOR NO KEY UPDATE OF p
        ), done AS (UPDATE prospects p SET state = 'expired', next_due_at = NULL FROM batch WHERE p.id = batch.id
            AND p.state = 'ready' RETURNING p.id)
        SELECT count(*) AS n FROM done"""
    row = await one(session, sql, {"id": campaign_id, "version": settings_version, "batch": BATCH})
    return 0 if row is None else row.n


async def hold_never_open(
    session: AsyncSession, campaign_id: UUID, zone_sets: list[str], *, settings_version: int
) -> int:
    """Up to 5,000 people whose zone set does not open within 14 days are held; how many.

    They are reported, and no obstacle to completion; when they are due stays known, since a redial that has to wait
    must not come sooner for having been held. Settings that are no longer those of ``settings_version`` hold
    nobody.
    """
    if not zone_sets:
        return 0
    await share_campaign(session, campaign_id)
    sql = """
        WITH batch AS (
            SELECT p.id FROM prospects p JOIN campaigns c ON c.id = p.campaign_id
            WHERE p.campaign_id = :id AND p.state = 'ready' AND p.zone_set = ANY(:sets)
                AND c.settings_version = :version
            ORDER BY p.id LIMIT :batch FOR NO KEY UPDATE OF p
        ), done AS (UPDATE prospects p SET state = 'held', held_reason = 'never_open' FROM batch
            WHERE p.id = batch.id AND p.state = 'ready' RETURNING p.id)
        SELECT count(*) AS n FROM done"""
    parameters = {"id": campaign_id, "sets": zone_sets, "version": settings_version, "batch": BATCH}
    row = await one(session, sql, parameters)
    return 0 if row is None else row.n


async def reopen_held(session: AsyncSession, campaign_id: UUID, *, fixed_zone: bool = False, batch: int = BATCH) -> int:
    """People who were held because their hours never opened are ready again: the hours or the time have changed.

    With ``fixed_zone`` also those whose own zone is not known, since it no longer decides. At most ``batch``; whether
    there are more is kept with the campaign, whose legs go on with them. Whose hours still do not open is held again by
    a leg. The campaign's lock and row are held by the caller. How many.
    """
    sql = """
        WITH batch AS (
            SELECT id FROM prospects WHERE campaign_id = :id AND state = 'held'
                AND (held_reason = 'never_open' OR (:fixed AND held_reason = 'zone_unresolved'))
            ORDER BY id LIMIT :batch FOR NO KEY UPDATE
        ), done AS (UPDATE prospects p SET state = 'ready', held_reason = NULL,
                next_due_at = coalesce(p.next_due_at, dialer_now())
            FROM batch WHERE p.id = batch.id AND p.state = 'held' RETURNING p.id)
        SELECT count(*) AS n FROM done"""
    row = await one(session, sql, {"id": campaign_id, "fixed": fixed_zone, "batch": batch})
    reopened = 0 if row is None else row.n
    sql = "UPDATE campaigns SET reopening = :more WHERE id = :id AND reopening <> :more"
    await session.execute(text(sql), {"id": campaign_id, "more": reopened == batch})
    return reopened


async def reopen_more(session: AsyncSession, campaign_id: UUID, *, batch: int = BATCH) -> int:
    """The next of those whom an edit or a launch would look at again, if it left any; how many."""
    await share_campaign(session, campaign_id)
    sql = "SELECT settings FROM campaigns WHERE id = :id AND reopening FOR NO KEY UPDATE"
    row = await one(session, sql, {"id": campaign_id})
    if row is None:
        return 0
    fixed_zone = rules_from_json(row.settings).hours.zone != PROSPECT_ZONE
    return await reopen_held(session, campaign_id, fixed_zone=fixed_zone, batch=batch)


async def hold_unknown_zones(session: AsyncSession, campaign_id: UUID) -> None:
    """People without a known zone are held, now that their own clock decides again.

    Up to 5,000 of them; the others are not called either, and are held by a leg.
    """
    sql = """
        WITH batch AS (
            SELECT id FROM prospects WHERE campaign_id = :id AND state = 'ready' AND zone_set = ''
            LIMIT :batch FOR NO KEY UPDATE
        )
        UPDATE prospects p SET state = 'held', held_reason = 'zone_unresolved' FROM batch
        WHERE p.id = batch.id AND p.state = 'ready'"""
    await session.execute(text(sql), {"id": campaign_id, "batch": BATCH})
