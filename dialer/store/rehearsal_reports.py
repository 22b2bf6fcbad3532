"""What a dry run has found, as it is kept with the import."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.forecasts import ASSUMED_CALL_S, Forecast, first_calls
from dialer.domain.states import ProspectState
from dialer.store.database import one, rows
from dialer.store.imports import ImportConflict, ImportRecord, import_record

_ZONE_SETS_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What only a look at every row tells: errors by code, and rows about people who were there already."""

    errors: Mapping[str, int]
    in_file: int
    in_campaign: int


async def write_report(session: AsyncSession, record: ImportRecord, campaign: Row[Any], found: Found) -> ImportRecord:
    """Store the report of a dry run whose tables are in this session. Raises ImportConflict when it no longer runs."""
    sql = "SELECT zone_set, zone_source, state, count(*) AS n FROM rehearsed WHERE is_new GROUP BY 1, 2, 3"
    people = await rows(session, sql)
    sql = """SELECT zone_set, count(*) AS n FROM prospects
             WHERE campaign_id = :campaign AND state = 'ready' GROUP BY zone_set"""
    waiting = {row.zone_set: row.n for row in await rows(session, sql, {"campaign": record.campaign_id})}
    now = (await rows(session, "SELECT dialer_now() AS now"))[0].now
    ready = _sums(people, "zone_set", ProspectState.READY)
    # Thousands of zone sets over a week take a second, in which this process must say that it lives.
    forecast = await asyncio.to_thread(first_calls, ready, waiting, rules_from_json(campaign.settings), now)
    report = {
        "errors": dict(sorted(found.errors.items())),
        "states": _sums(people, "state"),
        "zones": {"by_source": _sums(people, "zone_source"), **_zone_sets(_sums(people, "zone_set"))},
        "duplicates": {"in_file": found.in_file, "in_campaign": found.in_campaign},
        "first_calls": _first_calls(forecast),
    }
    sql = """UPDATE imports SET report = CAST(:report AS jsonb)
             WHERE id = :id AND status = 'running' AND run = :run AND rows_read = :read AND report IS NULL
             RETURNING *"""
    parameters = {"id": record.id, "run": record.run, "read": record.rows_read, "report": json.dumps(report)}
    row = await one(session, sql, parameters)
    if row is None:
        raise ImportConflict("over", "not_running")
    return import_record(row)


def _sums(people: Sequence[Row[Any]], column: str, state: ProspectState | None = None) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for row in people:
        if state is None or row.state == state:
            sums[getattr(row, column)] += row.n
    return dict(sums.most_common())


def _zone_sets(sums: Mapping[str, int]) -> dict[str, Any]:
    """The largest ones by name, and how many people are in the others."""
    named = [(key.split("|"), n) for key, n in sums.items() if key]
    return {
        "sets": [{"time_zones": names, "people": n} for names, n in named[:_ZONE_SETS_SHOWN]],
        "in_other_sets": sum(n for _, n in named[_ZONE_SETS_SHOWN:]),
        "without": sums.get("", 0),
    }


def _first_calls(forecast: Forecast) -> dict[str, Any]:
    return {
        "starts_at": forecast.starts_at.isoformat(),
        "assumed_call_s": ASSUMED_CALL_S,
        "calls_per_hour": forecast.calls_per_hour,
        "hours": [{"hour": hour.isoformat(), "calls": n} for hour, n in forecast.hours],
        "later": forecast.later,
    }
