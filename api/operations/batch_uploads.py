"""The one request that makes a batch: its file, stored as it comes, and the fields before and behind it.

Fields that come before the file are checked before anything of it is stored. Fields may come behind it too; until they
have come nobody sees the batch's campaign, and a batch that is refused then leaves nothing behind. So does one whose
file shows by its beginning that it cannot be read.
"""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.batches import read_batch, time_problems
from api.operations.campaign_settings import agent_problem, checked_numbers, dialed_once, settings_of
from api.operations.errors import Conflict, Invalid, invalid
from api.operations.services import Services
from api.operations.uploads import Digest, FilePart, Part, Receiving, plain_name, upload_options
from api.operations.validation import validated
from api.schemas.batches import BatchIn, BatchOut
from api.schemas.prospects import UploadOptions
from dialer.domain.actors import Actor
from dialer.domain.field_errors import FieldError
from dialer.store import batches, campaign_rows, catalog, imports
from dialer.store.locks import hold_campaign

log = logging.getLogger(__name__)

_OF_THE_FILE = frozenset(UploadOptions.model_fields) - {"dry_run"}
#: A JSON document in each of these.
_JSON = frozenset(
    {"schedule", "calling_hours", "redial", "pace", "metadata", "extraction_schema", "display_columns", "rules"}
)


async def create_batch(services: Services, actor: Actor, parts: AsyncIterator[Part], digest: Digest) -> BatchOut:
    """Store the file and start the batch. A refused or broken upload leaves nothing behind.

    Raises Invalid, TooLarge, UploadBroken, and Conflict when somebody cancelled it while its file arrived.
    """
    receiving = _ReceivingBatch(services, actor)
    try:
        async for part in parts:
            digest.add(part)
            await receiving.take(part)
        batch_id, campaign_id, name = await receiving.complete()
    except imports.ImportConflict as error:
        raise Conflict("The batch was cancelled.", code="cancelled", current_status=error.current_status) from None
    finally:
        await receiving.discard_unless_complete()
    try:
        await services.workflows.start_batch(actor.workspace_id, batch_id, campaign_id, name)
    except (RPCError, RuntimeError) as error:
        # The file is stored, and the sweep starts the batch as soon as Temporal answers again.
        log.warning("batch %s could not be started: %s", batch_id, type(error).__name__)
    return await read_batch(services, actor, batch_id)


class _ReceivingBatch(Receiving):
    """A batch under way. Its campaign exists from the file's first byte on, with the fields that have come by then."""

    def __init__(self, services: Services, actor: Actor) -> None:
        super().__init__(services, actor)
        self._fields: dict[str, str] = {}
        self._batch_id = self._campaign_id = UUID(int=0)
        self._began = services.now()
        self._draft: BatchIn | None = None
        self._complete = False

    async def take(self, part: Part) -> None:
        if isinstance(part, FilePart):
            await self.add(part)
        elif part.name not in self._fields:
            self._fields[part.name] = part.value
        elif part.name == "caller_numbers":
            self._fields[part.name] += f",{part.value}"
        else:
            raise invalid(part.name, "given_twice", "This field is given twice")

    async def begin(self, filename: str) -> UUID:
        given = _checked(self._fields)[0] if "agent_id" in _document(self._fields) else None
        async with self.services.database.transaction(self.actor.workspace_id) as session:
            if given is None:
                # Whose agent it is comes behind the file, and a draft cannot be without one.
                agent_id = await batches.some_agent(session)
                if agent_id is None:
                    raise invalid("agent_id", "unknown_agent", "There is no such agent")
                return await self._make(session, filename, BatchIn(agent_id=agent_id), [])
            return await self._make(session, filename, given, await self._numbers(session, given))

    async def _make(self, session: AsyncSession, filename: str, draft: BatchIn, numbers: list[UUID]) -> UUID:
        by, workspace_id = self.actor.principal, self.actor.workspace_id
        self._draft = draft
        self._batch_id = await batches.create(session, workspace_id=workspace_id, created_by=by)
        self._campaign_id = await campaign_rows.create(
            session,
            workspace_id=workspace_id,
            created_by=by,
            name=self._name(draft),
            slug=None,
            agent_id=draft.agent_id,
            settings=settings_of(draft),
            metadata={},
        )
        await campaign_rows.set_numbers(session, workspace_id, self._campaign_id, numbers)
        import_id = await imports.create_import(
            session,
            workspace_id=workspace_id,
            campaign_id=self._campaign_id,
            filename=plain_name(filename),
            options={},
            created_by=by,
        )
        await batches.own(session, self._batch_id, campaign_id=self._campaign_id, import_id=import_id)
        return import_id

    async def complete(self) -> tuple[UUID, UUID, str]:
        """All parts have come: what they say is in force, and the file may be read. Ids of batch and campaign, name."""
        import_id = await self.flush()
        given, options = _checked(self._fields)
        await self.judge(import_id, options)
        async with self.services.database.transaction(self.actor.workspace_id) as session:
            numbers = await self._numbers(session, given)
            await hold_campaign(session, self._campaign_id)
            # First, since it is refused when the batch was cancelled meanwhile.
            await self.finish(session, import_id, options)
            if given != self._draft:
                await self._change(session, given, numbers)
            await batches.settle(
                session,
                self._batch_id,
                scheduled_at=given.scheduled_at,
                ignore_missing_variables=given.ignore_missing_variables,
                metadata=given.metadata,
            )
        self._complete = True
        return self._batch_id, self._campaign_id, self._name(given)

    async def _change(self, session: AsyncSession, given: BatchIn, numbers: list[UUID]) -> None:
        """Fields came behind the file."""
        await campaign_rows.set_numbers(session, self.actor.workspace_id, self._campaign_id, numbers)
        await campaign_rows.change(
            session,
            self._campaign_id,
            name=self._name(given),
            slug=None,
            agent_id=given.agent_id,
            settings=settings_of(given),
            metadata={},
            new_version=True,
        )

    async def discard_unless_complete(self) -> None:
        if self.import_id is not None and not self._complete:
            async with self.services.database.transaction(self.actor.workspace_id) as session:
                await batches.discard(session, self._batch_id)

    async def _numbers(self, session: AsyncSession, given: BatchIn) -> list[UUID]:
        """The batch's caller numbers. Raises Invalid for these, for the agent and for the time."""
        problem = await agent_problem(session, given.agent_id)
        problems = [*dialed_once(settings_of(given)), *([] if problem is None else [problem])]
        problems += time_problems(self.services, settings_of(given), given.scheduled_at)
        if problems:
            raise Invalid(problems)
        phones = given.caller_numbers
        if phones is None:
            phones = await catalog.numbers_of_agent(session, given.agent_id)
        return await checked_numbers(session, phones)

    def _name(self, given: BatchIn) -> str:
        """A file's name may tell of people, and a campaign's name is shown in many places."""
        return given.name or f"Batch of {self._began:%Y-%m-%d %H:%M}"


def _checked(fields: Mapping[str, str]) -> tuple[BatchIn, UploadOptions]:
    """What the fields say. Raises Invalid naming all that are wrong."""
    errors: list[FieldError] = []
    given = options = None
    try:
        options = upload_options({name: value for name, value in fields.items() if name in _OF_THE_FILE})
    except Invalid as error:
        errors += error.errors
    try:
        given = validated(BatchIn, _document(fields))
    except Invalid as error:
        errors += error.errors
    if given is None or options is None:
        raise Invalid(errors)
    return given, options


def _document(fields: Mapping[str, str]) -> dict[str, Any]:
    """One document from ``rules`` and the fields beside it. Raises Invalid."""
    document: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _OF_THE_FILE:
            continue
        read = _numbers(value) if name == "caller_numbers" else _json(name, value) if name in _JSON else value
        if name != "rules":
            document[name] = read if read != "" else None
    rules: Any = _json("rules", fields["rules"]) if fields.get("rules") else {}
    if not isinstance(rules, dict):
        raise invalid("rules", "not_an_object", 'Write a JSON object such as {"pace": {"max_concurrent": 10}}')
    twice = sorted(document.keys() & rules.keys())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    if twice:
        raise invalid(twice[0], "given_twice", "This is given as a field, and in rules too")
    return {**document, **rules}


def _json(name: str, value: str) -> Any:
    try:
        return json.loads(value or "null")
    except (ValueError, RecursionError):
        raise invalid(name, "not_json", "Write JSON in this field") from None


def _numbers(value: str) -> Any:
    """A JSON list, or numbers with commas between them."""
    if value.lstrip().startswith("["):
        return _json("caller_numbers", value)
    return [each.strip() for each in value.split(",") if each.strip()] or None
