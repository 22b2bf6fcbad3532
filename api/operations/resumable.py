"""Files that arrive in several requests, so that a broken connection costs a megabyte and not the whole file.

The fields are those of https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from api.operations.errors import Conflict, Invalid, NotFound, invalid
from api.operations.services import Services
from api.operations.uploads import checked_options, open_campaign, plain_name, start_import
from api.schemas.uploads import UploadIn, UploadOut
from dialer.domain.actors import Actor
from dialer.store import resumable_uploads as store
from dialer.store.imports import PIECE_BYTES
from workflows.starts import import_workflow_id

#: Uploads of one workspace that may be under way at a time.
MAX_OPEN = 20
#: Fewer bytes than this are taken only where the file ends: each part of a request is stored as a row.
MIN_APPEND = 64 * 1024


async def begin_upload(services: Services, actor: Actor, reference: str, given: UploadIn) -> UploadOut:
    """Announce a file. Raises NotFound, Invalid for options, Conflict for a stopped campaign or too many uploads."""
    options = checked_options(given.model_dump(exclude={"filename", "size_bytes"}))
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await open_campaign(session, reference)
        if await store.count_open(session) >= MAX_OPEN:
            raise Conflict(f"{MAX_OPEN} uploads are under way; finish or delete one.", code="too_many_uploads")
        upload = await store.begin(
            session,
            workspace_id=actor.workspace_id,
            campaign_id=campaign["id"],
            filename=plain_name(given.filename),
            length=given.size_bytes,
            options=options.model_dump(mode="json"),
            created_by=actor.principal,
        )
    return _out(services, upload)


async def read_upload(services: Services, actor: Actor, import_id: UUID) -> UploadOut:
    """How far it has come. Raises NotFound."""
    return _out(services, await _found(services, actor, import_id))


async def continue_upload(
    services: Services, actor: Actor, import_id: UUID, offset: int, body: AsyncIterator[bytes]
) -> UploadOut:
    """Add the bytes of ``body``, which begin at ``offset`` of the file; with the last byte the import starts.

    Whole megabytes stay when the client goes away. Raises NotFound; Conflict for another offset than the one reached,
    with ``upload_offset``, and for an upload that is over; Invalid for more bytes than were announced.
    """
    upload = await _found(services, actor, import_id)
    if offset != upload.offset or not upload.resumable:
        if upload.complete and offset == upload.length and await _is_empty(body):
            return _out(services, upload)  # the last answer was lost
        raise _refusal(upload, offset, 0)
    async with services.database.transaction(actor.workspace_id) as session:
        await open_campaign(session, str(upload.campaign_id))
    reached = await _receive(services, actor, upload, body)
    if reached == upload.length:
        await start_import(services, actor, import_id, upload.campaign_id)
    return await read_upload(services, actor, import_id)


async def _receive(services: Services, actor: Actor, upload: store.Upload, body: AsyncIterator[bytes]) -> int:
    """The number of bytes that are stored afterwards."""
    reached, buffer = upload.offset, bytearray()
    async for data in body:
        buffer += data
        if reached + len(buffer) > upload.length:
            raise _too_many(upload)
        # The last piece waits for the end of the body: nothing is read before it is known that no more bytes come.
        while len(buffer) >= PIECE_BYTES and reached + PIECE_BYTES < upload.length:
            reached = await _store(services, actor, upload.import_id, reached, bytes(buffer[:PIECE_BYTES]))
            del buffer[:PIECE_BYTES]
    if len(buffer) < MIN_APPEND and reached == upload.offset and reached + len(buffer) < upload.length:
        raise invalid("body", "too_small", f"Send at least {MIN_APPEND} bytes at a time, or all that are missing")
    if buffer:
        reached = await _store(services, actor, upload.import_id, reached, bytes(buffer))
    return reached


async def _store(services: Services, actor: Actor, import_id: UUID, offset: int, data: bytes) -> int:
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            return await store.append(session, import_id, offset, data)
    except store.NotAppended:
        raise _refusal(await _found(services, actor, import_id), offset, len(data)) from None


def _refusal(upload: store.Upload, offset: int, size: int) -> Exception:
    if upload.complete:
        return Conflict(
            "The file is complete.",
            code="upload_complete",
            current_status=upload.status,
            extra={"upload_offset": upload.offset},
        )
    if not upload.resumable:
        return Conflict("The upload is over.", code="upload_ended", current_status=upload.status)
    if upload.offset != offset:
        return Conflict(
            f"{upload.offset} bytes are stored: go on from there.",
            code="offset_mismatch",
            extra={"upload_offset": upload.offset},
        )
    if offset + size > upload.length:
        return _too_many(upload)
    return Conflict("Its first bytes are no longer kept: upload the file again.", code="upload_expired")


def _too_many(upload: store.Upload) -> Invalid:
    return invalid("body", "too_large", f"The file was announced with {upload.length} bytes")


async def _is_empty(body: AsyncIterator[bytes]) -> bool:
    async for data in body:
        if data:
            return False
    return True


async def _found(services: Services, actor: Actor, import_id: UUID) -> store.Upload:
    async with services.database.transaction(actor.workspace_id) as session:
        upload = await store.read(session, import_id)
    if upload is None:
        raise NotFound("upload")
    return upload


def _out(services: Services, upload: store.Upload) -> UploadOut:
    workflow_id = import_workflow_id(upload.import_id)
    return UploadOut(
        import_id=upload.import_id,
        offset=upload.offset,
        length=upload.length,
        complete=upload.complete,
        upload_url=f"/api/v1/imports/{upload.import_id}/upload",
        workflow_id=workflow_id,
        trace_url=services.workflows.trace_url(workflow_id),
    )
