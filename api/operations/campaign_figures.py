"""What has become of a campaign's people, row by row."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations import keys
from api.operations.campaigns import find_campaign
from api.operations.display_columns import DisplayColumn, display_columns
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.schemas.campaign_figures import ColumnOut, ResultFilters, ResultsOut
from dialer.domain.actors import Actor
from dialer.domain.formulas import guarded
from dialer.store import pages, prospect_reads, series

_CSV_PAGE = 1000


async def read_results(
    services: Services, actor: Actor, reference: str, filters: ResultFilters, request: ListRequest
) -> ResultsOut:
    """One row per prospect, with the columns that the campaign displays. Raises NotFound and Invalid."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        columns = _columns(actor, campaign, filters)
        rows, next_cursor = await _page(session, _chosen(campaign["id"], filters), columns, request)
    return ResultsOut(
        display_columns=[ColumnOut(name=column.name, label=column.label) for column in columns],
        rows=rows,
        next_cursor=next_cursor,
    )


async def results_as_csv(
    services: Services, actor: Actor, reference: str, filters: ResultFilters
) -> AsyncIterator[bytes]:
    """All of them as a file, a thousand at a time. Raises NotFound and Invalid before anything is given."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
    return _csv(services, actor, _chosen(campaign["id"], filters), _columns(actor, campaign, filters))


def _columns(actor: Actor, campaign: Mapping[str, Any], filters: ResultFilters) -> list[DisplayColumn]:
    """What to show. What calls tell is for who may read calls. Raises Invalid and Forbidden."""
    columns = display_columns(campaign, filters.columns)
    if any(column.of_call for column in columns):
        keys.require(actor, "calls:read")
    return columns


async def _csv(
    services: Services, actor: Actor, chosen: pages.Conditions, columns: Sequence[DisplayColumn]
) -> AsyncIterator[bytes]:
    yield _lines([[column.label for column in columns]])
    cursor: str | None = None
    while True:
        request = ListRequest(limit=_CSV_PAGE, cursor=cursor)
        async with services.database.transaction(actor.workspace_id) as session:
            rows, cursor = await _page(session, chosen, columns, request)
        if rows:
            yield _lines([[row[column.name] for column in columns] for row in rows])
        if cursor is None:
            return


async def _page(
    session: AsyncSession, chosen: pages.Conditions, columns: Sequence[DisplayColumn], request: ListRequest
) -> tuple[list[dict[str, Any]], str | None]:
    found = await listed(session, prospect_reads.PROSPECTS, chosen, request, "created_at")
    calls: Mapping[UUID, Mapping[str, Any]] = {}
    if any(column.of_call for column in columns):
        calls = await series.last_calls(session, [item["id"] for item in found.items])
    rows = [
        {
            "prospect_id": item["id"],
            **{column.name: column.value(item, calls.get(item["id"])) for column in columns},
        }
        for item in found.items
    ]
    return rows, found.next_cursor


def _chosen(campaign_id: UUID, filters: ResultFilters) -> pages.Conditions:
    return pages.where(
        {
            "campaign": ("t.campaign_id = :campaign", campaign_id),
            "state": prospect_reads.in_state(filters.state),
            "disposition": ("t.last_disposition = :disposition", filters.disposition),
            "outcome": ("t.last_outcome = :outcome", filters.outcome),
        }
    )


def _lines(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    """Texts are made harmless for spreadsheets; a negative number is no formula."""
    if isinstance(value, int | float):
        return str(value)
    return "" if value is None else guarded(str(value))
