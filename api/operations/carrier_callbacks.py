"""What the carrier tells us, believed only with its signature and applied once.

Everything before the signature is proved happens without a word of explanation: a forged request learns nothing, not
even whether a call exists.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.errors import Forbidden, Malformed
from api.operations.hang_ups import hang_up_at_carrier
from api.operations.services import Services
from api.operations.waking import wake_campaign
from dialer.carriers.signatures import is_signed
from dialer.carriers.twilio_callbacks import (
    Form,
    MalformedCallback,
    read_amd,
    read_call_id,
    read_recording,
    read_status,
    read_voice,
)
from dialer.carriers.twiml import Opening, answer, hang_up
from dialer.domain.carrier_events import AnsweredBy, CarrierEvent
from dialer.domain.states import CallState
from dialer.sealing import SealBroken
from dialer.store import call_reads
from dialer.store.callbacks import Applied, CallNotFound, apply_event, dedupe_key

#: Asked with by ``dialer doctor``, to see that the public address leads here.
NO_CALL = UUID(int=0)
#: What is kept of a form: states, times, numbers and ids; never a phone number, a name or what was said.
_KEPT = frozenset(
    {
        "AccountSid",
        "AnsweredBy",
        "ApiVersion",
        "CallDuration",
        "CallSid",
        "CallStatus",
        "CallbackSource",
        "Direction",
        "Duration",
        "ErrorCode",
        "MachineDetectionDuration",
        "RecordingChannels",
        "RecordingDuration",
        "RecordingSid",
        "RecordingStatus",
        "RecordingUrl",
        "SequenceNumber",
        "SipResponseCode",
        "Timestamp",
    }
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One request of the carrier: the path and query as they came, the form, and the signature headers."""

    path: str
    query: str
    call_id: str | None
    form: Form
    signature: str | None
    signature_settings: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """What is left to do once the carrier has its answer."""

    call_id: UUID
    account_id: UUID
    applied: Applied


async def receive_status(services: Services, callback: Callback) -> Applying | None:
    """A change of the call's status. None for a request of ``dialer doctor``. Raises Forbidden, Malformed."""
    if _call_id(callback) == NO_CALL:
        await _check_account(services, callback)
        return None
    return await _receive(services, callback, read_status)


async def receive_amd(services: Services, callback: Callback) -> Applying:
    """Who answered, found out while the call went on. Raises Forbidden, Malformed."""
    return await _receive(services, callback, read_amd)


async def receive_recording(services: Services, callback: Callback) -> Applying:
    """A recording is ready, or there is none. Raises Forbidden, Malformed."""
    return await _receive(services, callback, read_recording)


async def receive_voice(services: Services, callback: Callback) -> tuple[str, Applying]:
    """The call is answered: what it is told, as TwiML. Raises Forbidden, Malformed."""
    call_id = _call_id(callback)
    async with services.database.transaction_over_all() as session:
        target = await _proved(services, session, callback, call_id)
        request = _parsed(lambda: read_voice(callback.form, call_id))
        applied = await _apply(services, session, call_id, callback, request.event)
        opening = await call_reads.opening_of(session, call_id)
    document = hang_up()
    if (
        opening is not None
        and applied.hang_up is None
        and opening["state"] not in (CallState.ENDED, CallState.DEFERRED)
    ):
        answered_by = request.event.answered_by or opening["answered_by"]
        document = answer(
            Opening(first_message=opening["first_message"] or "", language=opening["language"]),
            {**(opening["prospect_variables"] or {}), "name": opening["name"], **opening["call_variables"]},
            answered_by=None if answered_by is None else AnsweredBy(answered_by),
            gathered=request.gathered,
        )
    return document, Applying(call_id=call_id, account_id=target["carrier_account_id"], applied=applied)


async def follow_up(services: Services, applying: Applying) -> None:
    """Tell whoever waits, after the commit and after the answer. What is lost here costs freshness only."""
    applied = applying.applied
    if applied.hang_up is not None:
        log.warning("call %s: a call that must not go on is hung up", applying.call_id)
        await hang_up_at_carrier(services, applied.workspace_id, applying.account_id, applied.hang_up, answered=None)
    if applied.ended is not None:
        try:
            await services.workflows.call_ended(applying.call_id, applied.ended)
        except (RPCError, RuntimeError) as error:
            log.warning("call %s: its workflow was not told of the end: %s", applying.call_id, type(error).__name__)
    if applied.frees_slot and applied.campaign_id is not None:
        await wake_campaign(services, applied.workspace_id, applied.campaign_id)


async def _receive(services: Services, callback: Callback, reading: Callable[[Form, UUID], CarrierEvent]) -> Applying:
    call_id = _call_id(callback)
    async with services.database.transaction_over_all() as session:
        target = await _proved(services, session, callback, call_id)
        event = _parsed(lambda: reading(callback.form, call_id))
        applied = await _apply(services, session, call_id, callback, event)
    return Applying(call_id=call_id, account_id=target["carrier_account_id"], applied=applied)


async def _proved(services: Services, session: AsyncSession, callback: Callback, call_id: UUID) -> Mapping[str, Any]:
    """The call's account, when its secret signed the request. Narrows the transaction to the call's workspace."""
    target = await call_reads.callback_target(session, call_id)
    if target is None or callback.form.get("AccountSid") != target["account_sid"]:
        raise _forbidden()
    if not _is_signed(services, callback, bytes(target["secret"])):
        raise _forbidden()
    return target


async def _check_account(services: Services, callback: Callback) -> None:
    async with services.database.transaction_over_all() as session:
        sealed = await call_reads.account_secrets(session, str(callback.form.get("AccountSid", "")))
    if not any(_is_signed(services, callback, secret) for secret in sealed):
        raise _forbidden()


async def _apply(
    services: Services, session: AsyncSession, call_id: UUID, callback: Callback, event: CarrierEvent
) -> Applied:
    payload = {name: str(value) for name, value in callback.form.items() if name in _KEPT}
    dedupe = dedupe_key(event)
    if event.kind == "recording":
        dedupe = ":".join((dedupe, payload.get("RecordingSid", ""), payload.get("RecordingStatus", "")))
    try:
        return await apply_event(
            session, call_id, event, payload=payload, dedupe=dedupe, timing=services.settings.timing
        )
    except CallNotFound:
        raise _forbidden() from None


def _is_signed(services: Services, callback: Callback, sealed: bytes) -> bool:
    public_url = services.settings.public_url
    if public_url is None:
        return False
    try:
        secret = services.open_secret(sealed)
    except SealBroken:
        log.error("a carrier account's secret was sealed with another key: its callbacks are refused")
        return False
    return is_signed(
        auth_token=secret,
        public_base_url=public_url,
        path=callback.path,
        query=callback.query,
        form=callback.form,
        signature=callback.signature,
        settings=callback.signature_settings,
    )


def _call_id(callback: Callback) -> UUID:
    try:
        call_id = read_call_id(callback.call_id)
    except MalformedCallback:
        raise _forbidden() from None
    if call_id is None:
        raise _forbidden()
    return call_id


def _parsed(reading: Callable[[], Any]) -> Any:
    try:
        return reading()
    except MalformedCallback as error:
        raise Malformed(f"The callback's {error.field} cannot be read.") from None


def _forbidden() -> Forbidden:
    return Forbidden("The signature does not prove that the carrier sent this.", code="bad_signature")
