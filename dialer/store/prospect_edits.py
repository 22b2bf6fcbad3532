"""One prospect edited by a person. What is written is decided by the same rules as for a row of a file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.person_phones import Turn, once_each
from dialer.domain.prospect_matching import (
    DEFAULT_PRIORITY,
    KnownProspect,
    NewProspect,
    Person,
)
from dialer.domain.standings import Circumstances, Standing, standing_of
from dialer.domain.states import ProspectState
from dialer.store.database import one
from dialer.store.locks import share_campaign
from dialer.store.person_phones import lines_of, others_of, replace_other_phones
from dialer.store.prospect_writes import hold_prospects


class InCall(Exception):
    """The phones of somebody who is in a call cannot be changed now."""


class PhoneTaken(Exception):
    """Another person of the campaign has one of the phones."""


async def edit_prospect(
    session: AsyncSession, prospect_id: UUID, campaign_id: UUID, changes: Mapping[str, Any]
) -> bool:
    """Change fields of a ``NewProspect`` (and ``metadata``) of one person; True when they may be callable sooner by it.

    Raises LookupError, InCall, PhoneTaken, and IntegrityError when another person of the campaign has the external id.
    """
    await share_campaign(session, campaign_id)
    await hold_prospects(session, campaign_id)
    sql = f"""SELECT p.*, c.settings, {others_of("p.id")}
             FROM prospects p JOIN campaigns c ON c.id = p.campaign_id
             WHERE p.id = :id FOR NO KEY UPDATE OF p"""
    row = await one(session, sql, {"id": prospect_id})
    if row is None:
        raise LookupError(f"there is no prospect {prospect_id}")
    given = dict(changes)
    metadata = given.pop("metadata", row.metadata)
    known = _known(row)
    facts = replace(known.facts, **given)
    facts = replace(facts, other_phones=once_each(facts.lines)[1:])
    if facts.phones != known.facts.phones:
        if row.state == ProspectState.IN_CALL:
            raise InCall
        await _check_free(session, row, facts)
    standing = await _standing(session, row, facts, known)
    await _write(session, row, Person(facts=facts, known=known), standing, metadata)
    return standing.state is ProspectState.READY and (
        row.state != ProspectState.READY or facts.zone_set != row.zone_set or facts.priority != row.priority
    )


async def _check_free(session: AsyncSession, row: Any, facts: NewProspect) -> None:
    sql = """
        SELECT 1 FROM prospects WHERE campaign_id = :campaign AND phone = ANY(:phones) AND id <> :id
        UNION ALL
        SELECT 1 FROM prospect_phones WHERE campaign_id = :campaign AND phone = ANY(:phones) AND prospect_id <> :id"""
    parameters = {"campaign": row.campaign_id, "phones": list(facts.phones), "id": row.id}
    if await one(session, sql, parameters) is not None:
        raise PhoneTaken


def _known(row: Any) -> KnownProspect:
    facts = NewProspect(
        phone=row.phone,
        extension=row.extension,
        other_phones=lines_of(row.other_phones, row.other_extensions),
        external_id=row.external_id,
        name=row.name,
        variables=row.variables,
        zone_set=row.zone_set,
        zone_source=row.zone_source,
        priority=row.priority,
    )
    return KnownProspect(
        id=row.id,
        facts=facts,
        state=ProspectState(row.state),
        held_reason=row.held_reason,
        next_due_at=row.next_due_at,
        attempts=row.attempts - row.attempts_base,
        turn=Turn(at=row.phone_at, bad=row.bad_phones),
    )


async def _standing(session: AsyncSession, row: Any, facts: NewProspect, known: KnownProspect) -> Standing:
    sql = """SELECT dialer_now() AS now, ARRAY(SELECT phone FROM suppressions WHERE phone = ANY(:phones)
                AND (campaign_id IS NULL OR campaign_id = :campaign)) AS suppressed"""
    around = await one(session, sql, {"phones": list(facts.phones), "campaign": row.campaign_id})
    assert around is not None
    rules = rules_from_json(row.settings)
    circumstances = Circumstances(
        suppressed=frozenset(around.suppressed),
        fixed_zone=rules.hours.zone != PROSPECT_ZONE,
        max_attempts=rules.redial.max_attempts,
        now=around.now,
    )
    return standing_of(Person(facts=facts, known=known), circumstances)


async def _write(
    session: AsyncSession, row: Any, person: Person, standing: Standing, metadata: Mapping[str, Any]
) -> None:
    facts = person.facts
    parameters = {
        "id": row.id,
        "workspace": row.workspace_id,
        "campaign": row.campaign_id,
        "phone": facts.phone,
        "phones": sorted(facts.phones),
        "phone_at": person.turn.at,
        "bad_phones": person.turn.bad,
        "extension": facts.extension,
        "external": facts.external_id,
        "name": facts.name,
        "variables": json.dumps(dict(facts.variables)),
        "zone_set": facts.zone_set,
        "zone_source": facts.zone_source,
        "priority": DEFAULT_PRIORITY if facts.priority is None else facts.priority,
        "state": standing.state.value,
        "held": standing.held_reason,
        "due": standing.next_due_at,
        "metadata": json.dumps(dict(metadata)),
    }
    sql = """INSERT INTO contacts (workspace_id, phone) SELECT :workspace, unnest(CAST(:phones AS text[]))
             ON CONFLICT DO NOTHING"""
    await session.execute(text(sql), parameters)
    sql = """INSERT INTO lanes (workspace_id, campaign_id, zone_set, priority)
             VALUES (:workspace, :campaign, :zone_set, :priority) ON CONFLICT DO NOTHING"""
    await session.execute(text(sql), parameters)
    sql = """
        UPDATE prospects SET phone = :phone, extension = :extension, external_id = :external, name = :name,
            contact_id = (SELECT id FROM contacts WHERE workspace_id = :workspace AND phone = :phone),
            variables = CAST(:variables AS jsonb), zone_set = :zone_set, zone_source = :zone_source,
            priority = :priority, state = :state, held_reason = :held, next_due_at = :due,
            metadata = CAST(:metadata AS jsonb), phone_at = :phone_at, bad_phones = :bad_phones
        WHERE id = :id"""
    await session.execute(text(sql), parameters)
    assert person.known is not None
    if facts.lines[1:] != person.known.facts.lines[1:]:
        await replace_other_phones(session, row.workspace_id, row.campaign_id, {row.id: facts.lines[1:]})
