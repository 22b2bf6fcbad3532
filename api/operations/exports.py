"""Prospects, results and calls as files, made while they are sent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.calls import chosen_calls
from api.operations.campaigns import find_campaign
from api.operations.prospects import people_of
from api.operations.services import Services
from api.schemas.calls import CallFilters
from api.schemas.prospects import ProspectFilters
from dialer.domain.actors import Actor
from dialer.exporting.columns import Table, Writer
from dialer.exporting.csv_files import column_names
from dialer.exporting.files import MEDIA_TYPES, FileFormat, writer_of
from dialer.exporting.tables import CALLS, PROSPECTS, RESULTS
from dialer.store import exports
from dialer.store.exports import Reading, Source
from dialer.store.pages import Conditions

#: Names of variables that are looked at for columns: some can be none.
_NAMES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file on its way: ``rows`` as they were counted before the first was read."""

    name: str
    media_type: str
    rows: int
    content: AsyncGenerator[bytes]


async def export_prospects(
    services: Services, actor: Actor, reference: str, filters: ProspectFilters, file_format: FileFormat
) -> Export:
    """People as the list shows them, to be uploaded again. Raises NotFound, Invalid."""
    return await _people(services, actor, reference, filters, file_format, PROSPECTS, exports.PROSPECTS)


async def export_results(
    services: Services, actor: Actor, reference: str, filters: ProspectFilters, file_format: FileFormat
) -> Export:
    """People with the last call that was made to them. Raises NotFound, Invalid."""
    return await _people(services, actor, reference, filters, file_format, RESULTS, exports.RESULTS)


async def export_calls(services: Services, actor: Actor, filters: CallFilters, file_format: FileFormat) -> Export:
    """Calls as the list shows them. Raises Invalid."""
    conditions = chosen_calls(filters)
    async with services.database.snapshot(actor.workspace_id, statement_s=exports.STATEMENT_S) as session:
        return await _export(services, actor, session, "calls", CALLS, exports.CALLS, conditions, file_format)


async def _people(
    services: Services,
    actor: Actor,
    reference: str,
    filters: ProspectFilters,
    file_format: FileFormat,
    table: Table,
    source: Source,
) -> Export:
    async with services.database.snapshot(actor.workspace_id, statement_s=exports.STATEMENT_S) as session:
        campaign = await find_campaign(session, reference)
        conditions = await people_of(session, actor, campaign["id"], filters)
        name = f"{table.name}-of-campaign-{campaign['number']}"
        return await _export(services, actor, session, name, table, source, conditions, file_format)


async def _export(
    services: Services,
    actor: Actor,
    session: AsyncSession,
    name: str,
    table: Table,
    source: Source,
    conditions: Conditions,
    file_format: FileFormat,
) -> Export:
    """Look at the rows once, for what has to be known before the first of them is sent."""
    reading = Reading(source=source, conditions=conditions, until=await exports.moment(session))
    rows = await exports.how_many(session, reading)
    columns: list[str] = []
    if file_format is FileFormat.CSV and table.spread is not None:
        columns = column_names(await exports.names_of_variables(session, reading, _NAMES), table)
    # In a thread, since the first writer of a format may have to load its library.
    writer = await asyncio.to_thread(writer_of, file_format, table, columns)
    return Export(
        name=f"{name}.{file_format}",
        media_type=MEDIA_TYPES[file_format],
        rows=rows,
        content=_content(services, actor.workspace_id, reading, table, writer),
    )


async def _content(
    services: Services, workspace_id: UUID, reading: Reading, table: Table, writer: Writer
) -> AsyncGenerator[bytes]:
    """The file, piece by piece, each made in a thread: other requests are answered meanwhile."""

    def written(page: list[dict[str, Any]]) -> bytes:
        return writer.add([table.facts(row) for row in page])

    yield writer.head()
    async with aclosing(exports.pages_of(services.database, workspace_id, reading)) as pages:
        async for page in pages:
            if piece := await asyncio.to_thread(written, page):
                yield piece
    yield await asyncio.to_thread(writer.end)
