"""Launch, pause, resume and stop: the row first, then everybody who waits on it.

Once a pause or stop has answered 200, no new call begins: the change is committed under the campaign's lock, and every
call that had passed its gate before has its answer from the carrier.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from temporalio.service import RPCError

from api.operations.campaigns import find_campaign
from api.operations.errors import Conflict, Invalid
from api.operations.prospect_variables import missing_of
from api.operations.recurrences import recurrence_problems
from api.operations.schedules import mirror_schedule, recurs, requeue_for_launch
from api.operations.services import Services
from api.operations.waking import nudge, nudge_batch, wake_campaign
from api.schemas.campaigns import ControlOut, Launched, LiveCalls
from dialer.domain.actors import Actor
from dialer.domain.states import CampaignStatus
from dialer.store import control
from dialer.store.launch_checks import missing_variable, reasons_against
from workflows.starts import campaign_workflow_id

#: Between two looks for calls whose fate is not known.
_LOOK_S = 0.1

log = logging.getLogger(__name__)


async def launch_campaign(
    services: Services, actor: Actor, reference: str, *, ignore_missing_variables: bool = False
) -> Launched:
    """Start it, or schedule it when ``start_at`` lies ahead; a scheduled one starts now.

    Raises NotFound; Conflict from running, paused or stopped; Invalid with the reasons why it cannot work, which
    include what the agent says and some people have no value for, unless that is to be ignored.
    """
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        if row["status"] in (CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.STOPPED):
            raise _conflict(row["status"])
        reasons = await reasons_against(
            session,
            row,
            now=services.now(),
            timing=services.settings.timing,
            callback_url=services.settings.callback_url,
        )
        reasons += recurrence_problems(row["settings"], services.now())
        lacking = [] if ignore_missing_variables else await missing_of(session, row)
        reasons += [missing_variable(each.name, each.people, at_least=each.at_least) for each in lacking]
        if reasons:
            extra = {"missing_variables": [each.model_dump() for each in lacking]} if lacking else {}
            raise Invalid(reasons, code="cannot_launch", extra=extra)
        try:
            launched = await control.launch(session, row["id"])
        except control.StateConflict as error:
            raise _conflict(error.current_status) from None
    # Before anybody is told that it runs: a run that has nobody to call would be over at once.
    await requeue_for_launch(services, actor, row)
    try:
        await services.workflows.start_campaign(actor.workspace_id, row["id"], row["name"])
        await nudge(services, row["id"])
        await nudge_batch(services, row["batch_id"])
    except (RPCError, RuntimeError) as error:
        # The row says running, so the sweep starts the workflow as soon as Temporal answers again.
        log.warning(
            "campaign %s is launched and its workflow could not be started: %s", row["id"], type(error).__name__
        )
    if recurs(row["settings"]):
        await mirror_schedule(services, actor.workspace_id, row["id"])
    workflow_id = campaign_workflow_id(row["id"])
    return Launched(
        status=launched.status, workflow_id=workflow_id, trace_url=services.workflows.trace_url(workflow_id)
    )


async def pause_campaign(services: Services, actor: Actor, reference: str, given: LiveCalls) -> ControlOut:
    """Idempotent. ``undecided`` is set when some calls have no answer from the carrier in time.

    Raises NotFound; Conflict where there is nothing to pause, or where it was resumed before this could answer.
    """
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        campaign_id = row["id"]
        try:
            await control.pause(session, campaign_id, hang_up=given.calls == "hang_up")
        except control.StateConflict as error:
            raise _conflict(error.current_status) from None
    return await _settled(services, actor, row)


async def stop_campaign(services: Services, actor: Actor, reference: str, given: LiveCalls) -> ControlOut:
    """Final and idempotent. ``undecided`` as for pause."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        campaign_id = row["id"]
        try:
            await control.stop(session, campaign_id, hang_up=given.calls == "hang_up")
        except control.StateConflict as error:
            raise _conflict(error.current_status) from None
    await nudge_batch(services, row["batch_id"])
    return await _settled(services, actor, row)


async def resume_campaign(services: Services, actor: Actor, reference: str) -> ControlOut:
    """Idempotent."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        campaign_id = row["id"]
        try:
            resumed = await control.resume(session, campaign_id)
        except control.StateConflict as error:
            raise _conflict(error.current_status) from None
        live = await control.count_live(session, campaign_id)
    await wake_campaign(services, actor.workspace_id, campaign_id, always=True)
    if recurs(row["settings"]):
        await mirror_schedule(services, actor.workspace_id, campaign_id)
    return ControlOut(status=resumed.status, calls_in_flight=live)


async def _settled(services: Services, actor: Actor, row: Mapping[str, Any]) -> ControlOut:
    """Wait until every call that had passed its gate is decided, no longer than that can take."""
    campaign_id = row["id"]
    await wake_campaign(services, actor.workspace_id, campaign_id, always=True)
    if recurs(row["settings"]):
        await mirror_schedule(services, actor.workspace_id, campaign_id)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + services.settings.timing.undecided_s
    while True:
        async with services.database.transaction(actor.workspace_id) as session:
            undecided = await control.count_undecided(session, campaign_id)
            if undecided == 0 or loop.time() >= deadline:
                row = await find_campaign(session, str(campaign_id))
                live = await control.count_live(session, campaign_id)
                if row["status"] in (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED):
                    # A resume came later than this and was committed first. A 200 would promise that nobody is called.
                    raise Conflict(
                        f"The campaign is {row['status']}: it was resumed while the pause was under way.",
                        code="wrong_status",
                        current_status=row["status"],
                    )
                if undecided == 0 and row["status"] in (CampaignStatus.PAUSED, CampaignStatus.STOPPED):
                    await control.mark_settled(session, campaign_id)
                return ControlOut(status=row["status"], calls_in_flight=live, undecided=undecided or None)
        await asyncio.sleep(_LOOK_S)


def _conflict(status: str) -> Conflict:
    return Conflict(f"The campaign is {status}.", code="wrong_status", current_status=status)
