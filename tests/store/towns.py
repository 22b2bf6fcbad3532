"""Several campaigns that share an account, or a workspace, and what becomes of their claims."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from dialer.domain.timing import Timing
from dialer.store.claims import Claim
from dialer.store.database import Database, one, rows
from tests.store.lines import ALL_DAY, TIMING, claim_due, make_line
from tests.store.worlds import World


@dataclass(frozen=True, kw_only=True)
class Town:
    """Campaigns of one workspace, in the order of their weights; ``begun`` counts calls by campaign."""

    campaigns: Sequence[World]
    begun: Counter[int]

    async def claim(self, place: int, timing: Timing = TIMING) -> Claim:
        """One look of the campaign's leg."""
        found = await claim_due(self.campaigns[place], timing)
        self.begun[place] += len(found.calls)
        return found

    async def everybody_claims(self, rounds: int = 2) -> None:
        """Every leg looks, always in the same order: who has been refused comes again."""
        for _ in range(rounds):
            for place in range(len(self.campaigns)):
                await self.claim(place)

    async def end_calls(self, most: int = 1000, *, of: int | None = None) -> None:
        """The oldest live calls end; of one campaign, or of all."""
        sql = """UPDATE calls SET state = 'ended', disposition = 'human' WHERE id IN (
                     SELECT id FROM calls WHERE state = 'claimed' AND (CAST(:c AS uuid) IS NULL OR campaign_id = :c)
                     ORDER BY number LIMIT :most)"""
        world = self.campaigns[0 if of is None else of]
        async with world.database.transaction(world.workspace_id) as session:
            await rows(session, sql + " RETURNING 1", {"c": None if of is None else world.campaign_id, "most": most})

    async def forget_people(self, place: int) -> None:
        await self.campaigns[place].run(
            "UPDATE prospects SET next_due_at = dialer_now() + interval '1 day' WHERE campaign_id = :c"
        )

    async def be_silent(self, place: int) -> None:
        """So much time passes that nobody waits for the campaign any more."""
        await self.campaigns[place].run("UPDATE shares SET wants_until = dialer_now() WHERE campaign_id = :c")

    async def waiting(self, place: int) -> int:
        """What others leave room for on the campaign's behalf."""
        sql = "SELECT coalesce(sum(wants), 0) AS n FROM shares WHERE campaign_id = :c AND wants_until > dialer_now()"
        return int((await self.campaigns[place].read(sql))[0].n)


async def make_town(
    database: Database,
    weights: Sequence[float],
    *,
    people: int = 40,
    account_limits: tuple[int, float] = (1000, 1000.0),
    workspace_slots: int = 1000,
    accounts: int = 1,
    pace: dict[str, Any] | None = None,
) -> Town:
    """One campaign per weight, each with people of its own; ``accounts`` of them, given out in turn."""
    first = await make_line(database, people=0, account_limits=account_limits)
    async with database.transaction(first.workspace_id) as session:
        await rows(
            session,
            "UPDATE workspaces SET max_concurrent = :most WHERE id = :w RETURNING 1",
            {"most": workspace_slots, "w": first.workspace_id},
        )
        numbers = [(await rows(session, "SELECT id FROM phone_numbers"))[0].id]
        numbers += [await _another_account(session, first.workspace_id, account_limits, n) for n in range(1, accounts)]
        made = [
            await _campaign(session, first, weight, numbers[place % accounts], place, people, pace or {})
            for place, weight in enumerate(weights)
        ]
    return Town(campaigns=[replace(first, campaign_id=campaign) for campaign in made], begun=Counter())


async def _another_account(session: Any, workspace_id: UUID, limits: tuple[int, float], n: int) -> UUID:
    sql = """
        WITH a AS (INSERT INTO carrier_accounts (workspace_id, label, account_sid, secret, max_concurrent,
            calls_per_second) VALUES (:w, 'Test', :sid, '', :most, :rate) RETURNING id)
        INSERT INTO phone_numbers (workspace_id, phone, carrier_account_id)
        SELECT :w, '+1650555016' || :n, id FROM a RETURNING id"""
    parameters = {"w": workspace_id, "sid": f"AC{uuid4().hex}", "most": limits[0], "rate": limits[1], "n": str(n)}
    row = await one(session, sql, parameters)
    assert row is not None
    return row.id


async def _campaign(
    session: Any, world: World, weight: float, number_id: UUID, place: int, people: int, pace: dict[str, Any]
) -> UUID:
    """Its people live in an area code of their own."""
    settings = {
        "calling_hours": ALL_DAY,
        "pace": {"max_concurrent": 1000, "calls_per_second": 1000, "weight": weight, **pace},
    }
    sql = """
        WITH c AS (
            INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, weight, status)
            SELECT workspace_id, agent_id, 'Campaign', CAST(:settings AS jsonb), 1000, :weight, 'running'
            FROM campaigns WHERE id = :first RETURNING id, workspace_id
        ), number AS (
            INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
            SELECT workspace_id, id, :number, 1 FROM c
        ), contact AS (
            INSERT INTO contacts (workspace_id, phone)
            SELECT :w, '+1' || CAST(:area AS text) || '55501' || lpad(CAST(i AS text), 2, '0')
            FROM generate_series(1, :people) AS i RETURNING id, phone
        ), lane AS (
            INSERT INTO lanes (workspace_id, campaign_id, zone_set, priority)
            SELECT workspace_id, id, 'America/New_York', 5 FROM c
        ), prospect AS (
            INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, zone_set, zone_source, state,
                next_due_at)
            SELECT :w, c.id, contact.id, contact.phone, 'America/New_York', 'phone', 'ready', dialer_now()
            FROM c, contact
        )
        SELECT id FROM c"""
    parameters = {
        "settings": json.dumps(settings),
        "weight": weight,
        "first": world.campaign_id,
        "number": number_id,
        "w": world.workspace_id,
        "area": 200 + place,
        "people": people,
    }
    row = await one(session, sql, parameters)
    assert row is not None
    return row.id
