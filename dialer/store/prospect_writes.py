"""Prospects are written here and nowhere else: by imports, by upserts and one at a time.

One transaction writes a batch in a handful of statements, whatever its size. Locks, in this order: the campaign's
(shared, so that a pause, a stop or a completion does not slip in between), the campaign's writers' (so that two
batches agree who is new), prospects by id, contacts by phone. Batches of a few thousand rows keep both short.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.person_phones import Line, Turn
from dialer.domain.prospect_matching import (
    KnownProspect,
    NewProspect,
    OnDuplicate,
    Person,
    Plan,
    RowProblem,
    is_storable,
    match,
)
from dialer.domain.standings import Circumstances, Standing, settle
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.store.database import one, rows
from dialer.store.drafts import Draft, priority_of, staged
from dialer.store.incoming import keep_plans, look_up_by_index, stage
from dialer.store.locks import share_campaign
from dialer.store.person_phones import lines_of, others_of, replace_other_phones

__all__ = [
    "CampaignClosed",
    "NewProspect",
    "OnDuplicate",
    "RowProblem",
    "Written",
    "add_contacts",
    "circumstances_of",
    "hold_prospects",
    "open_campaign",
    "write_prospects",
]


class CampaignClosed(Exception):
    """Nobody can be added: the campaign is stopped, deleted or of another workspace."""

    def __init__(self, current_status: str) -> None:
        super().__init__(f"the campaign is {current_status}")
        self.current_status = current_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of the rows: ``created + updated + skipped + len(problems)`` is their number.

    ``ids`` has the prospect of every row without a problem, by the row's index; ``repeats`` are the indexes of the
    skipped ones; ``due`` is True when somebody became callable, so that the campaign is to be woken after the commit.
    """

    created: int
    updated: int
    skipped: int
    problems: tuple[RowProblem, ...]
    ids: Mapping[int, UUID]
    due: bool
    repeats: tuple[int, ...] = ()


async def write_prospects(
    session: AsyncSession,
    *,
    workspace_id: UUID,
    campaign_id: UUID,
    prospects: Sequence[NewProspect],
    on_duplicate: OnDuplicate = OnDuplicate.SKIP,
    import_id: UUID | None = None,
    created_by: str | None = None,
    name_new: bool = True,
    contacts: Mapping[str, str] | None = None,
    drafted: Draft | None = None,
) -> Written:
    """Add new people to a campaign, and skip or update those whom it has. Raises CampaignClosed.

    ``contacts`` may have the ids of contacts by phone, from ``add_contacts``; those that it lacks are looked up.
    ``drafted`` may be the draft of these rows with these contacts, which is used as far as it holds.
    Without ``name_new`` the ids may lack those of new people of whom one row speaks: to fetch thousands takes time.
    """
    await share_campaign(session, campaign_id)
    await look_up_by_index(session)
    campaign = await open_campaign(session, workspace_id, campaign_id)
    await hold_prospects(session, campaign_id)
    known = await read_known(session, campaign_id, prospects, lock=on_duplicate is OnDuplicate.UPDATE)
    contacts = contacts or {}
    plan = match(prospects, known, on_duplicate) if drafted is None or known else drafted.plan
    around = await circumstances(session, campaign, plan.judged)
    if drafted is not None:
        # So that who is first in the file is due first, whether a draft of theirs held or not.
        around = replace(around, now=drafted.around.now)
    if drafted is not None and plan is drafted.plan and around == drafted.around:
        rows_of = drafted.staged
    else:
        rows_of = staged(settle(plan, around), contacts)
    settled = rows_of.settled
    written = [person for person, _ in (*settled.created, *settled.changed)]
    await keep_plans(session)
    phones = {phone for person in written for phone in person.facts.phones if phone not in contacts}
    await add_contacts(session, workspace_id, phones)
    await _add_lanes(session, workspace_id, campaign_id, written)
    await stage(session, rows_of.pieces)
    # Updates first: an insert may use what they make, never the other way round.
    await _update(session, workspace_id, settled.changed)
    named = name_new or any(person.facts.other_phones for person in plan.created) or _repeats_new(plan)
    ids = await _insert(session, workspace_id, campaign_id, settled.created, import_id, created_by, named=named)
    await replace_other_phones(session, workspace_id, campaign_id, _changed_others(written, ids))
    return Written(
        created=len(settled.created),
        updated=settled.updates,
        skipped=len(settled.skipped),
        problems=plan.problems,
        ids=_ids_by_index(plan, ids),
        due=any(standing.state is ProspectState.READY for _, standing in (*settled.created, *settled.changed)),
        repeats=tuple(settled.skipped),
    )


async def hold_prospects(session: AsyncSession, campaign_id: UUID) -> None:
    """Keep other writers of the campaign's people out until the transaction ends; also for who edits phone or id."""
    sql = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"
    await session.execute(text(sql), {"key": f"prospects:{campaign_id}"})


# -- reading -------------------------------------------------------------------------------------------------------


def _texts(parameter: str) -> str:
    """SQL for the texts of a JSON array: one parameter of thousands of texts costs a fraction of a real array's."""
    return f"array(SELECT json_array_elements_text(CAST(:{parameter} AS json)))"


async def open_campaign(session: AsyncSession, workspace_id: UUID, campaign_id: UUID) -> Row[Any]:
    """The campaign, if people can be added to it. Raises CampaignClosed."""
    sql = """SELECT id, workspace_id, status, settings, hidden_at FROM campaigns
             WHERE id = :id AND workspace_id = :workspace"""
    campaign = await one(session, sql, {"id": campaign_id, "workspace": workspace_id})
    if campaign is None or campaign.hidden_at is not None:
        raise CampaignClosed("deleted")
    if campaign.status == CampaignStatus.STOPPED:
        raise CampaignClosed(campaign.status)
    return campaign


async def read_known(
    session: AsyncSession, campaign_id: UUID, prospects: Sequence[NewProspect], *, lock: bool
) -> list[KnownProspect]:
    """Whom the campaign has with a phone or an external id of these."""
    sql = f"""
        SELECT id, phone, extension, external_id, name, variables, zone_set, zone_source, priority, state, held_reason,
            next_due_at, attempts - attempts_base AS attempts, phone_at, bad_phones,
            {others_of("p.id")}
        FROM prospects p WHERE id IN (
            SELECT id FROM prospects WHERE campaign_id = :campaign AND phone = ANY({_texts("phones")})
            UNION
            SELECT prospect_id FROM prospect_phones WHERE campaign_id = :campaign AND phone = ANY({_texts("phones")})
            UNION
            SELECT id FROM prospects WHERE campaign_id = :campaign AND external_id = ANY({_texts("external")}))
        ORDER BY id"""
    parameters = {
        "campaign": campaign_id,
        # Sorted, as PostgreSQL needs them to go through an index.
        "phones": json.dumps(sorted({phone for each in prospects for phone in each.phones})),
        # Identifiers that cannot be stored are refused row by row; here they would break the whole statement.
        "external": json.dumps(
            sorted({e for each in prospects if (e := each.external_id) is not None and is_storable(e)})
        ),
    }
    found = await rows(session, sql + (" FOR NO KEY UPDATE" if lock else ""), parameters)
    return [
        KnownProspect(
            id=row.id,
            facts=NewProspect(
                phone=row.phone,
                extension=row.extension,
                other_phones=lines_of(row.other_phones, row.other_extensions),
                external_id=row.external_id,
                name=row.name,
                variables=row.variables,
                zone_set=row.zone_set,
                zone_source=row.zone_source,
                priority=row.priority,
            ),
            state=ProspectState(row.state),
            held_reason=row.held_reason,
            next_due_at=row.next_due_at,
            attempts=row.attempts,
            turn=Turn(at=row.phone_at, bad=row.bad_phones),
        )
        for row in found
    ]


async def circumstances(session: AsyncSession, campaign: Row[Any], people: Sequence[Person]) -> Circumstances:
    """What decides the states of these people besides what is said of them."""
    return await circumstances_of(session, campaign, {phone for each in people for phone in each.facts.phones})


async def circumstances_of(session: AsyncSession, campaign: Row[Any], phones: Collection[str]) -> Circumstances:
    """The same of people with these phones."""
    sql = f"""
        SELECT dialer_now() AS now, array(
            SELECT DISTINCT phone FROM suppressions WHERE workspace_id = :workspace
                AND phone = ANY({_texts("phones")}) AND (campaign_id IS NULL OR campaign_id = :campaign)
        ) AS phones"""
    parameters = {"workspace": campaign.workspace_id, "campaign": campaign.id, "phones": json.dumps(sorted(phones))}
    found = (await rows(session, sql, parameters))[0]
    rules = rules_from_json(campaign.settings)
    return Circumstances(
        suppressed=frozenset(found.phones),
        fixed_zone=rules.hours.zone != PROSPECT_ZONE,
        max_attempts=rules.redial.max_attempts,
        now=found.now,
    )


# -- writing -------------------------------------------------------------------------------------------------------


async def add_contacts(
    session: AsyncSession, workspace_id: UUID, phones: Collection[str], *, named: bool = False
) -> dict[str, str]:
    """Make contacts of the phones that are none yet. Their ids by phone if ``named``, without those that others are
    making meanwhile.

    A contact never changes, is never deleted, and without a prospect means nothing: so those of rows that are written
    next may be made in a transaction before.
    """
    if not phones:
        return {}
    sql = f"""
        INSERT INTO contacts (workspace_id, phone, created_at)
        SELECT :workspace, phone, now.at
        FROM (SELECT dialer_now() AS at OFFSET 0) AS now, unnest({_texts("phones")}) AS phone ORDER BY phone
        ON CONFLICT (workspace_id, phone) DO NOTHING"""
    parameters = {"workspace": workspace_id, "phones": json.dumps(sorted(phones))}
    if not named:
        await session.execute(text(sql), parameters)
        return {}
    made = await rows(session, sql + " RETURNING phone, CAST(id AS text) AS id", parameters)
    ids: dict[str, str] = {row.phone: row.id for row in made}
    if missing := sorted(phone for phone in phones if phone not in ids):
        await look_up_by_index(session)
        sql = f"""SELECT phone, CAST(id AS text) AS id FROM contacts
                  WHERE workspace_id = :workspace AND phone = ANY({_texts("phones")})"""
        parameters = {"workspace": workspace_id, "phones": json.dumps(missing)}
        ids.update((row.phone, row.id) for row in await rows(session, sql, parameters))
        await keep_plans(session)
    return ids


async def _add_lanes(session: AsyncSession, workspace_id: UUID, campaign_id: UUID, people: Sequence[Person]) -> None:
    if not people:
        return
    lanes = sorted({(person.facts.zone_set, priority_of(person)) for person in people})
    sql = """
        INSERT INTO lanes (workspace_id, campaign_id, zone_set, priority)
        SELECT :workspace, :campaign, zone_set, priority
        FROM unnest(CAST(:zone_sets AS text[]), CAST(:priorities AS smallint[])) AS lane(zone_set, priority)
        ORDER BY 3, 4
        ON CONFLICT (campaign_id, zone_set, priority) DO NOTHING"""
    parameters = {
        "workspace": workspace_id,
        "campaign": campaign_id,
        "zone_sets": [zone_set for zone_set, _ in lanes],
        "priorities": [priority for _, priority in lanes],
    }
    await session.execute(text(sql), parameters)


#: Each contact that is not known is looked up by its index, whatever the planner takes the tables' sizes for.
_CONTACT = """
    coalesce(v.contact_id, (SELECT c.id FROM contacts c WHERE c.workspace_id = :workspace AND c.phone = v.phone))"""


async def _update(session: AsyncSession, workspace_id: UUID, people: Sequence[tuple[Person, Standing]]) -> None:
    if not people:
        return
    sql = f"""
        UPDATE prospects p SET phone = v.phone, contact_id = {_CONTACT}, extension = v.extension,
            external_id = v.external_id, name = v.name, variables = v.variables, zone_set = v.zone_set,
            zone_source = v.zone_source, priority = v.priority, state = v.state, held_reason = v.held_reason,
            next_due_at = v.next_due_at, phone_at = v.phone_at, bad_phones = v.bad_phones
        FROM incoming v WHERE p.id = v.id"""
    await session.execute(text(sql), {"workspace": workspace_id})


async def _insert(
    session: AsyncSession,
    workspace_id: UUID,
    campaign_id: UUID,
    people: Sequence[tuple[Person, Standing]],
    import_id: UUID | None,
    created_by: str | None,
    *,
    named: bool,
) -> dict[str, UUID]:
    """The new ids by phone; none unless ``named``."""
    if not people:
        return {}
    # One moment for all: a default would ask for the time twice per row.
    sql = f"""
        INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, extension, external_id, name, variables,
            zone_set, zone_source, priority, state, held_reason, next_due_at, import_id, import_row, created_by,
            created_at, updated_at)
        SELECT :workspace, :campaign, {_CONTACT}, v.phone, v.extension, v.external_id, v.name, v.variables,
            v.zone_set, v.zone_source, v.priority, v.state, v.held_reason, v.next_due_at,
            :import_id, v.import_row, :created_by, now.at, now.at
        FROM (SELECT dialer_now() AS at OFFSET 0) AS now, incoming v WHERE v.id IS NULL ORDER BY v.position"""
    parameters = {
        "workspace": workspace_id,
        "campaign": campaign_id,
        "import_id": import_id,
        "created_by": created_by,
    }
    if named:
        return {row.phone: row.id for row in await rows(session, sql + " RETURNING id, phone", parameters)}
    await session.execute(text(sql), parameters)
    return {}


def _changed_others(people: Sequence[Person], created: Mapping[str, UUID]) -> dict[UUID, Sequence[Line]]:
    """The other phones of those whose other phones are not stored so."""
    changed: dict[UUID, Sequence[Line]] = {}
    for person in people:
        others, known = person.facts.other_phones or (), person.known
        if others != (known.facts.other_phones or () if known is not None else ()):
            changed[created[person.facts.phone] if known is None else known.id] = others
    return changed


def _ids_by_index(plan: Plan, created: Mapping[str, UUID]) -> dict[int, UUID]:
    ids: dict[int, UUID] = {}
    named = [(index, person) for person in (*plan.created, *plan.changed) for index in person.indexes]
    for index, person in [*named, *plan.skipped.items()]:
        if person.known is not None:
            ids[index] = person.known.id
        elif created:
            ids[index] = created[person.facts.phone]
    return ids


def _repeats_new(plan: Plan) -> bool:
    """True when a skipped row is about somebody new, who is then named as the one whom it repeats."""
    return any(person.known is None for person in plan.skipped.values())
