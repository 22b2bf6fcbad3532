"""Uploaded files to prospects, on the ``bulk`` queue: look through the file, write its rows, finish.

PostgreSQL keeps the place where the import stands, in the same transaction as the rows before it. So every activity
here may be tried again at any point, by another process, and goes on from there. A spreadsheet becomes CSV before any
of its rows is read, so that the place in it is a place in CSV.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from tempfile import TemporaryFile
from typing import Any, NoReturn, TypeVar, cast
from uuid import UUID

import psycopg
from sqlalchemy.exc import DataError, DBAPIError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.ports import Workflows
from dialer import prospect_file
from dialer.domain.states import ImportStatus
from dialer.prospect_file import FileRefused, FileShape, Position, ReadOptions
from dialer.store import imports
from dialer.store.database import Database
from dialer.store.drafts import Ahead
from dialer.store.import_chunks import Chunk, Place, Recorded, on_duplicate_of, record_chunk
from dialer.store.import_files import open_pieces, replace_pieces
from dialer.store.imports import ImportConflict, ImportRecord
from dialer.store.incoming import keep_plans, look_up_by_index
from dialer.store.prospect_writes import CampaignClosed, add_contacts, circumstances_of, open_campaign
from dialer.store.rehearsals import rehearsing
from dialer.store.waking import wake

HEARTBEAT_S = 2.0
#: For ``sys.setswitchinterval`` where files are read: the thread that reads one gives way so soon to the one that talks
#: with the database, which wants the processor often and for a moment. With Python's own 5 ms it mostly waits.
SWITCH_S = 0.0005

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRef:
    """Which import, of which campaign, and which of its runs: when it is retried, activities of the run before do
    nothing any more."""

    workspace_id: str
    import_id: str
    campaign_id: str
    run: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """How far an import has come; ``rows_total`` is an estimate until it has ended."""

    status: str = ImportStatus.RUNNING.value
    rows_total: int | None = None
    rows_read: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    at_end: bool = False
    dry_run: bool = False


class ImportActivities:
    """A leg of writing lasts ``leg_s`` seconds, so that the workflow can show progress now and then."""

    def __init__(
        self, database: Database, workflows: Workflows, *, leg_s: float = 20.0, chunk_rows: int = 4000
    ) -> None:
        self._database = database
        self._workflows = workflows
        self._leg_s = leg_s
        self._chunk_rows = chunk_rows

    @activity.defn
    async def scan_file(self, ref: ImportRef) -> ImportProgress:
        """Read the file once and learn what it is. A file that cannot be imported fails the import, nothing written."""
        with no_values_in_failures():
            record = await self._read(ref)
            if not _runs(ref, record) or record.shape is not None:
                return _progress(ref, record)
            options = await self._options(ref, record)
            async with _heartbeats(lambda: _progress(ref, record)):
                try:
                    shape = await asyncio.to_thread(self._scan, ref, options)
                except FileRefused as refused:
                    await self._fail(ref, refused.code, refused.message, refused.suggestion, refused.column)
            if shape is None:
                return _progress(ref, await self._read(ref))
            async with self._database.transaction(UUID(ref.workspace_id)) as session:
                begun = await imports.begin(
                    session,
                    record.id,
                    shape=asdict(shape),
                    rows_total=shape.rows_total,
                    next_offset=shape.start.offset,
                    next_row=shape.start.row,
                )
            return _progress(ref, begun or await self._read(ref))

    @activity.defn
    async def write_rows(self, ref: ImportRef) -> ImportProgress:
        """Write rows from where the import stands, for one leg or to the end of the file.

        A worker that is being ended stops after a chunk, and the next leg goes on elsewhere.
        """
        with no_values_in_failures():
            record = await self._read(ref)
            if not _runs(ref, record) or record.dry_run:
                return _progress(ref, record)
            options = await self._options(ref, record)
            ends = asyncio.get_running_loop().time() + self._leg_s
            async with (
                _heartbeats(lambda: _progress(ref, record)),
                aclosing(self._chunks(ref, record, options, drafted=True)) as chunks,
            ):
                async for chunk in chunks:
                    recorded = await self._record(ref, record, chunk)
                    if recorded is None:
                        return _progress(ref, await self._read(ref))
                    record = recorded.record
                    if recorded.due:
                        await self._wake(ref)
                    leg_is_over = asyncio.get_running_loop().time() >= ends or activity.is_worker_shutdown()
                    if leg_is_over or not _runs(ref, record):
                        return _progress(ref, record)
            return _progress(ref, record, at_end=True)

    @activity.defn
    async def rehearse_rows(self, ref: ImportRef) -> ImportProgress:
        """Judge every row as if it were written, and keep a report. What breaks off begins again from the first row."""
        with no_values_in_failures():
            record = await self._read(ref)
            if not _runs(ref, record) or record.report is not None:
                return _progress(ref, record, at_end=True)
            options = await self._options(ref, record)
            async with (
                _heartbeats(lambda: _progress(ref, record)),
                rehearsing(self._database, record) as rehearsal,
                aclosing(self._chunks(ref, record, options)) as chunks,
            ):
                goes_on = await self._ended_by(ref, None, rehearsal.begin())
                while goes_on is not None and (chunk := await anext(chunks, None)) is not None:
                    record = goes_on
                    if activity.is_worker_shutdown():
                        raise ApplicationError("the dry run begins again elsewhere", type="WorkerEnding")
                    goes_on = await self._ended_by(ref, chunk, rehearsal.record(chunk))
                if goes_on is not None:
                    await self._ended_by(ref, None, rehearsal.finish())
            record = await self._read(ref)
            return _progress(ref, record, at_end=record.report is not None)

    @activity.defn
    async def finish_import(self, ref: ImportRef) -> ImportProgress:
        """All rows are read: the import is completed, and its campaign may be."""
        return await self._end(ref, imports.finish)

    @activity.defn
    async def cancel_import(self, ref: ImportRef) -> ImportProgress:
        """Somebody cancelled the workflow: no more is written, what is written stays."""
        return await self._end(ref, imports.cancel)

    # -- the file ------------------------------------------------------------------------------------------------------

    async def _options(self, ref: ImportRef, record: ImportRecord) -> ReadOptions:
        async with self._database.transaction(UUID(ref.workspace_id)) as session:
            region = await imports.default_region(session, record)
        mapping = cast("dict[str, str] | None", record.options.get("mapping"))
        encoding = cast("str | None", record.options.get("encoding"))
        return ReadOptions(mapping=mapping or {}, default_region=region, encoding=encoding, chunk_rows=self._chunk_rows)

    def _scan(self, ref: ImportRef, options: ReadOptions) -> FileShape | None:
        """None when the import no longer waits for its scan."""
        with open_pieces(self._database, UUID(ref.workspace_id), UUID(ref.import_id)) as stream:
            if not prospect_file.is_package(stream.peek(8)):
                return prospect_file.scan(stream, options)
            with TemporaryFile() as table:
                with TemporaryFile() as package:
                    shutil.copyfileobj(stream, package, 1 << 20)
                    prospect_file.write_csv(package, table, options.mapping)
                table.seek(0)
                if not replace_pieces(self._database, UUID(ref.workspace_id), UUID(ref.import_id), table):
                    return None
                table.seek(0)
                return prospect_file.scan(table, options)

    async def _chunks(
        self, ref: ImportRef, record: ImportRecord, options: ReadOptions, *, drafted: bool = False
    ) -> AsyncGenerator[Chunk]:
        """The file's chunks: one is read, in a thread, while the one before it is ``drafted``, in another, and the one
        before that is written."""
        start = Position(offset=record.next_offset or 0, row=record.next_row or 1)
        stream = await asyncio.to_thread(
            open_pieces, self._database, UUID(ref.workspace_id), UUID(ref.import_id), start.offset
        )
        chunks = prospect_file.read_chunks(stream, _shape(record), options, start)

        async def read() -> AsyncGenerator[prospect_file.Chunk]:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                yield chunk

        async def made(found: AsyncGenerator[prospect_file.Chunk]) -> AsyncGenerator[Chunk]:
            is_first = True
            async with aclosing(found):
                async for each in found:
                    ahead = await self._look_ahead(record, each, is_first=is_first) if drafted else None
                    is_first = False
                    yield await asyncio.to_thread(_chunk, each, ahead)

        try:
            async with aclosing(one_ahead(made(one_ahead(read())))) as found:
                async for chunk in found:
                    yield chunk
        finally:
            await asyncio.to_thread(stream.close)

    # -- the database --------------------------------------------------------------------------------------------------

    async def _look_ahead(self, record: ImportRecord, chunk: prospect_file.Chunk, *, is_first: bool) -> Ahead | None:
        """What a chunk needs and may be read or written before it, over a connection of its own: PostgreSQL then works
        for two chunks at once. None where that is not worth it, or where who writes the chunk will be refused."""
        if record.skipped + record.updated > record.created:
            return None  # most people of this file are known
        phones = {phone for row in chunk.rows for phone in (row.phone, *(line.phone for line in row.other_phones))}
        async with self._database.transaction(record.workspace_id) as session:
            try:
                campaign = await open_campaign(session, record.workspace_id, record.campaign_id)
            except CampaignClosed:
                return None
            await look_up_by_index(session)
            around = await circumstances_of(session, campaign, phones)
            await keep_plans(session)
            # Nothing is written before the first, so that it would only wait for its contacts twice.
            contacts = {} if is_first else await add_contacts(session, record.workspace_id, phones, named=True)
        return Ahead(contacts=contacts, around=around, on_duplicate=on_duplicate_of(record))

    async def _read(self, ref: ImportRef) -> ImportRecord:
        """The import, unless it has failed already: then the workflow fails in the same way as the first time."""
        async with self._database.transaction(UUID(ref.workspace_id)) as session:
            record = await imports.read_import(session, UUID(ref.import_id))
        if record is None:
            raise ApplicationError("the import is deleted", type="import_deleted", non_retryable=True)
        if record.status is ImportStatus.FAILED and record.error is not None:
            raise ApplicationError(record.error["message"], type=record.error["code"], non_retryable=True)
        return record

    async def _record(self, ref: ImportRef, record: ImportRecord, chunk: Chunk) -> Recorded | None:
        """Write a chunk. None when the import no longer runs."""

        async def write() -> Recorded:
            async with self._database.transaction(UUID(ref.workspace_id)) as session:
                return await record_chunk(session, record, chunk)

        return await self._ended_by(ref, chunk, write())

    async def _ended_by(self, ref: ImportRef, chunk: Chunk | None, writing: Awaitable[T]) -> T | None:
        """What was written; None when the import no longer runs. What would go wrong for ever fails the import."""
        try:
            return await writing
        except ImportConflict:
            return None
        except CampaignClosed as closed:
            message = f"The campaign is {closed.current_status}: nobody can be added to it"
            await self._fail(ref, "campaign_closed", message, "Upload the file to another campaign", None)
        except DataError:
            # The same rows would be refused for ever.
            where = "" if chunk is None else f" from {chunk.start.row} to {chunk.end.row - 1}"
            message = f"PostgreSQL cannot store the rows{where}"
            await self._fail(ref, "rows_not_storable", message, "Look for damaged text in these rows", None)

    async def _fail(self, ref: ImportRef, code: str, message: str, suggestion: str, column: str | None) -> NoReturn:
        async with self._database.transaction(UUID(ref.workspace_id)) as session:
            await imports.fail(
                session,
                UUID(ref.import_id),
                code=code,
                message=message,
                suggestion=suggestion,
                column=column,
                run=ref.run,
            )
        await self._wake(ref)
        # The column's name stays in PostgreSQL: it comes from the file and may be anything.
        raise ApplicationError(message, type=code, non_retryable=True) from None

    async def _end(self, ref: ImportRef, end: Callable[..., Coroutine[Any, Any, bool]]) -> ImportProgress:
        with no_values_in_failures():
            async with self._database.transaction(UUID(ref.workspace_id)) as session:
                await end(session, UUID(ref.import_id), run=ref.run)
            await self._wake(ref)
            return _progress(ref, await self._read(ref))

    async def _wake(self, ref: ImportRef) -> None:
        """New people are dialed at once, and a campaign that only waited for the import completes; a dry run concerns
        no campaign."""
        async with self._database.transaction(UUID(ref.workspace_id)) as session:
            record = await imports.read_import(session, UUID(ref.import_id))
            if record is not None and record.dry_run:
                return
            idle = await wake(session, UUID(ref.campaign_id))
        if idle:
            await self._workflows.nudge_campaign(UUID(ref.campaign_id))


@contextmanager
def no_values_in_failures() -> Generator[None]:
    """Only the kind of a failure is told: failures go into Temporal's history, and PostgreSQL's messages quote rows."""
    try:
        yield
    except DBAPIError as error:
        raise ApplicationError(f"PostgreSQL: {type(error.orig).__name__}", type="DatabaseFailure") from None
    except psycopg.Error as error:
        raise ApplicationError(f"PostgreSQL: {type(error).__name__}", type="DatabaseFailure") from None


@asynccontextmanager
async def _heartbeats(progress: Callable[[], ImportProgress]) -> AsyncGenerator[None]:
    """Tell Temporal every two seconds that this process lives, and how far it is."""

    async def beat() -> None:
        while True:
            activity.heartbeat(progress())
            await asyncio.sleep(HEARTBEAT_S)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


async def one_ahead(items: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """The same items, each made while the one before it is used."""

    async def following() -> T | None:
        return await anext(items, None)

    making = asyncio.create_task(following())
    try:
        while (item := await asyncio.shield(making)) is not None:
            making = asyncio.create_task(following())
            yield item
    finally:
        # A thread cannot be interrupted, so what it uses is closed once it is out of it.
        await asyncio.wait([making])
        if not making.cancelled():
            making.exception()
        await items.aclose()


def _chunk(read: prospect_file.Chunk, ahead: Ahead | None) -> Chunk:
    return Chunk(
        start=_place(read.start),
        end=_place(read.end),
        rows=read.rows,
        errors=read.errors,
        cells=read.cells,
        ahead=ahead,
    )


def _place(position: Position) -> Place:
    return Place(offset=position.offset, row=position.row)


def _shape(record: ImportRecord) -> FileShape:
    stored: dict[str, Any] = dict(record.shape or {})
    stored["columns"] = tuple(stored["columns"])
    stored["start"] = Position(**stored["start"])
    return FileShape(**stored)


def _runs(ref: ImportRef, record: ImportRecord) -> bool:
    return record.status is ImportStatus.RUNNING and record.run == ref.run


def _progress(ref: ImportRef, record: ImportRecord, *, at_end: bool = False) -> ImportProgress:
    """A run before the import's last one is over, whatever became of the import: it was cancelled, and is retried."""
    return ImportProgress(
        status=(record.status if record.run == ref.run else ImportStatus.CANCELLED).value,
        rows_total=record.rows_total,
        rows_read=record.rows_read,
        created=record.created,
        updated=record.updated,
        skipped=record.skipped,
        failed=record.failed,
        at_end=at_end,
        dry_run=record.dry_run,
    )
