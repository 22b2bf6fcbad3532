"""Batches, on the ``control`` queue: where one stands, launching its campaign, and changes that were asked for by
signal.

Every decision is made from the rows, in the transaction that acts on it. What a workflow remembers is never used.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.ports import Workflows
from dialer.domain.batch_times import time_problem
from dialer.domain.call_results import moment
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.states import BatchStatus
from dialer.domain.timing import Timing
from dialer.store import batches, campaign_rows, control, imports
from dialer.store.batches import Standing
from dialer.store.database import Database
from dialer.store.launch_checks import reasons_against, reasons_of_missing
from dialer.store.waking import wake

logger = logging.getLogger(__name__)

#: While its bytes arrive there is nothing to do; the request that brings them wakes nobody.
UPLOAD_LOOK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRef:
    """Which batch."""

    workspace_id: str
    batch_id: str


class BatchStep(StrEnum):
    """What a batch needs next."""

    UPLOAD = "upload"
    IMPORT = "import"
    WAIT = "wait"
    LAUNCH = "launch"
    DIAL = "dial"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What comes next, as the rows have it. ``wait_s`` seconds until ``scheduled_at``; ids and codes only.

    A batch that has failed says why in ``error_code`` and ``error_message``, without a word from its file.
    """

    step: BatchStep
    status: str
    name: str = ""
    campaign_id: str = ""
    import_id: str = ""
    import_run: int = 1
    wait_s: float = 0.0
    scheduled_at: str | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """``action``: reschedule (to ``scheduled_at``, RFC 3339), cancel, pause or resume, asked for by signal."""

    batch: BatchRef
    action: str
    hang_up: bool = False
    scheduled_at: str | None = None


class BatchActivities:
    """``callback_url`` is where the carrier reaches this installation, without which nothing is launched."""

    def __init__(self, database: Database, workflows: Workflows, *, timing: Timing, callback_url: str | None) -> None:
        self._database = database
        self._workflows = workflows
        self._timing = timing
        self._callback_url = callback_url

    @activity.defn
    async def read_batch(self, ref: BatchRef) -> BatchPlan:
        """What comes next."""
        async with self._database.transaction(UUID(ref.workspace_id)) as session:
            return _plan(await _standing(session, ref))

    @activity.defn
    async def launch_batch(self, ref: BatchRef) -> BatchPlan:
        """Launch the batch's campaign if its time has come; a campaign that cannot be launched fails the batch.

        Changes nothing when somebody has rescheduled, cancelled or launched it meanwhile. Tells what comes next.
        """
        async with self._database.transaction(UUID(ref.workspace_id)) as session:
            await batches.hold(session, UUID(ref.batch_id))
            standing = await _standing(session, ref)
            if _step(standing) is BatchStep.LAUNCH:
                await self._launch(session, UUID(ref.batch_id), standing)
            return _plan(await _standing(session, ref))

    async def _launch(self, session: AsyncSession, batch_id: UUID, standing: Standing) -> None:
        row = await campaign_rows.find(session, standing.campaign_id)
        if row is None:
            return
        reasons = await reasons_against(
            session, row, now=standing.now, timing=self._timing, callback_url=self._callback_url
        )
        if not standing.ignore_missing_variables:
            reasons += await reasons_of_missing(session, row)
        if not reasons:
            if not standing.is_due:
                return
            try:
                await control.launch(session, standing.campaign_id)
            except control.StateConflict as error:
                logger.info("batch %s is not launched: %s", batch_id, error)
            return
        error = {
            "code": reasons[0].code,
            "message": "; ".join(reason.message for reason in reasons[:5]),
            "errors": [asdict(reason) for reason in reasons],
        }
        await batches.fail(session, batch_id, error)

    @activity.defn
    async def control_batch(self, request: BatchRequest) -> str:
        """Change the rows as the API does. What cannot be done now is dropped. Tells what became of it."""
        async with self._database.transaction(UUID(request.batch.workspace_id)) as session:
            standing = await batches.standing_of(session, UUID(request.batch.batch_id))
            if standing is None or _step(standing) is BatchStep.OVER:
                return "dropped: the batch is over"
            try:
                match request.action:
                    case "reschedule":
                        return await _reschedule(session, request)
                    case "cancel":
                        done = await control.stop(session, standing.campaign_id, hang_up=request.hang_up)
                        if standing.import_id is not None:
                            await imports.cancel(session, standing.import_id)
                    case "pause":
                        done = await control.pause(session, standing.campaign_id, hang_up=request.hang_up)
                    case _:
                        done = await control.resume(session, standing.campaign_id)
            except control.StateConflict as error:
                logger.info("%s of batch %s dropped: %s", request.action, request.batch.batch_id, error)
                return f"dropped: {error}"
        await self._tell(UUID(request.batch.workspace_id), standing, cancelled=request.action == "cancel")
        return done.status.value

    async def _tell(self, workspace_id: UUID, standing: Standing, *, cancelled: bool) -> None:
        async with self._database.transaction(workspace_id) as session:
            await wake(session, standing.campaign_id)
        await self._workflows.nudge_campaign(standing.campaign_id)
        if cancelled and standing.import_id is not None:
            await self._workflows.cancel_import(standing.import_id)


async def restart_batches(database: Database, workflows: Workflows) -> None:
    """For the sweep: a batch that is not over gets a workflow if it has none, and one that is late is woken."""
    async with database.transaction_over_all() as session:
        found = await batches.open_batches(session)
    for row in found:
        await workflows.start_batch(row.workspace_id, row.id, row.campaign_id, row.name)
        if row.late:
            await workflows.nudge_batch(row.id)


async def _standing(session: AsyncSession, ref: BatchRef) -> Standing:
    standing = await batches.standing_of(session, UUID(ref.batch_id))
    if standing is None:
        raise ApplicationError("there is no such batch", type="batch_deleted", non_retryable=True)
    return standing


async def _reschedule(session: AsyncSession, request: BatchRequest) -> str:
    batch_id = UUID(request.batch.batch_id)
    await batches.hold(session, batch_id)
    standing = await batches.standing_of(session, batch_id)
    wanted = _moment(request.scheduled_at)
    if standing is None or standing.status not in (BatchStatus.IMPORTING, BatchStatus.SCHEDULED):
        return "dropped: the batch does not wait any more"
    row = await campaign_rows.campaign_row(session, standing.campaign_id)
    if wanted is None or time_problem(wanted, standing.now, rules_from_json(row.settings).end_at) is not None:
        return "dropped: not a time at which it may begin"
    await batches.reschedule(session, batch_id, wanted)
    return "rescheduled"


def _moment(text: str | None) -> datetime | None:
    """None for what is no moment: a time without a zone is none."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _step(standing: Standing) -> BatchStep:
    match standing.status:
        case BatchStatus.IMPORTING:
            return BatchStep.IMPORT if standing.uploaded else BatchStep.UPLOAD
        case BatchStatus.SCHEDULED:
            # A file with nobody to call fails now, and not in the night in which it would have been dialed.
            return BatchStep.LAUNCH if standing.is_due or not standing.anybody else BatchStep.WAIT
        case BatchStatus.RUNNING | BatchStatus.PAUSED:
            return BatchStep.DIAL
        case _:
            return BatchStep.OVER


def _plan(standing: Standing) -> BatchPlan:
    step = _step(standing)
    wait_s = UPLOAD_LOOK_S if step is BatchStep.UPLOAD else 0.0
    if step is BatchStep.WAIT and standing.scheduled_at is not None:
        wait_s = max((standing.scheduled_at - standing.now).total_seconds(), 0.05)
    code, message = _reason(standing)
    return BatchPlan(
        step=step,
        status=standing.status.value,
        name=standing.name,
        campaign_id=str(standing.campaign_id),
        import_id="" if standing.import_id is None else str(standing.import_id),
        import_run=standing.import_run,
        wait_s=wait_s,
        scheduled_at=moment(standing.scheduled_at),
        error_code=code,
        error_message=message,
    )


def _reason(standing: Standing) -> tuple[str | None, str | None]:
    """What a failure says; a refused launch names variables in its words, so that only its code is told."""
    if standing.error is None:
        return None, None
    message = "the campaign cannot be launched" if "errors" in standing.error else standing.error["message"]
    return standing.error["code"], message
