"""The whole installation in figures, for who watches it. No names, no numbers, nothing of one workspace by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import LIVE_STATES, CampaignStatus
from dialer.store.database import rows
from dialer.store.tables.base import LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Counts now; ``overdue``: live calls whose deadline passed over a minute ago, which nobody looks after."""

    campaigns: Mapping[str, int]
    live: Mapping[str, int]
    overdue: int
    imports_running: int
    prospects: Mapping[str, int]
    dialed: int
    answered: int
    ended: Mapping[str, int]


async def read_fleet(session: AsyncSession) -> Fleet:
    """In one statement, over all workspaces; people and ended calls from tallies, so the cost is per campaign."""
    sql = f"""
        SELECT 'campaigns' AS what, status AS key, count(*) AS n FROM campaigns WHERE hidden_at IS NULL GROUP BY status
        UNION ALL SELECT 'live', state, count(*) FROM calls WHERE {LIVE} GROUP BY state
        UNION ALL SELECT 'overdue', '', count(*) FROM calls
            WHERE {LIVE} AND deadline_at < dialer_now() - interval '1 minute'
        UNION ALL SELECT 'imports', '', count(*) FROM imports WHERE status = 'running'
        UNION ALL SELECT kind, key, sum(n) FROM tallies
            WHERE kind IN ('state', 'dialed', 'answered', 'disposition') GROUP BY kind, key"""
    found: dict[str, dict[str, int]] = {}
    for row in await rows(session, sql):
        found.setdefault(row.what, {})[row.key] = int(row.n)
    return Fleet(
        # Those that are zero too: a line that is missing looks like a process that does not answer.
        campaigns={each.value: found.get("campaigns", {}).get(each, 0) for each in CampaignStatus},
        live={each: found.get("live", {}).get(each, 0) for each in LIVE_STATES},
        overdue=found["overdue"][""],
        imports_running=found["imports"][""],
        prospects=found.get("state", {}),
        dialed=found.get("dialed", {}).get("all", 0),
        answered=found.get("answered", {}).get("all", 0),
        ended=found.get("disposition", {}),
    )
