"""What becomes of one run of a recurring campaign."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dialer.domain.recurrence import Recurrence
from dialer.domain.states import CampaignStatus

#: A firing and the clock that judges it may be so far apart.
SLACK = timedelta(minutes=1)


class RunTrigger(StrEnum):
    """What asked for the run."""

    SCHEDULE = "schedule"
    LAUNCH = "launch"


class RunOutcome(StrEnum):
    """``running`` until everybody is done (``completed``), or it was ``stopped``; or it did not start at all."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    MISSED = "missed"


class RunReason(StrEnum):
    """Why a run did not start."""

    PREVIOUS_RUN = "previous_run"
    PAUSED = "paused"
    NOT_SCHEDULED = "not_scheduled"
    CAUGHT_UP = "caught_up"
    CLOCK_CHANGED = "clock_changed"
    TOO_LATE = "too_late"
    TOO_EARLY = "too_early"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``reason`` is None for a run that starts."""

    outcome: RunOutcome
    reason: RunReason | None = None


def judge_run(
    due_at: datetime,
    now: datetime,
    status: CampaignStatus,
    recurrence: Recurrence | None,
    last_started_at: datetime | None,
) -> Verdict:
    """Whether a run that was due at ``due_at`` starts ``now``; ``last_started_at`` is when one last did.

    Several that were missed together start one run: whoever was to be called by them is called by it.
    """
    if recurrence is None or status not in (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED):
        return _skipped(RunReason.NOT_SCHEDULED)
    if due_at > now + SLACK:
        return _skipped(RunReason.TOO_EARLY)
    if recurrence.is_stray(due_at):
        return _skipped(RunReason.CLOCK_CHANGED)
    if status is CampaignStatus.PAUSED:
        return _skipped(RunReason.PAUSED)
    if status is CampaignStatus.RUNNING:
        return _skipped(RunReason.PREVIOUS_RUN)
    if now - due_at > recurrence.catch_up + SLACK:
        return Verdict(outcome=RunOutcome.MISSED, reason=RunReason.TOO_LATE)
    if last_started_at is not None and last_started_at >= due_at:
        return _skipped(RunReason.CAUGHT_UP)
    return Verdict(outcome=RunOutcome.RUNNING)


def _skipped(reason: RunReason) -> Verdict:
    return Verdict(outcome=RunOutcome.SKIPPED, reason=reason)
