"""The least that a campaign needs to exist, made by plain statements."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dialer.store.database import Database, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A database with one workspace, one agent and one campaign."""

    database: Database
    workspace_id: UUID
    campaign_id: UUID

    async def read(self, sql: str, **parameters: Any) -> list[Any]:
        """Rows of one statement in the workspace; ``:c`` is the campaign."""
        async with self.database.transaction(self.workspace_id) as session:
            return list(await rows(session, sql, {"c": self.campaign_id, **parameters}))

    async def run(self, sql: str, **parameters: Any) -> None:
        """One statement in the workspace that returns nothing."""
        await self.read(sql + " RETURNING 1", **parameters)

    async def tally(self, kind: str = "state") -> dict[str, int]:
        """The campaign's counts of one kind, zeros left out."""
        sql = "SELECT key, CAST(sum(n) AS int) AS n FROM tallies WHERE campaign_id = :c AND kind = :kind GROUP BY key"
        return {row.key: row.n for row in await self.read(sql, kind=kind) if row.n}


async def make_world(database: Database, *, settings: str = "{}", status: str = "draft") -> World:
    """A new workspace with a campaign in it."""
    async with database.transaction_over_all() as session:
        sql = """
            WITH workspace AS (
                INSERT INTO workspaces (name, slug) VALUES ('Test', CAST(gen_random_uuid() AS text)) RETURNING id
            ), agent AS (
                INSERT INTO agents (workspace_id, name) SELECT id, 'Ann' FROM workspace RETURNING id, workspace_id
            )
            INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
            SELECT workspace_id, id, 'Spring sale', CAST(:settings AS jsonb), 10, :status FROM agent
            RETURNING id, workspace_id"""
        made = (await rows(session, sql, {"settings": settings, "status": status}))[0]
    return World(database=database, workspace_id=made.workspace_id, campaign_id=made.id)
