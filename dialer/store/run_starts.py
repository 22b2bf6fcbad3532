"""Starting a run that is due: the same compare-and-set under the same lock, whoever fires, and once per moment."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.recurrence import Dial
from dialer.domain.runs import RunOutcome, RunReason, RunTrigger, Verdict, judge_run
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.store import runs
from dialer.store.control import StateConflict, start_scheduled
from dialer.store.database import Database, one
from dialer.store.locks import hold_campaign
from dialer.store.requeues import Chosen, requeue_people

#: Whom a run calls again, if the campaign wants that: those for whom the policy had no attempt left.
NOT_REACHED = Chosen(states=(ProspectState.EXHAUSTED,))
#: What is no run of the campaign, or not yet one, leaves no trace.
UNNOTED = (RunReason.NOT_SCHEDULED, RunReason.CLOCK_CHANGED, RunReason.TOO_EARLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """``name`` is the campaign's, None when it is gone; ``changed`` is False when the run was known already."""

    verdict: Verdict
    name: str | None
    changed: bool
    dial: Dial = Dial.NEW


async def begin_run(session: AsyncSession, campaign_id: UUID, due_at: datetime) -> BegunRun:
    """``scheduled`` becomes running for the run that was due at ``due_at``, or it is noted why not. Idempotent."""
    await hold_campaign(session, campaign_id)
    begun = await judge(session, campaign_id, due_at)
    verdict = begun.verdict
    if not begun.changed:
        return begun
    if verdict.outcome is RunOutcome.RUNNING:
        await start_scheduled(session, campaign_id)
        await runs.open_run(session, campaign_id, RunTrigger.SCHEDULE, due_at)
    elif verdict.reason not in UNNOTED:
        await runs.note_unstarted(session, campaign_id, due_at, verdict.outcome, verdict.reason)
    return begun


async def judge(session: AsyncSession, campaign_id: UUID, due_at: datetime) -> BegunRun:
    """What ``begin_run`` would find, without doing it."""
    sql = """SELECT name, status, settings, dialer_now() AS now FROM campaigns
             WHERE id = :id AND hidden_at IS NULL"""
    row = await one(session, sql, {"id": campaign_id})
    if row is None:
        gone = Verdict(outcome=RunOutcome.SKIPPED, reason=RunReason.NOT_SCHEDULED)
        return BegunRun(verdict=gone, name=None, changed=False)
    recurrence = rules_from_json(row.settings).recurrence
    dial = Dial.NEW if recurrence is None else recurrence.dial
    known = await runs.run_due_at(session, campaign_id, due_at)
    if known is not None:
        reason = None if known.reason is None else RunReason(known.reason)
        before = Verdict(outcome=RunOutcome(known.outcome), reason=reason)
        return BegunRun(verdict=before, name=row.name, changed=False, dial=dial)
    last = await runs.last_started_at(session, campaign_id)
    verdict = judge_run(due_at, row.now, CampaignStatus(row.status), recurrence, last)
    return BegunRun(verdict=verdict, name=row.name, changed=True, dial=dial)


async def requeue_for_run(database: Database, workspace_id: UUID, campaign_id: UUID, due_at: datetime) -> None:
    """Before a run begins: those whom earlier runs did not reach are ready again, if the campaign wants that.

    Nobody is called before the run does begin. In short transactions; called again, it goes on where it stopped.
    """
    async with database.transaction(workspace_id) as session:
        found = await judge(session, campaign_id, due_at)
    if found.changed and found.verdict.outcome is RunOutcome.RUNNING and found.dial is Dial.NOT_REACHED:
        await requeue_not_reached(database, workspace_id, campaign_id, due_at)


async def requeue_not_reached(database: Database, workspace_id: UUID, campaign_id: UUID, due_at: datetime) -> None:
    """One requeue per campaign and moment."""
    requeue_id = uuid5(campaign_id, due_at.isoformat())
    try:
        await requeue_people(
            database, workspace_id, campaign_id, NOT_REACHED, created_by="schedule", requeue_id=requeue_id
        )
    except (StateConflict, LookupError):
        return  # stopped or gone meanwhile, and no run begins
