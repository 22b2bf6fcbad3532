"""The database seen by its superuser: who is due, which calls are live; and its connections, cut at random."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.zones import ZoneSet
from tests.chaos.homes import TIMINGS, ChaosHome
from tests.chaos.journal import Journal
from tests.chaos.plan import Incident

EVERY_S = 0.25
MARGIN = timedelta(seconds=float(TIMINGS["DIALER_TIMING_WINDOW_MARGIN_S"]))
_LIVE = "('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: how many people were due and callable in campaigns that ran; ``None`` when nobody answered."""

    at: float
    due: int | None


class Watcher:
    """Looks four times a second for as long as :meth:`watch` runs."""

    def __init__(self, home: ChaosHome, journal: Journal) -> None:
        self._home = home
        self._journal = journal
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._lock = asyncio.Lock()
        self.looks: list[Look] = []

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.looks.append(Look(at=time.time(), due=await self._due()))
            await asyncio.sleep(EVERY_S)

    async def some_calls(self) -> list[tuple[UUID, str, bool]]:
        """(id, carrier's id, live) of the newest calls that the carrier knows."""
        sql = f"""SELECT id, carrier_call_id, state IN {_LIVE} FROM calls WHERE carrier_call_id IS NOT NULL
                  ORDER BY number DESC LIMIT 40"""
        return [(row[0], row[1], row[2]) for row in await self._rows(sql) or []]

    async def phones(self, campaign: str, states: tuple[str, ...], limit: int) -> list[str]:
        """Phones of some people in these states, nobody in particular."""
        sql = "SELECT phone FROM prospects WHERE campaign_id = %s AND state = ANY(%s) ORDER BY id LIMIT %s"
        return [row[0] for row in await self._rows(sql, (campaign, list(states), limit)) or []]

    async def rows_read(self, import_id: str) -> int | None:
        """How far an import is; None while the database does not answer."""
        found = await self._rows("SELECT rows_read FROM imports WHERE id = %s", (import_id,))
        return found[0][0] if found else None

    async def cut(self, incident: Incident) -> None:
        """End the server's side of some connections of the product, those in a transaction first half of the time."""
        dice = random.Random(incident.dice)
        order = "(state = 'idle'), random()" if dice.random() < 0.5 else "random()"
        sql = f"""SELECT pg_terminate_backend(pid), state, application_name FROM (
                SELECT pid, state, application_name FROM pg_stat_activity
                WHERE usename = 'dialer' AND backend_type = 'client backend' ORDER BY {order} LIMIT %s) AS chosen"""
        cut = [row for row in await self._rows(sql, (round(incident.amount),)) or [] if row[0]]
        if cut:
            self._journal.note(incident.kind, faults=len(cut), states=[row[1] for row in cut])

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _due(self) -> int | None:
        sql = """
            SELECT p.zone_set, c.settings, count(*) FROM prospects p JOIN campaigns c ON c.id = p.campaign_id
            WHERE c.status = 'running' AND p.state = 'ready'
                AND p.next_due_at <= now() + make_interval(secs => %s) GROUP BY 1, 2"""
        found = await self._rows(sql, (self._home.offset.total_seconds(),))
        if found is None:
            return None
        now = datetime.now(UTC) + self._home.offset
        return sum(n for zones, settings, n in found if _is_open(now, zones, settings))

    async def _rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[TupleRow] | None:
        """None while the database does not answer."""
        async with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._home.admin_url, autocommit=True, connect_timeout=2
                    )
                cursor = await self._connection.execute(sql, parameters)  # pyright: ignore[reportArgumentType, reportCallIssue]
                return await cursor.fetchall()
            except psycopg.OperationalError:
                await self._forget()
                return None

    async def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.OperationalError):
                await connection.close()


def _is_open(now: datetime, zones: str, settings: dict[str, Any]) -> bool:
    return rules_from_json(settings).hours.is_open_for(now, MARGIN, ZoneSet.parse(zones) if zones else None)
