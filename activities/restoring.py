"""Noticing that the database was restored from a backup, and then: nobody is dialed until it is recovered.

What was dialed since the backup is not in the database any more, so that going on would dial it again. The carrier
knows; ``dialer recover`` asks it.
"""

import logging

from activities.ports import Workflows
from dialer.domain.restores import Mark
from dialer.recovering import pause_everything
from dialer.store import recoveries
from dialer.store.database import Database

logger = logging.getLogger(__name__)


class Watermark:
    """The farthest mark that was seen. It only rises."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    def rise(self, mark: Mark) -> None:
        """``mark`` has been committed, as seen by somebody who came after it."""
        self.mark = self.mark.later(mark)


class RestoreGuard:
    """Compares the database with what was seen of it before."""

    def __init__(self, database: Database, workflows: Workflows) -> None:
        self._database = database
        self._workflows = workflows

    async def check(self, seen: Mark) -> Mark | None:
        """How far the database is; None when it was restored, and everything was paused."""
        async with self._database.transaction_over_all() as session:
            standing = await recoveries.read_standing(session)
        if not standing.is_restored(seen):
            return standing.mark
        await self.pause_everything(standing.mark, seen)
        return None

    async def pause_everything(self, mark: Mark, seen: Mark) -> None:
        """Nobody is dialed until the carrier was asked for what is missing."""
        logger.error(
            "database restored and not recovered, all paused: newest call %d, recovered at %s; seen were %d and %s",
            *(mark.newest_call, mark.recovered_at, seen.newest_call, seen.recovered_at),
        )
        for campaign_id in await pause_everything(self._database):
            await self._workflows.nudge_campaign(campaign_id)
