"""What an edit means for calls in flight and for people who wait, counted in the transaction that makes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one
from dialer.store.tables.base import LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """``live`` calls hold a slot, ``claimed`` of them undialed; ``on_removed`` use a number that was taken away."""

    live: int
    claimed: int
    on_removed: int


async def in_flight(session: AsyncSession, campaign_id: UUID, removed: Sequence[str]) -> InFlight:
    """Live calls of the campaign; ``removed`` are caller numbers that it has no longer."""
    sql = f"""SELECT count(*) AS live, count(*) FILTER (WHERE state = 'claimed') AS claimed,
                  count(*) FILTER (WHERE state <> 'claimed' AND from_phone = ANY(:removed)) AS on_removed
              FROM calls WHERE campaign_id = :id AND {LIVE}"""
    row = await one(session, sql, {"id": campaign_id, "removed": list(removed)})
    assert row is not None
    return InFlight(live=row.live, claimed=row.claimed, on_removed=row.on_removed)


async def spent_people(session: AsyncSession, campaign_id: UUID, max_attempts: int) -> int:
    """Ready people who have had so many attempts already, and so will have no other.

    Who was requeued with an allowance of their own keeps it, and who asked for a call gets it.
    """
    sql = """SELECT count(*) AS n FROM prospects WHERE campaign_id = :id AND state = 'ready'
             AND attempts - attempts_base >= :most AND allowance IS NULL AND callback_id IS NULL"""
    row = await one(session, sql, {"id": campaign_id, "most": max_attempts})
    return 0 if row is None else row.n


async def waiting_for_redial(session: AsyncSession, campaign_id: UUID) -> int:
    """Ready people whose redial has its time already."""
    sql = """SELECT count(*) AS n FROM prospects WHERE campaign_id = :id AND state = 'ready' AND attempts > 0
             AND next_due_at > dialer_now()"""
    row = await one(session, sql, {"id": campaign_id})
    return 0 if row is None else row.n


async def undecided_before(session: AsyncSession, campaign_id: UUID, version: int, gate_age_s: float) -> int:
    """Calls let through under an earlier version whose request may still leave: not answered, and the gate is young."""
    sql = """SELECT count(*) AS n FROM calls WHERE campaign_id = :id AND state = 'dialing' AND carrier_call_id IS NULL
             AND settings_version < :version AND gated_at > dialer_now() - make_interval(secs => :age)"""
    row = await one(session, sql, {"id": campaign_id, "version": version, "age": gate_age_s})
    return 0 if row is None else row.n
