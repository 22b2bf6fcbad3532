"""What has become of a campaign: stats for looking closer, results row by row."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from api.operations.campaigns import find_campaign
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.schemas.campaign_figures import ColumnOut, HourOut, ResultsOut, StatsOut
from dialer.domain.actors import Actor
from dialer.domain.formulas import guarded
from dialer.store import pages, prospect_reads
from dialer.store.stats import tallies_of

_CSV_PAGE = 1000
_OWN = {
    "id": "id",
    "prospect_id": "id",
    "external_id": "external_id",
    "name": "name",
    "phone": "phone",
    "state": "state",
    "attempts": "attempts",
    "disposition": "last_disposition",
    "last_disposition": "last_disposition",
    "outcome": "last_outcome",
    "last_outcome": "last_outcome",
    "next_due_at": "next_due_at",
}


async def read_stats(services: Services, actor: Actor, reference: str) -> StatsOut:
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        tallies = await tallies_of(session, row["id"])
    counts = {kind: {key: int(n) for key, n in keys.items()} for kind, keys in tallies.items() if kind != "cost"}
    dialed = counts.get("dialed", {}).get("all", 0)
    answered = counts.get("answered", {}).get("all", 0)
    dialed_in, answered_in = counts.get("dialed_in", {}), counts.get("answered_in", {})
    attempts = sorted(counts.get("attempts", {}).items(), key=lambda pair: int(pair[0]))
    return StatsOut(
        prospects_total=sum(counts.get("state", {}).values()),
        prospects=counts.get("state", {}),
        calls_total=dialed,
        dispositions=counts.get("disposition", {}),
        outcomes=counts.get("outcome", {}),
        attempts=dict(attempts),
        answered=answered,
        answer_rate=answered / dialed if dialed else 0.0,
        talk_seconds=counts.get("talk_seconds", {}).get("all", 0),
        cost=str(tallies.get("cost", {}).get("all", 0)),
        hours=[
            HourOut(hour=hour, dialed=dialed_in.get(hour, 0), answered=answered_in.get(hour, 0))
            for hour in sorted({*dialed_in, *answered_in})
        ],
    )


async def read_results(services: Services, actor: Actor, reference: str, request: ListRequest) -> ResultsOut:
    """One row per prospect, with the columns that the campaign displays."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        found = await listed(session, prospect_reads.PROSPECTS, _of(campaign["id"]), request, "created_at")
    columns = _columns(campaign)
    return ResultsOut(
        display_columns=[ColumnOut(name=name, label=_label(name)) for name in columns],
        rows=[{"prospect_id": item["id"], **_row(item, columns)} for item in found.items],
        next_cursor=found.next_cursor,
    )


async def results_as_csv(services: Services, actor: Actor, reference: str) -> AsyncIterator[bytes]:
    """All of them as a file, a thousand at a time. Raises NotFound before anything is given."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
    return _csv(services, actor, campaign)


async def _csv(services: Services, actor: Actor, campaign: Mapping[str, Any]) -> AsyncIterator[bytes]:
    columns = _columns(campaign)
    yield _lines([[_label(name) for name in columns]])
    cursor: str | None = None
    while True:
        request = ListRequest(limit=_CSV_PAGE, cursor=cursor)
        async with services.database.transaction(actor.workspace_id) as session:
            found = await listed(session, prospect_reads.PROSPECTS, _of(campaign["id"]), request, "created_at")
        if found.items:
            yield _lines([list(_row(item, columns).values()) for item in found.items])
        cursor = found.next_cursor
        if cursor is None:
            return


def _of(campaign_id: UUID) -> pages.Conditions:
    return pages.where({"campaign": ("t.campaign_id = :campaign", campaign_id)})


def _columns(campaign: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(campaign["settings"]["display_columns"]))


def _row(prospect: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """A column is a field of the prospect, else one of their variables, else nothing yet."""
    return {name: prospect[_OWN[name]] if name in _OWN else prospect["variables"].get(name) for name in columns}


def _label(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


def _lines(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    """Texts are made harmless for spreadsheets; a negative number is no formula."""
    if isinstance(value, int | float):
        return str(value)
    return "" if value is None else guarded(str(value))
