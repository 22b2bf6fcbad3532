"""People in campaigns."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaigns import find_campaign
from api.operations.errors import Conflict, FieldError, Invalid, NotFound, invalid
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.prospect_variables import missing_of
from api.operations.services import Services
from api.operations.validation import field_errors
from api.operations.waking import wake_campaign
from api.schemas.base import Page
from api.schemas.prospects import (
    ItemError,
    ProspectFilters,
    ProspectIn,
    ProspectOut,
    ProspectPatch,
    UpsertIn,
    UpsertOut,
)
from dialer.domain.actors import Actor
from dialer.domain.person_phones import Line, once_each
from dialer.domain.phones import Phone, PhoneRefused, parse_phone
from dialer.domain.prospect_matching import DEFAULT_PRIORITY, NewProspect, OnDuplicate
from dialer.domain.states import ProspectState
from dialer.domain.zones import ZoneSet, resolve_zones
from dialer.prospect_file.columns import is_ours
from dialer.store import pages, prospect_reads
from dialer.store.callback_requests import is_waiting
from dialer.store.catalog import read
from dialer.store.database import violated
from dialer.store.person_phones import lines_of
from dialer.store.prospect_edits import InCall, PhoneTaken, edit_prospect
from dialer.store.prospect_writes import CampaignClosed, Written, hold_prospects, write_prospects
from dialer.store.tables import Workspace


async def list_prospects(
    services: Services, actor: Actor, reference: str, filters: ProspectFilters, request: ListRequest
) -> Page[ProspectOut]:
    """Raises NotFound, and Invalid for a phone, sort or cursor that is none."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        conditions = await people_of(session, actor, campaign["id"], filters)
        found = await listed(session, prospect_reads.PROSPECTS, conditions, request)
    return Page(items=[prospect_out(item) for item in found.items], next_cursor=found.next_cursor)


async def people_of(
    session: AsyncSession, actor: Actor, campaign_id: UUID, filters: ProspectFilters
) -> pages.Conditions:
    """Which people of a campaign a list or a file shows. Raises Invalid for a phone that is none."""
    phone = None
    if filters.phone:
        phone = _phone(filters.phone, await _default_region(session, actor)).e164
    return pages.where(
        {
            **created(filters),
            "campaign": ("t.campaign_id = :campaign", campaign_id),
            "state": prospect_reads.in_state(filters.state),
            "import": ("t.import_id = :import", filters.import_id),
            "disposition": ("t.last_disposition = :disposition", filters.last_disposition),
            "external_id": ("t.external_id = :external_id", filters.external_id),
            "zone_source": ("t.zone_source = :zone_source", filters.time_zone_source),
            "phone": (
                """t.id IN (SELECT id FROM prospects WHERE campaign_id = :campaign AND phone = :phone UNION ALL
                    SELECT o.prospect_id FROM prospect_phones o JOIN contacts c ON c.id = o.contact_id
                    WHERE c.phone = :phone)""",
                phone,
            ),
            "search": (
                """(t.name ILIKE :search OR t.phone LIKE :search OR t.external_id ILIKE :search OR EXISTS (
                    SELECT 1 FROM prospect_phones o WHERE o.prospect_id = t.id AND o.phone LIKE :search))""",
                pages.contains(filters.search),
            ),
        }
    )


async def read_prospect(services: Services, actor: Actor, prospect_id: UUID) -> ProspectOut:
    async with services.database.transaction(actor.workspace_id) as session:
        return prospect_out(await _found(session, prospect_id))


async def add_prospect(services: Services, actor: Actor, reference: str, given: ProspectIn) -> ProspectOut:
    """Raises Invalid for a phone that is none, Conflict for somebody whom the campaign has."""
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        region = await _default_region(session, actor)
        written = await _write(session, actor, campaign["id"], [_row(given, region)], OnDuplicate.SKIP)
        if written.problems:
            problem = written.problems[0]
            raise Invalid([FieldError(field=problem.column, code=problem.code, message=problem.message)])
        if not written.created:
            known = str(written.ids[0])
            raise Conflict(
                "The campaign has this phone or external_id.", code="prospect_exists", extra={"prospect_id": known}
            )
        prospect = prospect_out(await _found(session, written.ids[0]))
    if written.due:
        await wake_campaign(services, actor.workspace_id, campaign["id"])
    return prospect


async def upsert_prospects(services: Services, actor: Actor, reference: str, given: UpsertIn) -> UpsertOut:
    """Write the good items and say what is wrong with the others."""
    good: list[NewProspect] = []
    places: list[int] = []
    errors: list[ItemError] = []
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        region = await _default_region(session, actor)
        for index, item in enumerate(given.items):
            try:
                said = {name: value for name, value in item.items() if not is_ours(name)}
                good.append(_row(ProspectIn.model_validate(said), region))
                places.append(index)
            except ValidationError as error:
                errors.append(_item_error(index, field_errors(error.errors(include_url=False))[0]))
            except Invalid as error:
                errors.append(_item_error(index, error.errors[0]))
        written = await _write(session, actor, campaign["id"], good, OnDuplicate.UPDATE)
        lacking = await missing_of(session, campaign, people=[*written.ids.values()])
    errors += [
        ItemError(
            index=places[problem.index],
            field=problem.column,
            code=problem.code,
            message=problem.message,
            suggestion=problem.suggestion,
        )
        for problem in written.problems
    ]
    if written.due:
        await wake_campaign(services, actor.workspace_id, campaign["id"])
    return UpsertOut(
        created=written.created,
        updated=written.updated + written.skipped,
        failed=len(errors),
        errors=sorted(errors, key=lambda each: each.index),
        missing_variables=lacking,
    )


async def change_prospect(services: Services, actor: Actor, prospect_id: UUID, patch: ProspectPatch) -> ProspectOut:
    """Raises NotFound, Invalid, and Conflict for a phone or external_id that somebody else has."""
    given = patch.model_dump(exclude_unset=True)
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            row = await _found(session, prospect_id)
            changes = await _changes(session, actor, row, given)
            due = await edit_prospect(session, prospect_id, row["campaign_id"], changes)
            prospect = prospect_out(await _found(session, prospect_id))
    except IntegrityError as error:
        if violated(error) in ("uq_prospects_campaign_id_phone", "uq_prospects_campaign_id_external_id"):
            raise Conflict("Another prospect of the campaign has this.", code="prospect_exists") from None
        raise
    except PhoneTaken:
        raise Conflict("Another prospect of the campaign has this.", code="prospect_exists") from None
    except InCall:
        raise Conflict(
            "This prospect is in a call; the phones cannot be changed now.",
            code="prospect_in_call",
            current_status=ProspectState.IN_CALL,
        ) from None
    if due:
        await wake_campaign(services, actor.workspace_id, prospect.campaign_id)
    return prospect


async def delete_prospect(services: Services, actor: Actor, prospect_id: UUID) -> None:
    """Raises NotFound; Conflict for somebody who was called, whose calls are evidence."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await _found(session, prospect_id)
        await hold_prospects(session, row["campaign_id"])
        row = await _found(session, prospect_id, lock=True)
        if row["state"] == ProspectState.IN_CALL:
            raise Conflict(
                "This prospect is in a call: hang it up, and suppress the phone.",
                code="prospect_in_call",
                current_status=row["state"],
            )
        if await prospect_reads.was_called(session, prospect_id):
            raise Conflict(
                "This prospect was called: suppress the phone instead.",
                code="prospect_called",
                current_status=row["state"],
            )
        await prospect_reads.delete(session, prospect_id)


async def _changes(
    session: AsyncSession, actor: Actor, row: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    changes = {name: given[name] for name in ("external_id", "name", "metadata") if name in given}
    phone = row["phone"]
    others: Sequence[str] = row["other_phones"]
    if "phone" in given:
        found = _phone(given["phone"], await _default_region(session, actor))
        phone, changes["phone"], changes["extension"] = found.e164, found.e164, found.extension
    if "other_phones" in given:
        changes["other_phones"] = _others(given["other_phones"], await _default_region(session, actor))
        others = [line.phone for line in changes["other_phones"]]
    if "variables" in given:
        changes["variables"] = {**row["variables"], **given["variables"]}
    if "priority" in given:
        changes["priority"] = DEFAULT_PRIORITY - given["priority"]
    moved = phone != row["phone"] and row["zone_source"] != "explicit"
    elsewhere = list(others) != row["other_phones"] and row["zone_source"] in ("phone", "none")
    if "time_zone" in given or moved or elsewhere:
        zones = resolve_zones(explicit=given.get("time_zone"), phone=phone, other_phones=others)
        changes["zone_set"] = "" if zones.zone_set is None else zones.zone_set.key
        changes["zone_source"] = zones.source
    return changes


async def _found(session: AsyncSession, prospect_id: UUID, *, lock: bool = False) -> dict[str, Any]:
    row = await prospect_reads.find(session, prospect_id, lock=lock)
    if row is None:
        raise NotFound("prospect")
    return row


async def _write(
    session: AsyncSession, actor: Actor, campaign_id: UUID, people: Sequence[NewProspect], on_duplicate: OnDuplicate
) -> Written:
    try:
        return await write_prospects(
            session,
            workspace_id=actor.workspace_id,
            campaign_id=campaign_id,
            prospects=people,
            on_duplicate=on_duplicate,
            created_by=actor.principal,
        )
    except CampaignClosed as error:
        raise Conflict(
            f"The campaign is {error.current_status}.", code="wrong_status", current_status=error.current_status
        ) from None


async def _default_region(session: AsyncSession, actor: Actor) -> str | None:
    workspace = await read(session, Workspace, actor.workspace_id)
    return None if workspace is None else workspace["default_region"]


def _row(given: ProspectIn, default_region: str | None) -> NewProspect:
    country = given.country.upper() if given.country else None
    phone = _phone(given.phone, country or default_region)
    others = None if given.other_phones is None else _others(given.other_phones, country or default_region)
    zones = resolve_zones(
        explicit=given.time_zone,
        country=country,
        region=given.region,
        postal_code=given.postal_code,
        phone=phone.e164,
        other_phones=[line.phone for line in others or ()],
    )
    return NewProspect(
        phone=phone.e164,
        other_phones=others,
        extension=given.extension or phone.extension,
        external_id=given.external_id,
        name=given.name,
        variables=given.variables,
        zone_set="" if zones.zone_set is None else zones.zone_set.key,
        zone_source=zones.source,
        priority=None if given.priority is None else DEFAULT_PRIORITY - given.priority,
    )


def _others(raw: Sequence[str], region: str | None) -> tuple[Line, ...]:
    phones = (_phone(each, region, field=f"other_phones.{place}") for place, each in enumerate(raw))
    return once_each(Line(phone.e164, phone.extension) for phone in phones)


def _phone(raw: str, region: str | None, *, field: str = "phone") -> Phone:
    try:
        return parse_phone(raw, region)
    except PhoneRefused as error:
        raise invalid(field, error.code, f"{error.message}. {error.suggestion}.") from None


def _item_error(index: int, error: FieldError) -> ItemError:
    return ItemError(index=index, field=error.field, code=error.code, message=error.message)


def prospect_out(row: Mapping[str, Any]) -> ProspectOut:
    """A stored prospect as clients read it. Stored priorities grow downwards, those of clients upwards."""
    zones = ZoneSet.parse(row["zone_set"]).names if row["zone_set"] else ()
    lines = lines_of(row["other_phones"], row["other_extensions"])
    return ProspectOut.model_validate(
        {
            **row,
            "other_phones": [f"{line.phone} x{line.extension}" if line.extension else line.phone for line in lines],
            "next_phone": (row["phone"], *row["other_phones"])[row["phone_at"]],
            "time_zones": list(zones),
            "time_zone_source": row["zone_source"],
            "priority": DEFAULT_PRIORITY - row["priority"],
            "callback_at": row["callback_at"] if is_waiting(row["state"]) else None,
        }
    )
