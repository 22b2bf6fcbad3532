"""Calls: what happens now, what happened, and one call now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.campaign_settings import agent_problem, checked_numbers, no_public_url
from api.operations.errors import Conflict, Invalid, NotFound, Unavailable, invalid
from api.operations.explain import gate_out
from api.operations.hang_ups import hang_up_at_carrier
from api.operations.listing import ListRequest, listed
from api.operations.outcomes import note_outcome
from api.operations.services import Services
from api.operations.waking import wake_campaign
from api.schemas.base import Page
from api.schemas.calls import CallFilters, CallIn, CallOut, CallPatch, CallStarted, EventOut, EventsOut, HangUpOut
from dialer.domain.actors import Actor
from dialer.domain.phones import PhoneRefused, parse_phone
from dialer.domain.states import LIVE_STATES, CallState, shown_state
from dialer.store import call_reads, catalog, pages
from dialer.store.catalog import read
from dialer.store.dialing import ask_to_cancel
from dialer.store.gates import defer
from dialer.store.single_calls import GatesClosed, SingleCall, claim_single
from dialer.store.tables import Workspace
from workflows.starts import CallToStart, call_workflow_id

#: By index on either side.
_WITH_PHONE = """(t.contact_id IN (SELECT id FROM contacts WHERE phone = :phone)
    OR t.phone_number_id IN (SELECT id FROM phone_numbers WHERE phone = :phone))"""
#: Whoever talks is in progress, whoever has dialed.
_IN_STATE = "(t.state = :state OR :state = 'in_progress' AND t.state = 'inbound')"
#: How long Temporal keeps closed workflows, unless somebody has changed its namespace.
TRACE_DAYS = 30


async def list_calls(
    services: Services, actor: Actor, filters: CallFilters, request: ListRequest, *, in_flight: bool = False
) -> Page[CallOut]:
    conditions = chosen_calls(filters)
    if in_flight:
        conditions = pages.Conditions(parts=[*conditions.parts, call_reads.IN_FLIGHT], parameters=conditions.parameters)
    elif not _is_narrow(filters):
        conditions = pages.Conditions(
            parts=[*conditions.parts, call_reads.OF_WORKSPACE], parameters=conditions.parameters
        )
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, call_reads.CALLS, conditions, request)
    return Page(items=[call_out(services, item) for item in found.items], next_cursor=found.next_cursor)


def _is_narrow(filters: CallFilters) -> bool:
    """True when an index finds the few calls that are asked for, which are then put in order."""
    narrow = (filters.campaign_id, filters.batch_id, filters.prospect_id, filters.phone)
    return any(narrow) or filters.state in LIVE_STATES


def chosen_calls(filters: CallFilters) -> pages.Conditions:
    """Which calls a list shows. Raises Invalid for a phone that is none."""
    phone = None if filters.phone is None else _phone("phone", filters.phone, None)
    return pages.where(
        {
            "campaign": ("t.campaign_id = :campaign", filters.campaign_id),
            "batch": ("t.campaign_id = (SELECT id FROM campaigns WHERE batch_id = :batch)", filters.batch_id),
            "prospect": ("t.prospect_id = :prospect", filters.prospect_id),
            "agent": ("t.agent_id = :agent", filters.agent_id),
            "disposition": ("t.disposition = :disposition", filters.disposition),
            "outcome": ("t.outcome = :outcome", filters.outcome),
            "state": (_IN_STATE, filters.state),
            "channel": ("t.channel = :channel", filters.channel),
            "direction": ("t.direction = :direction", filters.direction),
            "phone": (_WITH_PHONE, phone),
            "after": ("coalesce(t.dialed_at, t.created_at) > :after", filters.started_after),
            "before": ("coalesce(t.dialed_at, t.created_at) < :before", filters.started_before),
            "version": ("t.settings_version = :version", filters.settings_version),
        }
    )


async def read_call(services: Services, actor: Actor, call_id: UUID) -> CallOut:
    async with services.database.transaction(actor.workspace_id) as session:
        return call_out(services, await _found(session, call_id))


async def list_events(services: Services, actor: Actor, call_id: UUID) -> EventsOut:
    """What the carrier reported."""
    async with services.database.transaction(actor.workspace_id) as session:
        await _found(session, call_id)
        events = await call_reads.events_of(session, call_id)
    return EventsOut(items=[EventOut.model_validate(event) for event in events])


async def annotate_call(services: Services, actor: Actor, call_id: UUID, patch: CallPatch) -> CallOut:
    """Raises NotFound; for an outcome Conflict when nobody has answered, or the person was called since."""
    noted = None
    async with services.database.transaction(actor.workspace_id) as session:
        await _found(session, call_id)
        if patch.outcome is not None:
            noted = await note_outcome(services, session, actor, call_id, patch.outcome, patch.callback_at)
        await call_reads.annotate(session, call_id, patch.given())
        call = call_out(services, await _found(session, call_id))
    if noted is not None and noted.decided and noted.campaign_id is not None:
        await wake_campaign(services, actor.workspace_id, noted.campaign_id)
    return call


async def redact_call(services: Services, actor: Actor, call_id: UUID) -> None:
    """Forget everything personal; ids and times stay as evidence. Raises Conflict while it is live."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await _found(session, call_id)
        if not await call_reads.redact(session, call_id):
            raise Conflict("The call is still live.", code="call_live", current_status=shown_state(row["state"]))


async def start_call(services: Services, actor: Actor, given: CallIn) -> CallStarted:
    """One call now. Raises Invalid; Conflict with the gates when it may not be made now."""
    if services.settings.callback_url is None:
        raise Invalid([no_public_url()])
    async with services.database.transaction(actor.workspace_id) as session:
        wanted = await _wanted(session, actor, given)
        try:
            call_id = await claim_single(session, wanted, services.settings.timing)
        except GatesClosed as error:
            gates = [gate_out(check).model_dump(mode="json") for check in error.checks]
            raise Conflict("The call may not be made now.", code="gates_closed", extra={"gates": gates}) from None
        except IntegrityError:
            raise Conflict("There is a live call to this phone.", code="phone_in_call") from None
    to_start = CallToStart(
        workspace_id=actor.workspace_id,
        call_id=call_id,
        campaign_id=None,
        prospect_id=None,
        attempt=1,
        summary="Single call",
    )
    try:
        await services.workflows.start_calls([to_start])
    except ExceptionGroup as group:
        if group.split((RPCError, RuntimeError))[1] is not None:
            raise
        # The start may have got through all the same. Taken back by us, the call passes no gate any more.
        async with services.database.transaction(actor.workspace_id) as session:
            taken_back = await defer(session, call_id, "not_started", services.settings.timing)
        if taken_back:
            detail = "The call could not be started: Temporal does not answer. Nothing was dialed."
            raise Unavailable(detail) from None
    workflow_id = call_workflow_id(call_id)
    return CallStarted(
        call_id=call_id,
        state=CallState.CLAIMED,
        workflow_id=workflow_id,
        trace_url=services.workflows.trace_url(workflow_id),
    )


async def hang_up(services: Services, actor: Actor, call_id: UUID) -> HangUpOut:
    """End a call at the carrier; when the carrier's id is not known yet, whoever learns it does so. Idempotent."""
    async with services.database.transaction(actor.workspace_id) as session:
        row = await _found(session, call_id)
        asked = await ask_to_cancel(session, call_id, "hang_up")
    if asked is not None and asked.carrier_call_id is not None:
        await hang_up_at_carrier(
            services,
            actor.workspace_id,
            asked.carrier_account_id,
            asked.carrier_call_id,
            answered=True if asked.state in (CallState.IN_PROGRESS, CallState.INBOUND) else None,
        )
    return HangUpOut(call_id=call_id, state=shown_state(row["state"]), disposition=row["disposition"])


async def _wanted(session: AsyncSession, actor: Actor, given: CallIn) -> SingleCall:
    problem = await agent_problem(session, given.agent_id)
    if problem is not None:
        raise Invalid([problem])
    workspace = await read(session, Workspace, actor.workspace_id)
    region = None if workspace is None else workspace["default_region"]
    to_phone = _phone("to", given.to, region)
    if given.from_ is None:
        own = await catalog.numbers_of_agent(session, given.agent_id)
        if not own:
            raise invalid("from", "required", "The agent has no caller number: say which one to call from")
        caller = own[0]
    else:
        caller = _phone("from", given.from_, region)
    try:
        number_id = (await checked_numbers(session, [caller]))[0]
    except Invalid:
        raise invalid("from", "caller_number_not_owned", "This workspace has no such caller number") from None
    return SingleCall(
        workspace_id=actor.workspace_id,
        agent_id=given.agent_id,
        phone_number_id=number_id,
        to_phone=to_phone,
        variables=given.variables,
        created_by=actor.principal,
    )


async def _found(session: AsyncSession, call_id: UUID) -> dict[str, Any]:
    row = await call_reads.find(session, call_id)
    if row is None:
        raise NotFound("call")
    return row


def call_out(services: Services, row: Mapping[str, Any]) -> CallOut:
    """A stored call as clients read it. Its trace is gone when Temporal's retention has passed."""
    workflow_id = call_workflow_id(row["id"]) if row["traced"] else None
    ended: datetime | None = row["ended_at"]
    forgotten = ended is not None and ended < services.now() - timedelta(days=TRACE_DAYS)
    return CallOut.model_validate(
        {
            **row,
            "state": shown_state(row["state"]),
            "from": row["from_phone"],
            "to": row["to_phone"],
            "workflow_id": workflow_id,
            "trace_url": None if workflow_id is None or forgotten else services.workflows.trace_url(workflow_id),
        }
    )


def _phone(field: str, raw: str, region: str | None) -> str:
    try:
        return parse_phone(raw, region).e164
    except PhoneRefused as error:
        raise invalid(field, error.code, f"{error.message}. {error.suggestion}.") from None
