"""Calling people again: those who were not reached, by how their calls ended, and those who asked for it."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api.operations.campaign_control import launch_campaign
from api.operations.campaigns import find_campaign
from api.operations.errors import Conflict, FieldError, Invalid, NotFound, invalid
from api.operations.services import Services
from api.operations.waking import wake_campaign
from api.schemas.requeues import CallbackIn, CallbackOut, RequeueIn, RequeueOut
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import clock_of
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.domain.zones import ZoneSet
from dialer.store import prospect_reads
from dialer.store.callback_requests import AfterEnd, Asked, NoOpening, NotToBeCalled, ask_callback
from dialer.store.control import StateConflict
from dialer.store.requeues import Chosen, count_requeue, requeue_people

#: As far ahead as somebody may ask to be called.
LONGEST_AHEAD = timedelta(days=366)
#: A time that has only just passed means now.
JUST_PASSED = timedelta(minutes=5)


async def requeue_campaign(services: Services, actor: Actor, reference: str, given: RequeueIn) -> RequeueOut:
    """Raises NotFound, Conflict for a stopped campaign, and for a launch whatever a launch raises.

    A request that broke off has requeued some people; the same again takes the others. One whose launch was refused has
    requeued all; the same again launches.
    """
    chosen = Chosen(
        states=tuple(ProspectState(state) for state in given.states),
        dispositions=tuple(given.dispositions),
        outcomes=tuple(given.outcomes),
        attempts=given.attempts,
        not_before=given.not_before,
    )
    async with services.database.transaction(actor.workspace_id) as session:
        campaign = await find_campaign(session, reference)
        if campaign["status"] == CampaignStatus.STOPPED:
            raise _stopped(campaign["status"])
        if given.dry_run:
            counted = await count_requeue(session, campaign["id"], chosen)
            return _told(campaign["status"], counted, dry_run=True)
    try:
        done = await requeue_people(
            services.database, actor.workspace_id, campaign["id"], chosen, created_by=actor.principal
        )
    except StateConflict as error:
        raise _stopped(error.current_status) from None
    except LookupError:
        raise NotFound("campaign") from None
    async with services.database.transaction(actor.workspace_id) as session:
        # It may have completed meanwhile.
        status = (await find_campaign(session, str(campaign["id"])))["status"]
    # A request before, whose launch was refused or that broke off, may have requeued them already.
    anybody = done.requeued or done.skipped.get(ProspectState.READY)
    if given.launch and status == CampaignStatus.COMPLETED and anybody:
        status = (await launch_campaign(services, actor, str(campaign["id"]))).status
    else:
        await wake_campaign(services, actor.workspace_id, campaign["id"])
    return _told(status, done, dry_run=False)


def _told(status: str, done: Any, *, dry_run: bool) -> RequeueOut:
    return RequeueOut(
        requeue_id=done.requeue_id,
        requeued=done.requeued,
        skipped=dict(done.skipped),
        dry_run=dry_run,
        status=status,
    )


async def ask_for_callback(services: Services, actor: Actor, prospect_id: UUID, given: CallbackIn) -> CallbackOut:
    """Raises NotFound; Conflict for somebody who is not to be called, or a stopped campaign; Invalid for the time."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await prospect_reads.find(session, prospect_id)
        if row is None:
            raise NotFound("prospect")
        zones = ZoneSet.parse(row["zone_set"]) if row["zone_set"] else None
        at = checked_time(services, "at", given.at) if given.at is not None else _local(services, given, zones)
        with callback_problems("at" if given.at is not None else "local_time"):
            asked = await ask_callback(session, prospect_id, at, services.settings.timing, created_by=actor.principal)
    await wake_campaign(services, actor.workspace_id, asked.campaign_id)
    return callback_out(asked)


def callback_out(asked: Asked) -> CallbackOut:
    return CallbackOut.model_validate(asked)


def checked_time(services: Services, field: str, at: datetime) -> datetime:
    """Raises Invalid for a time that has passed, or lies too far ahead."""
    now = services.now()
    if at < now - JUST_PASSED:
        raise invalid(field, "in_the_past", "This time has passed")
    if at > now + LONGEST_AHEAD:
        raise invalid(field, "too_far", "A callback lies at most 366 days ahead")
    return at


@contextmanager
def callback_problems(field: str) -> Generator[None]:
    """Turns what ``ask_callback`` refuses into problems; ``field`` is the one that holds the time."""
    try:
        yield
    except StateConflict as error:
        raise _stopped(error.current_status) from None
    except NotToBeCalled:
        raise Conflict(
            "This person is on the do-not-call list.", code="suppressed", current_status=ProspectState.SUPPRESSED
        ) from None
    except NoOpening:
        message = "No calling window opens for this person within 14 days of it, or their time zone is not known"
        raise Invalid([FieldError(field=field, code="never_opens", message=message)]) from None
    except AfterEnd:
        message = "The campaign ends before the person could be called"
        raise Invalid([FieldError(field=field, code="after_end", message=message)]) from None


def _local(services: Services, given: CallbackIn, zones: ZoneSet | None) -> datetime:
    """What the clock shows twice means the first time; what it leaves out, as much later as it is put forward."""
    assert given.local_time is not None
    name = given.time_zone
    if name is None:
        if zones is None or len(zones.names) != 1:
            raise invalid("time_zone", "required", "Say in which time zone: this person's is not known for certain")
        name = zones.names[0]
    try:
        local = datetime.fromisoformat(given.local_time).replace(tzinfo=clock_of(name))
        at = local.astimezone(clock_of("UTC"))
    except (ValueError, OverflowError):
        raise invalid("local_time", "invalid_time", "There is no such date or time of day") from None
    return checked_time(services, "local_time", at)


def _stopped(status: str) -> Conflict:
    return Conflict(f"The campaign is {status}.", code="wrong_status", current_status=status)
