"""Launch, pause, resume and stop: the row first, then everybody who waits on it.

Once a pause or stop has answered 200, no new call begins: the change is committed under the campaign's lock, and every
call that had passed its gate before has its answer from the carrier.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.campaign_settings import agent_problem, never_opens, no_public_url, opens
from api.operations.campaigns import find_campaign
from api.operations.errors import Conflict, FieldError, Invalid
from api.operations.prospect_variables import missing_of, reason_of
from api.operations.recurrences import recurrence_problems
from api.operations.schedules import mirror_schedule, recurs, requeue_for_launch
from api.operations.services import Services
from api.operations.waking import nudge, wake_campaign
from api.schemas.campaigns import ControlOut, Launched, LiveCalls
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.states import CampaignStatus
from dialer.domain.zones import ZoneSet
from dialer.store import campaign_rows, control
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
    await requeue_for_launch(services, actor, reference)
    async with services.database.transaction(actor.workspace_id) as session:
        row = await find_campaign(session, reference)
        if row["status"] in (CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.STOPPED):
            raise _conflict(row["status"])
        reasons = await _reasons_against(services, session, row)
        lacking = [] if ignore_missing_variables else await missing_of(session, row)
        reasons += [reason_of(each) for each in lacking]
        if reasons:
            extra = {"missing_variables": [each.model_dump() for each in lacking]} if lacking else {}
            raise Invalid(reasons, code="cannot_launch", extra=extra)
        try:
            launched = await control.launch(session, row["id"])
        except control.StateConflict as error:
            raise _conflict(error.current_status) from None
    try:
        await services.workflows.start_campaign(actor.workspace_id, row["id"], row["name"])
        await nudge(services, row["id"])
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
    """Idempotent. ``undecided`` is set when some calls have no answer from the carrier in time."""
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
                if undecided == 0 and row["status"] in (CampaignStatus.PAUSED, CampaignStatus.STOPPED):
                    await control.mark_settled(session, campaign_id)
                return ControlOut(status=row["status"], calls_in_flight=live, undecided=undecided or None)
        await asyncio.sleep(_LOOK_S)


async def _reasons_against(services: Services, session: AsyncSession, row: dict[str, Any]) -> list[FieldError]:
    rules = rules_from_json(row["settings"])
    now, timing = services.now(), services.settings.timing
    problem = await agent_problem(session, row["agent_id"])
    reasons = [] if problem is None else [problem]
    if not row["caller_numbers"]:
        reasons.append(_reason("caller_numbers", "no_caller_number", "The campaign has no caller number"))
    if rules.end_at is not None and rules.end_at <= now:
        reasons.append(_reason("schedule.end_at", "in_the_past", "end_at has passed"))
    reasons += recurrence_problems(row["settings"], now)
    zone_sets = await campaign_rows.lane_zone_sets(session, row["id"])
    importing = await campaign_rows.running_imports(session, row["id"])
    if not zone_sets and not rules.keep_open and not importing and rules.recurrence is None:
        reasons.append(_reason("prospects", "no_prospects", "The campaign has nobody to call"))
    zones = [None] if rules.hours.zone != PROSPECT_ZONE else [ZoneSet.parse(key) for key in zone_sets if key]
    if zones and not importing and not any(opens(rules, each, now, timing) for each in zones):
        reasons.append(never_opens())
    if services.settings.callback_url is None:
        reasons.append(no_public_url())
    return reasons


def _reason(field: str, code: str, message: str) -> FieldError:
    return FieldError(field=field, code=code, message=message)


def _conflict(status: str) -> Conflict:
    return Conflict(f"The campaign is {status}.", code="wrong_status", current_status=status)
