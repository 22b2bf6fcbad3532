"""Dry runs: a file is read and judged as if it were imported, and nothing is written but a report.

Whom the file has named so far is kept in temporary tables of one connection, so that memory stays flat and nothing is
left when the process dies; then the dry run begins again. One that goes on although another has begun stops: its counts
are no longer those that are stored. Rows are judged by the same functions as an import's, against the campaign's people
and those of the temporary tables. No lock that calls or other writers wait for is taken.
"""

import json
import pickle
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dialer.domain.prospect_matching import (
    KnownProspect,
    NewProspect,
    Person,
    Plan,
    is_storable,
    match,
)
from dialer.domain.prospect_rows import RowError
from dialer.domain.standings import Settled, Standing, settle
from dialer.store.database import Database, one, rows
from dialer.store.import_chunks import Chunk, on_duplicate_of
from dialer.store.import_errors import REPEATS_KEPT, headers_of, insert_errors, repeated_rows, row_errors
from dialer.store.imports import ImportConflict, ImportRecord, import_record
from dialer.store.prospect_writes import circumstances, open_campaign, read_known
from dialer.store.rehearsal_reports import Found, write_report

_TABLES = (
    """CREATE TEMPORARY TABLE rehearsed (id uuid PRIMARY KEY, external_id text, is_new boolean NOT NULL,
        zone_set text NOT NULL, zone_source text NOT NULL, state text NOT NULL, person bytea NOT NULL)""",
    "CREATE INDEX ON rehearsed (external_id)",
    "CREATE TEMPORARY TABLE rehearsed_phones (phone text PRIMARY KEY, id uuid NOT NULL)",
    "CREATE INDEX ON rehearsed_phones (id)",
)


@asynccontextmanager
async def rehearsing(database: Database, record: ImportRecord) -> AsyncGenerator["Rehearsal"]:
    """A dry run that is still to begin, over a connection of its own."""
    async with database.engine.connect() as connection:
        try:
            yield Rehearsal(connection, record)
        finally:
            # Closed rather than returned to the pool, since the temporary tables live as long as it does.
            await connection.invalidate()


class Rehearsal:
    """One dry run under way, over one connection."""

    def __init__(self, connection: AsyncConnection, record: ImportRecord) -> None:
        self._connection = connection
        self._record = record
        self._on_duplicate = on_duplicate_of(record)
        self._errors: Counter[str] = Counter()
        self._in_file = 0
        self._in_campaign = 0
        self._skipped = 0

    async def begin(self) -> ImportRecord:
        """Forget what an earlier dry run has counted that did not come to its end. Raises ImportConflict when there is
        a report already, or the import no longer runs."""
        async with self._transaction() as session:
            sql = """UPDATE imports SET rows_read = 0, created = 0, updated = 0, skipped = 0, failed = 0
                     WHERE id = :id AND status = 'running' AND run = :run AND report IS NULL RETURNING *"""
            row = await one(session, sql, {"id": self._record.id, "run": self._record.run})
            if row is None:
                raise ImportConflict("over", "not_running")
            await session.execute(text("DELETE FROM import_errors WHERE import_id = :id"), {"id": self._record.id})
            for statement in _TABLES:
                await session.execute(text(statement))
        self._record = import_record(row)
        return self._record

    async def record(self, chunk: Chunk) -> ImportRecord:
        """Judge the rows that follow those before. Raises ImportConflict when the import no longer runs, CampaignClosed
        when its campaign is over."""
        async with self._transaction() as session:
            campaign = await open_campaign(session, self._record.workspace_id, self._record.campaign_id)
            given = chunk.prospects
            plan = match(given, await self._read_known(session, given), self._on_duplicate)
            settled = settle(plan, await circumstances(session, campaign, plan.judged))
            await self._remember(session, settled)
            errors = await self._note_errors(session, chunk, plan, settled)
            stored = await self._count(session, settled, len(errors))
        self._record = stored
        self._errors.update(error.code for error in errors)
        self._skipped += len(settled.skipped)
        self._count_repeats(plan)
        return stored

    async def finish(self) -> ImportRecord:
        """All rows are judged: the report is stored. Raises as ``record`` does."""
        found = Found(errors=self._errors, in_file=self._in_file, in_campaign=self._in_campaign)
        async with self._transaction() as session:
            campaign = await open_campaign(session, self._record.workspace_id, self._record.campaign_id)
            return await write_report(session, self._record, campaign, found)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncSession]:
        async with AsyncSession(self._connection, expire_on_commit=False) as session, session.begin():
            scope = {"scope": str(self._record.workspace_id)}
            await session.execute(text("SELECT set_config('dialer.workspace', :scope, true)"), scope)
            yield session

    # -- who is known ----------------------------------------------------------------------------------------------

    async def _read_known(self, session: AsyncSession, given: Sequence[NewProspect]) -> list[KnownProspect]:
        """The campaign's people as they would be by now, and those whom the file would have added."""
        stored = await read_known(session, self._record.campaign_id, given, lock=False)
        sql = "SELECT id FROM rehearsed WHERE id = ANY(CAST(:ids AS uuid[]))"
        found = await rows(session, sql, {"ids": [each.id for each in stored]})
        changed = {each.id for each in found}
        sql = """
            SELECT person FROM rehearsed WHERE id = ANY(ARRAY(
                SELECT id FROM rehearsed_phones WHERE phone = ANY(CAST(:phones AS text[]))
                UNION SELECT id FROM rehearsed WHERE external_id = ANY(CAST(:external AS text[])))) ORDER BY id"""
        external = {e for each in given if (e := each.external_id) is not None and is_storable(e)}
        parameters = {"phones": list({phone for each in given for phone in each.phones}), "external": list(external)}
        # Written by this process into a table that no other one sees.
        named = [cast("KnownProspect", pickle.loads(each.person)) for each in await rows(session, sql, parameters)]  # noqa: S301
        return [*(each for each in stored if each.id not in changed), *named]

    async def _remember(self, session: AsyncSession, settled: Settled) -> None:
        people = [_known_from_now_on(*each) for each in (*settled.created, *settled.changed)]
        if not people:
            return
        ids = [each.id for each in people]
        await session.execute(text("DELETE FROM rehearsed_phones WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": ids})
        sql = """
            INSERT INTO rehearsed (id, external_id, is_new, zone_set, zone_source, state, person)
            SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:external AS text[]), CAST(:new AS boolean[]),
                CAST(:zone_sets AS text[]), CAST(:sources AS text[]), CAST(:states AS text[]), CAST(:people AS bytea[]))
            ON CONFLICT (id) DO UPDATE SET external_id = excluded.external_id, zone_set = excluded.zone_set,
                zone_source = excluded.zone_source, state = excluded.state, person = excluded.person"""
        parameters: dict[str, list[Any]] = {
            "ids": ids,
            "external": [each.facts.external_id for each in people],
            "new": [_is_from_file(each) for each in people],
            "zone_sets": [each.facts.zone_set for each in people],
            "sources": [each.facts.zone_source for each in people],
            "states": [each.state.value for each in people],
            "people": [pickle.dumps(each) for each in people],
        }
        await session.execute(text(sql), parameters)
        phones = [[phone, str(each.id)] for each in people for phone in each.facts.phones]
        sql = """INSERT INTO rehearsed_phones (phone, id)
                 SELECT pair ->> 0, CAST(pair ->> 1 AS uuid) FROM json_array_elements(CAST(:phones AS json)) AS pair"""
        await session.execute(text(sql), {"phones": json.dumps(phones)})

    # -- what is found ---------------------------------------------------------------------------------------------

    async def _note_errors(self, session: AsyncSession, chunk: Chunk, plan: Plan, settled: Settled) -> list[RowError]:
        """Store them with the first repeated rows, for the list of errors."""
        headers = headers_of(self._record.shape)
        errors = [*chunk.errors, *row_errors(chunk.rows, chunk.cells, plan.problems, headers)]
        room = max(0, REPEATS_KEPT - self._skipped)
        listed = {i: _first(chunk, settled.skipped[i]) for i in sorted(settled.skipped)[:room]}
        repeats = repeated_rows(chunk.rows, chunk.cells, listed, headers)
        await insert_errors(session, self._record, [*errors, *repeats], again=True)
        return errors

    async def _count(self, session: AsyncSession, settled: Settled, failed: int) -> ImportRecord:
        sql = """
            UPDATE imports SET rows_read = rows_read + :created + :updated + :skipped + :failed,
                created = created + :created, updated = updated + :updated, skipped = skipped + :skipped,
                failed = failed + :failed
            WHERE id = :id AND status = 'running' AND run = :run AND rows_read = :read AND report IS NULL RETURNING *"""
        parameters = {
            "id": self._record.id,
            "run": self._record.run,
            "read": self._record.rows_read,
            "created": len(settled.created),
            "updated": settled.updates,
            "skipped": len(settled.skipped),
            "failed": failed,
        }
        row = await one(session, sql, parameters)
        if row is None:
            raise ImportConflict("over", "not_running")
        return import_record(row)

    def _count_repeats(self, plan: Plan) -> None:
        """Rows about somebody whom an earlier row of the file would have added, or whom the campaign has."""
        self._in_file += sum(len(person.indexes) - 1 for person in plan.created)
        again = [(person, len(person.indexes)) for person in plan.changed]
        for person, n in (*again, *((person, 1) for person in plan.skipped.values())):
            if person.known is None or _is_from_file(person.known):
                self._in_file += n
            else:
                self._in_campaign += n


def _known_from_now_on(person: Person, standing: Standing) -> KnownProspect:
    known = person.known or KnownProspect(id=uuid4(), facts=person.facts, state=standing.state)
    return replace(
        known,
        facts=person.facts,
        state=standing.state,
        held_reason=standing.held_reason,
        next_due_at=standing.next_due_at,
        turn=person.turn,
    )


def _is_from_file(known: KnownProspect) -> bool:
    """The campaign's own people are read without the rows that they came from."""
    return known.facts.import_row is not None


def _first(chunk: Chunk, person: Person) -> int | UUID:
    """The row that was first about somebody, or the prospect."""
    if person.known is None:
        return chunk.rows[person.indexes[0]].row
    return person.known.facts.import_row or person.known.id
