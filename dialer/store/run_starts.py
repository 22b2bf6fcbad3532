"""Starting a run that is due: the same compare-and-set under the same lock, whoever fires, and once per moment."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.runs import RunOutcome, RunReason, RunTrigger, Verdict, judge_run
from dialer.domain.states import CampaignStatus
from dialer.store import runs
from dialer.store.control import start_scheduled
from dialer.store.database import one
from dialer.store.locks import hold_campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """``name`` is the campaign's, None when it is gone; ``changed`` is False when the run was known already."""

    verdict: Verdict
    name: str | None
    changed: bool


async def begin_run(session: AsyncSession, campaign_id: UUID, due_at: datetime) -> BegunRun:
    """``scheduled`` becomes running for the run that was due at ``due_at``, or it is noted why not. Idempotent."""
    await hold_campaign(session, campaign_id)
    sql = """SELECT name, status, settings, dialer_now() AS now FROM campaigns
             WHERE id = :id AND hidden_at IS NULL FOR NO KEY UPDATE"""
    row = await one(session, sql, {"id": campaign_id})
    if row is None:
        gone = Verdict(outcome=RunOutcome.SKIPPED, reason=RunReason.NOT_SCHEDULED)
        return BegunRun(verdict=gone, name=None, changed=False)
    known = await runs.run_due_at(session, campaign_id, due_at)
    if known is not None:
        before = Verdict(
            outcome=RunOutcome(known.outcome), reason=None if known.reason is None else RunReason(known.reason)
        )
        return BegunRun(verdict=before, name=row.name, changed=False)
    last = await runs.last_started_at(session, campaign_id)
    recurrence = rules_from_json(row.settings).recurrence
    verdict = judge_run(due_at, row.now, CampaignStatus(row.status), recurrence, last)
    if verdict.outcome is RunOutcome.RUNNING:
        await start_scheduled(session, campaign_id)
        await runs.open_run(session, campaign_id, RunTrigger.SCHEDULE, due_at)
    elif verdict.reason not in (RunReason.NOT_SCHEDULED, RunReason.CLOCK_SET_BACK):
        await runs.note_unstarted(session, campaign_id, due_at, verdict.outcome, verdict.reason)
    return BegunRun(verdict=verdict, name=row.name, changed=True)
