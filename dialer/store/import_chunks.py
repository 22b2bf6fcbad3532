"""Chunks of an uploaded file, each written once.

A chunk's prospects, errors and counts are one transaction, which is refused unless the import stands exactly where the
chunk begins. So a chunk that is written again, by a retry or by a worker that was taken for dead, changes nothing and
counts once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.prospect_matching import DEFAULT_PRIORITY
from dialer.domain.prospect_rows import ProspectRow, RowError
from dialer.domain.states import ImportStatus
from dialer.store.database import one, rows
from dialer.store.drafts import Ahead, Draft, draft
from dialer.store.import_errors import REPEATS_KEPT, headers_of, insert_errors, repeated_rows, row_errors
from dialer.store.imports import ImportConflict, ImportRecord, import_record
from dialer.store.locks import share_campaign
from dialer.store.prospect_writes import NewProspect, OnDuplicate, Written, write_prospects


class ChunkOutOfOrder(Exception):
    """Rows before this chunk are not written yet, so it must not be: read again from where the import stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a file a chunk begins or ends: a byte, and the number of the row that starts there."""

    offset: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows that follow each other in a file, good and bad, and the places around them; ``cells`` has the good rows
    as they stand in the file, by number; ``ahead`` what is known of them already; ``prospects`` what the good rows say.

    Chunks are made in a thread, while others wait for the database: what takes the processor long is done here.
    """

    start: Place
    end: Place
    rows: Sequence[ProspectRow]
    errors: Sequence[RowError]
    cells: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    ahead: Ahead | None = None
    prospects: Sequence[NewProspect] = field(init=False)
    drafted: Draft | None = field(init=False)

    def __post_init__(self) -> None:
        prospects = [as_prospect(row) for row in self.rows]
        drafted = None if self.ahead is None else draft(prospects, self.ahead)
        object.__setattr__(self, "prospects", prospects)
        object.__setattr__(self, "drafted", drafted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The import after a chunk; ``due`` is True when the chunk made somebody callable."""

    record: ImportRecord
    due: bool


def on_duplicate_of(record: ImportRecord) -> OnDuplicate:
    """What a row of this import about somebody known does."""
    return OnDuplicate(record.options.get("on_duplicate") or OnDuplicate.SKIP)


async def record_chunk(session: AsyncSession, record: ImportRecord, chunk: Chunk) -> Recorded:
    """Write a chunk's prospects, errors and counts; nothing when it is written already.

    Raises ImportConflict when the import no longer runs, CampaignClosed when its campaign is over, ChunkOutOfOrder.
    """
    await share_campaign(session, record.campaign_id)
    found = await one(session, "SELECT * FROM imports WHERE id = :id FOR NO KEY UPDATE", {"id": record.id})
    if found is None or found.status != ImportStatus.RUNNING:
        raise ImportConflict("deleted" if found is None else found.status, "not_running")
    if found.next_offset > chunk.start.offset:
        return Recorded(record=import_record(found), due=False)
    if found.next_offset < chunk.start.offset:
        raise ChunkOutOfOrder(f"import {record.id} stands at {found.next_offset}, the chunk at {chunk.start.offset}")
    written = await write_prospects(
        session,
        workspace_id=record.workspace_id,
        campaign_id=record.campaign_id,
        prospects=chunk.prospects,
        on_duplicate=on_duplicate_of(record),
        import_id=record.id,
        created_by=record.created_by,
        name_new=False,
        contacts=None if chunk.ahead is None else chunk.ahead.contacts,
        drafted=chunk.drafted,
    )
    headers = headers_of(found.shape)
    errors = [*chunk.errors, *row_errors(chunk.rows, chunk.cells, written.problems, headers)]
    repeats = await _repeats(session, found, chunk, written)
    await insert_errors(session, record, [*errors, *repeated_rows(chunk.rows, chunk.cells, repeats, headers)])
    sql = """
        UPDATE imports SET rows_read = rows_read + :created + :updated + :skipped + :failed,
            created = created + :created, updated = updated + :updated, skipped = skipped + :skipped,
            failed = failed + :failed, next_offset = :offset, next_row = :row
        WHERE id = :id RETURNING *"""
    parameters = {
        "id": record.id,
        "created": written.created,
        "updated": written.updated,
        "skipped": written.skipped,
        "failed": len(errors),
        "offset": chunk.end.offset,
        "row": chunk.end.row,
    }
    return Recorded(record=import_record((await rows(session, sql, parameters))[0]), due=written.due)


def as_prospect(row: ProspectRow) -> NewProspect:
    return NewProspect(
        phone=row.phone,
        extension=row.extension,
        other_phones=row.other_phones or None,
        external_id=row.external_id,
        name=row.name,
        variables=row.variables,
        zone_set=row.zone_set or "",
        zone_source=row.zone_source,
        # In files a higher number is dialed first and 0 is usual; lanes are read from the lowest number up.
        priority=DEFAULT_PRIORITY - row.priority if row.priority else None,
        import_row=row.row,
    )


async def _repeats(session: AsyncSession, found: Row[Any], chunk: Chunk, written: Written) -> dict[int, int | UUID]:
    """The first skipped rows of the file, by their index: which of its rows was first, or which prospect."""
    listed = sorted(written.repeats)[: max(0, REPEATS_KEPT - found.skipped)]
    if not listed:
        return {}
    sql = """SELECT id, import_row FROM prospects
             WHERE import_id = :id AND id = ANY(CAST(:ids AS uuid[])) AND import_row IS NOT NULL"""
    ids = list({written.ids[index] for index in listed})
    first_rows = {each.id: each.import_row for each in await rows(session, sql, {"id": found.id, "ids": ids})}
    return {index: first_rows.get(written.ids[index], written.ids[index]) for index in listed}
