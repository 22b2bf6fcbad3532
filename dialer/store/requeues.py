"""People who were not reached are called again: a fresh allowance of attempts, kept as evidence of why.

One row per requeue, which also holds how far it has come; people are taken batch by batch in short transactions, so
that a million of them hinder nobody, and a requeue that broke off goes on where it stopped.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.redial import REQUEUEABLE, UNREACHED
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.store.control import StateConflict
from dialer.store.database import Database, one, rows
from dialer.store.locks import share_campaign
from dialer.store.person_phones import SUPPRESSED
from dialer.store.tables.base import LIVE

BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Who is called again: people in one of ``states`` whose last call ended so, or brought one of the outcomes.

    Without ``dispositions`` and ``outcomes``: everybody in those states, also who was never called. ``attempts`` is
    the fresh allowance, None for what the campaign's policy gives; nobody is due before ``not_before``.
    """

    states: tuple[ProspectState, ...] = UNREACHED
    dispositions: tuple[Disposition, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    attempts: int | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued:
    """How far a requeue has come. ``skipped`` counts the others who match ``dispositions`` and ``outcomes``, by why.

    ``suppressed``, ``opted_out``, ``live`` (in a call), ``no_time_zone``, or the name of a state that was not chosen.
    """

    requeue_id: UUID | None
    requeued: int
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])
    finished: bool = True


async def requeue_people(
    database: Database,
    workspace_id: UUID,
    campaign_id: UUID,
    chosen: Chosen,
    *,
    created_by: str | None = None,
    requeue_id: UUID | None = None,
) -> Requeued:
    """Make everybody chosen ``ready`` again with a fresh allowance, in transactions of BATCH people; what became of it.

    Never somebody who is suppressed, has opted out or is in a call. Attempt numbers go on counting; the redial delays
    begin anew, and nobody is called over ``chosen.attempts`` times (or the policy's) from here on. The campaign may be
    a draft, scheduled, running, paused or completed; its status stays as it is: a completed one calls nobody before
    its next launch. Wake the campaign afterwards (``waking.wake``).

    With a ``requeue_id`` of the caller's own, the same call again goes on where the first stopped, and once that is
    finished changes nothing and returns the same counts. Raises StateConflict when the campaign is stopped, also while
    people are taken; LookupError when there is none.
    """
    async with database.transaction(workspace_id) as session:
        begun = await begin_requeue(session, campaign_id, chosen, created_by=created_by, requeue_id=requeue_id)
    while True:
        async with database.transaction(workspace_id) as session:
            step = await requeue_batch(session, begun)
        if step.finished:
            return step


async def begin_requeue(
    session: AsyncSession,
    campaign_id: UUID,
    chosen: Chosen,
    *,
    created_by: str | None = None,
    requeue_id: UUID | None = None,
) -> UUID:
    """Write down who is to be called again; nobody is yet. Raises StateConflict, LookupError, ValueError."""
    refused = set(chosen.states) - REQUEUEABLE
    if refused or not chosen.states:
        raise ValueError(f"people who are {', '.join(sorted(refused)) or 'nothing'} are not requeued")
    await share_campaign(session, campaign_id)
    campaign = await _open_campaign(session, campaign_id)
    sql = """
        INSERT INTO requeues (id, workspace_id, campaign_id, created_by, chosen, attempts, not_before)
        VALUES (coalesce(CAST(:id AS uuid), uuidv7()), :workspace, :campaign, :by, CAST(:chosen AS jsonb), :attempts,
            :not_before)
        ON CONFLICT (id) DO NOTHING RETURNING id"""
    parameters = {
        "id": requeue_id,
        "workspace": campaign.workspace_id,
        "campaign": campaign_id,
        "by": created_by,
        "chosen": json.dumps(_chosen_json(chosen)),
        "attempts": chosen.attempts,
        "not_before": chosen.not_before,
    }
    row = await one(session, sql, parameters)
    if row is not None:
        return row.id
    assert requeue_id is not None
    return requeue_id


async def requeue_batch(session: AsyncSession, requeue_id: UUID) -> Requeued:
    """Take the next BATCH people; what became of all so far. Raises StateConflict, LookupError."""
    known = await one(session, "SELECT campaign_id FROM requeues WHERE id = :id", {"id": requeue_id})
    if known is None:
        raise LookupError(f"there is no requeue {requeue_id}")
    # A pause, a stop or a completion does not slip in between the look and the writing.
    await share_campaign(session, known.campaign_id)
    row = await one(session, "SELECT * FROM requeues WHERE id = :id FOR NO KEY UPDATE", {"id": requeue_id})
    assert row is not None
    if row.finished_at is not None:
        return _told(row.id, row.requeued, row.skipped, finished=True)
    campaign = await _open_campaign(session, row.campaign_id)
    states: list[str] = row.chosen["states"]
    at_state = row.at_state or states[0]
    skipped = Counter[str](row.skipped)
    if row.at_state is None:
        skipped += await _others(session, row.campaign_id, row.chosen)
    taken = await _take(session, campaign, row, at_state)
    skipped += Counter({why: n for why, n in taken.why.items() if why != "requeued"})
    requeued = row.requeued + taken.why["requeued"]
    at_end = taken.last_id is None
    last_state = at_state == states[-1]
    following = states[states.index(at_state) + 1] if at_end and not last_state else at_state
    sql = """
        UPDATE requeues SET at_state = :state, after_id = :after, requeued = :requeued,
            skipped = CAST(:skipped AS jsonb), finished_at = CASE WHEN :finished THEN dialer_now() END
        WHERE id = :id"""
    parameters = {
        "id": requeue_id,
        "state": following,
        "after": taken.last_id,
        "requeued": requeued,
        "skipped": json.dumps(skipped),
        "finished": at_end and last_state,
    }
    await session.execute(text(sql), parameters)
    return _told(requeue_id, requeued, skipped, finished=at_end and last_state)


async def count_requeue(session: AsyncSession, campaign_id: UUID, chosen: Chosen) -> Requeued:
    """What a requeue would do now, without doing it. Raises StateConflict, LookupError."""
    campaign = await _open_campaign(session, campaign_id)
    wanted = _chosen_json(chosen)
    sql = f"""SELECT why, count(*) AS n FROM (
        SELECT {_WHY} AS why FROM prospects p WHERE p.campaign_id = :campaign AND p.state = ANY(:states) AND {_MATCH}
        ) AS looked GROUP BY why"""
    parameters = {"campaign": campaign_id, "fixed": _fixed_zone(campaign), **_parameters(wanted)}
    counts = Counter({row.why: row.n for row in await rows(session, sql, {**parameters, "states": wanted["states"]})})
    requeued = counts.pop("requeued", 0)
    return _told(None, requeued, counts + await _others(session, campaign_id, wanted), finished=True)


#: Prospect ``p``'s last call ended as was chosen.
_MATCH = """(CAST(:everybody AS boolean) OR p.last_disposition = ANY(CAST(:dispositions AS text[]))
    OR p.last_outcome = ANY(CAST(:outcomes AS text[])))"""
_WHY = f"""CASE WHEN {SUPPRESSED} THEN 'suppressed' WHEN p.last_outcome = '{Outcome.DNC_REQUESTED}' THEN 'opted_out'
    WHEN EXISTS (SELECT 1 FROM calls c WHERE c.prospect_id = p.id AND c.{LIVE}) THEN 'live'
    WHEN p.zone_set = '' AND NOT CAST(:fixed AS boolean) THEN 'no_time_zone' ELSE 'requeued' END"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """``last_id`` is None when the state had no more people."""

    last_id: UUID | None
    why: Counter[str]


async def _take(session: AsyncSession, campaign: Row[Any], requeue: Row[Any], state: str) -> _Taken:
    """Lock a batch in order of id, and requeue whoever may be.

    Nobody is locked out of order, and nobody whom the batch has locked is claimed: a claim looks at ready people only.
    The phones that were left out stay so, unless that left nobody to be called.
    """
    sql = f"""
        WITH batch AS (
            SELECT p.id, {_WHY} AS why FROM prospects p
            WHERE p.campaign_id = :campaign AND p.state = :state AND {_MATCH}
                AND p.id > CAST(:after AS uuid)
            ORDER BY p.id LIMIT :batch FOR NO KEY UPDATE OF p
        ), done AS (
            UPDATE prospects p SET state = 'ready', held_reason = NULL, attempts_base = p.attempts,
                allowance = :attempts, requeue_id = :requeue, callback_id = NULL, callback_at = NULL,
                next_due_at = greatest(dialer_now(), CAST(:not_before AS timestamptz)),
                bad_phones = CASE WHEN good.phone IS NULL THEN 0 ELSE p.bad_phones END,
                phone_at = coalesce(good.phone, 0)
            FROM batch LEFT JOIN LATERAL (
                SELECT min(i) AS phone FROM prospects q, generate_series(0, (SELECT count(*) FROM prospect_phones o
                    WHERE o.prospect_id = q.id)::int) AS i WHERE q.id = batch.id AND (q.bad_phones >> i) & 1 = 0
            ) AS good ON true
            WHERE p.id = batch.id AND batch.why = 'requeued' RETURNING p.id
        )
        SELECT why, count(*) AS n, max(CAST(id AS text)) AS last_id FROM batch GROUP BY why"""
    parameters = {
        "campaign": campaign.id,
        "fixed": _fixed_zone(campaign),
        "state": state,
        "after": requeue.after_id or UUID(int=0),
        "batch": BATCH,
        "attempts": requeue.attempts,
        "requeue": requeue.id,
        "not_before": requeue.not_before,
        **_parameters(requeue.chosen),
    }
    found = await rows(session, sql, parameters)
    counts = Counter({row.why: row.n for row in found})
    more = counts.total() == BATCH
    return _Taken(last_id=UUID(max(row.last_id for row in found)) if more else None, why=counts)


async def _others(session: AsyncSession, campaign_id: UUID, chosen: Mapping[str, Any]) -> Counter[str]:
    """Who matches and is in no chosen state, by state: tallied when everybody matches, else counted."""
    sql = f"""SELECT p.state, count(*) AS n FROM prospects p
              WHERE p.campaign_id = :campaign AND p.state <> ALL(:states) AND {_MATCH} GROUP BY p.state"""
    parameters = {"campaign": campaign_id, "states": chosen["states"], **_parameters(chosen)}
    if parameters["everybody"]:
        sql = """SELECT key AS state, sum(n)::bigint AS n FROM tallies
                 WHERE campaign_id = :campaign AND kind = 'state' AND key <> ALL(:states) GROUP BY key"""
    found = await rows(session, sql, parameters)
    return Counter({_why_left(ProspectState(row.state)): row.n for row in found})


def _why_left(state: ProspectState) -> str:
    return "live" if state is ProspectState.IN_CALL else state.value


async def _open_campaign(session: AsyncSession, campaign_id: UUID) -> Row[Any]:
    sql = "SELECT id, workspace_id, status, settings FROM campaigns WHERE id = :id AND hidden_at IS NULL"
    campaign = await one(session, sql, {"id": campaign_id})
    if campaign is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    if campaign.status == CampaignStatus.STOPPED:
        raise StateConflict(campaign.status)
    return campaign


def _fixed_zone(campaign: Row[Any]) -> bool:
    return rules_from_json(campaign.settings).hours.zone != PROSPECT_ZONE


def _chosen_json(chosen: Chosen) -> dict[str, Any]:
    return {
        "states": [state.value for state in dict.fromkeys(chosen.states)],
        "dispositions": [disposition.value for disposition in chosen.dispositions],
        "outcomes": [outcome.value for outcome in chosen.outcomes],
    }


def _parameters(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "everybody": not (chosen["dispositions"] or chosen["outcomes"]),
        "dispositions": chosen["dispositions"],
        "outcomes": chosen["outcomes"],
    }


def _told(requeue_id: UUID | None, requeued: int, skipped: Mapping[str, int], *, finished: bool) -> Requeued:
    counts = {why: n for why, n in sorted(skipped.items()) if n}
    return Requeued(requeue_id=requeue_id, requeued=requeued, skipped=counts, finished=finished)
