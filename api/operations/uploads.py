"""A file of prospects on its way in: stored in pieces of one megabyte as it comes, read by a workflow afterwards."""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.campaigns import find_campaign
from api.operations.errors import Conflict, TooLarge, invalid
from api.operations.services import Services
from api.operations.validation import validated
from api.schemas.prospects import ImportStarted, UploadOptions
from api.schemas.uploads import MAX_FILE
from dialer.domain.actors import Actor
from dialer.domain.prospect_rows import FIELDS
from dialer.domain.states import CampaignStatus
from dialer.prospect_file import FileRefused, ReadOptions, is_package, judge_beginning
from dialer.prospect_file.encodings import named_encoding
from dialer.store import imports, prospect_reads
from workflows.starts import import_workflow_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """Some bytes of the file."""

    filename: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPart:
    """One field beside the file."""

    name: str
    value: str


Part = FilePart | FieldPart


class UploadBroken(Exception):
    """The client went away in the middle."""


class Digest:
    """What makes two uploads the same: the file's bytes and the fields, not how they were cut or ordered."""

    def __init__(self) -> None:
        self._file = hashlib.sha256()
        self._fields: dict[str, str] = {}

    def add(self, part: Part) -> None:
        if isinstance(part, FilePart):
            self._file.update(part.data)
        else:
            # A name that comes twice is a list.
            before = self._fields.get(part.name)
            self._fields[part.name] = part.value if before is None else f"{before}\n{part.value}"

    def value(self, path: str) -> bytes:
        fields = json.dumps(self._fields, sort_keys=True).encode()
        return hashlib.sha256(path.encode() + b"\n" + self._file.digest() + fields).digest()


class Receiving:
    """A file under way: cut anew into the pieces that are stored. Who knows whose it is begins its import."""

    def __init__(self, services: Services, actor: Actor) -> None:
        self.services = services
        self.actor = actor
        self.import_id: UUID | None = None
        self._buffer = bytearray()
        self._position = 0
        self._size = 0

    async def begin(self, filename: str) -> UUID:
        """Make the import, since the file begins."""
        raise NotImplementedError

    async def add(self, part: FilePart) -> None:
        """Some more of the file. Raises TooLarge."""
        if self.import_id is None:
            self.import_id = await self.begin(part.filename)
        self._size += len(part.data)
        if self._size > MAX_FILE:
            raise TooLarge("A file takes at most 1 GB.")
        self._buffer += part.data
        while len(self._buffer) >= imports.PIECE_BYTES:
            await self._store(self.import_id, bytes(self._buffer[: imports.PIECE_BYTES]))
            del self._buffer[: imports.PIECE_BYTES]

    async def flush(self) -> UUID:
        """All of the file has come. Raises Invalid when there was none."""
        if self.import_id is None:
            raise invalid("file", "required", "Send the file in a field named file")
        if self._buffer:
            await self._store(self.import_id, bytes(self._buffer))
            self._buffer.clear()
        return self.import_id

    async def judge(self, import_id: UUID, options: UploadOptions) -> None:
        """Look at the beginning of the stored file. Raises Invalid for what no import could read, whatever follows.

        Of a spreadsheet the beginning tells nothing: a zip's directory is at its end.
        """
        async with self.services.database.transaction(self.actor.workspace_id) as session:
            head = await imports.first_piece(session, import_id)
        if is_package(head) or (self._size and not head):  # no longer stored: finish says why
            return
        chosen = ReadOptions(mapping=options.mapping, encoding=options.encoding)
        try:
            await asyncio.to_thread(judge_beginning, head, chosen, whole=self._size == len(head))
        except FileRefused as refused:
            field = "mapping" if refused.code.startswith("mapping_") else "file"
            raise invalid(field, refused.code, f"{refused.message}. {refused.suggestion}") from None

    async def finish(self, session: AsyncSession, import_id: UUID, options: UploadOptions) -> None:
        """From now on the file may be read."""
        await prospect_reads.set_import_options(session, import_id, options.model_dump(mode="json"))
        await imports.finish_upload(session, import_id)

    async def _store(self, import_id: UUID, piece: bytes) -> None:
        async with self.services.database.transaction(self.actor.workspace_id) as session:
            await imports.append_piece(session, import_id, self._position, piece)
        self._position += 1


class _ReceivingProspects(Receiving):
    """A file for a campaign that is there, and the fields beside it."""

    def __init__(self, services: Services, actor: Actor, campaign_id: UUID) -> None:
        super().__init__(services, actor)
        self._campaign_id = campaign_id
        self._fields: dict[str, Any] = {}
        self._complete = False

    async def take(self, part: Part) -> None:
        if isinstance(part, FieldPart):
            self._fields[part.name] = part.value
        else:
            await self.add(part)

    async def begin(self, filename: str) -> UUID:
        async with self.services.database.transaction(self.actor.workspace_id) as session:
            return await imports.create_import(
                session,
                workspace_id=self.actor.workspace_id,
                campaign_id=self._campaign_id,
                filename=plain_name(filename),
                # Told before the file, it keeps the campaign from waiting for people who will not come.
                options={"dry_run": self._fields.get("dry_run", "").lower() in ("true", "1", "yes", "on")},
                created_by=self.actor.principal,
            )

    async def complete(self) -> UUID:
        import_id = await self.flush()
        options = upload_options(self._fields)
        async with self.services.database.transaction(self.actor.workspace_id) as session:
            await self.finish(session, import_id, options)
        self._complete = True
        return import_id

    async def discard_unless_complete(self) -> None:
        if self.import_id is not None and not self._complete:
            async with self.services.database.transaction(self.actor.workspace_id) as session:
                await prospect_reads.discard_upload(session, self.import_id)


async def upload_prospects(
    services: Services, actor: Actor, reference: str, parts: AsyncIterator[Part], digest: Digest
) -> ImportStarted:
    """Store the file and start reading it. A refused or broken upload leaves nothing behind.

    Raises NotFound, Conflict for a stopped campaign, Invalid for options, TooLarge, UploadBroken.
    """
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await open_campaign(session, reference)
    receiving = _ReceivingProspects(services, actor, campaign["id"])
    try:
        async for part in parts:
            digest.add(part)
            await receiving.take(part)
        import_id = await receiving.complete()
    finally:
        await receiving.discard_unless_complete()
    await start_import(services, actor, import_id, campaign["id"])
    workflow_id = import_workflow_id(import_id)
    return ImportStarted(
        import_id=import_id, workflow_id=workflow_id, trace_url=services.workflows.trace_url(workflow_id)
    )


async def open_campaign(session: AsyncSession, reference: str) -> dict[str, Any]:
    """The campaign, to which people may be added. Raises NotFound; Conflict for a stopped one."""
    campaign = await find_campaign(session, reference)
    if campaign["status"] == CampaignStatus.STOPPED:
        raise Conflict("The campaign is stopped.", code="wrong_status", current_status=campaign["status"])
    return campaign


async def start_import(
    services: Services, actor: Actor, import_id: UUID, campaign_id: UUID, *, retried: int | None = None
) -> None:
    """The file is stored: when Temporal does not answer now, the sweep starts the reading later.

    ``retried`` is the run of an import that is read once more, instead of whatever is left of the one before.
    """
    try:
        await services.workflows.start_import(
            actor.workspace_id, import_id, campaign_id, retried or 1, anew=retried is not None
        )
    except (RPCError, RuntimeError) as error:
        log.warning("import %s could not be started: %s", import_id, type(error).__name__)


def upload_options(given: Mapping[str, Any]) -> UploadOptions:
    """The options of an upload from the fields of a form. Raises Invalid."""
    fields = dict(given)
    if "mapping" in fields:
        try:
            fields["mapping"] = json.loads(fields["mapping"] or "{}")
        except (ValueError, RecursionError):
            raise invalid("mapping", "not_json", 'Write a JSON object such as {"phone": "Mobile"}') from None
    for name in ("default_region", "encoding"):
        if not fields.get(name):
            fields.pop(name, None)
    return checked_options(fields)


def checked_options(given: Mapping[str, Any]) -> UploadOptions:
    """How a file is to be read. Raises Invalid naming the options that are wrong."""
    options = validated(UploadOptions, given)
    unknown = sorted(set(options.mapping) - set(FIELDS))
    if unknown:
        raise invalid("mapping", "unknown_field", f"Columns can be mapped to: {', '.join(FIELDS)}")
    if options.encoding is not None:
        try:
            named_encoding(options.encoding)
        except FileRefused as refused:
            raise invalid("encoding", refused.code, refused.suggestion) from None
    return options


def plain_name(filename: str) -> str:
    """The last part of a path, without what cannot be stored or shown."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in name if sign.isprintable())[:200] or "prospects.csv"
