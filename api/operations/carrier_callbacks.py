"""What the carrier tells us, believed only with its signature and applied once.

Everything before the signature is proved happens without a word of explanation: a forged request learns nothing, not
even whether a call exists.
"""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.conversations import MESSAGE_LEFT, STAGE, message_was_left, reply
from api.operations.errors import Conflict, Forbidden, Malformed
from api.operations.hang_ups import hang_up_at_carrier
from api.operations.services import Services
from api.operations.signing_accounts import LOOK_AGAIN_S, SigningAccount
from api.operations.waking import wake_campaign
from dialer.carriers.signatures import is_signed, may_be_signature
from dialer.carriers.twilio_callbacks import (
    Form,
    MalformedCallback,
    kept_fields,
    read_amd,
    read_call_id,
    read_recording,
    read_status,
    read_voice,
)
from dialer.carriers.twiml import hang_up
from dialer.domain.carrier_events import CarrierEvent
from dialer.sealing import SealBroken
from dialer.store import call_reads
from dialer.store.callbacks import Applied, CallNotFound, apply_event, dedupe_key

#: Asked with by ``dialer doctor``, to see that the public address leads here.
NO_CALL = UUID(int=0)
log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One request of the carrier: the path and query as they came, the form, and the signature headers."""

    path: str
    query: str
    call_id: UUID
    form: Form
    signature: str | None
    signature_settings: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """What is left to do once the carrier has its answer."""

    call_id: UUID
    account_id: UUID
    applied: Applied


def possible_call_id(call_id: str | None, signature: str | None) -> UUID:
    """The call that a request names. Raises Forbidden when that or its signature cannot be the carrier's."""
    if not may_be_signature(signature):
        raise forbidden()
    try:
        found = read_call_id(call_id)
    except MalformedCallback:
        raise forbidden() from None
    if found is None:
        raise forbidden()
    return found


async def receive_status(services: Services, callback: Callback) -> Applying | None:
    """A change of the call's status. None for a request of ``dialer doctor``.

    Like the others raises Forbidden, Malformed, and Conflict for a report about another call than the one it names.
    """
    if callback.call_id == NO_CALL:
        await signers_of(services, callback)
        return None
    return await _receive(services, callback, read_status)


async def receive_amd(services: Services, callback: Callback) -> Applying:
    """Who answered, found out while the call went on."""
    return await _receive(services, callback, read_amd)


async def receive_recording(services: Services, callback: Callback) -> Applying:
    """A recording is ready, or there is none."""
    return await _receive(services, callback, read_recording)


async def receive_voice(services: Services, callback: Callback) -> tuple[str, Applying]:
    """The call is answered: what it is told, as TwiML."""
    signers = await signers_of(services, callback)
    request = parsed(read_voice, callback)

    async def apply(session: AsyncSession, account: SigningAccount) -> tuple[Applying, dict[str, Any] | None]:
        applying = await apply_report(services, session, account, callback, request.event)
        return applying, await call_reads.opening_of(session, callback.call_id)

    applying, opening = await _in_its_workspace(services, signers, apply)
    workspace_id = applying.applied.workspace_id
    if opening is None or applying.applied.hang_up is not None:
        return hang_up(), applying
    if parse_qs(callback.query).get(STAGE) == [MESSAGE_LEFT]:
        return await message_was_left(services, workspace_id, callback.call_id), applying
    again = f"{services.settings.public_url}{callback.path}?call_id={callback.call_id}&{STAGE}={MESSAGE_LEFT}"
    return await reply(services, workspace_id, callback.call_id, request, opening, again), applying


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
    signers = await signers_of(services, callback)
    event = parsed(reading, callback)

    async def apply(session: AsyncSession, account: SigningAccount) -> Applying:
        return await apply_report(services, session, account, callback, event)

    return await _in_its_workspace(services, signers, apply)


async def signers_of(services: Services, callback: Callback) -> list[SigningAccount]:
    """The accounts whose secret signed the request: one, or one of each workspace that shares it. Raises Forbidden."""
    sid = str(callback.form.get("AccountSid", ""))
    known = await services.signing.of(sid)
    signers = [account for account in known if _is_signed(services, callback, account.secret)]
    if not signers:  # by a secret that was changed since we looked?
        again = await services.signing.of(sid, at_most_s=LOOK_AGAIN_S)
        changed = [account for account in again if account not in known]
        signers = [account for account in changed if _is_signed(services, callback, account.secret)]
    if not signers:
        raise forbidden()
    return signers


async def _in_its_workspace(
    services: Services,
    signers: list[SigningAccount],
    apply: Callable[[AsyncSession, SigningAccount], Coroutine[Any, Any, T]],
) -> T:
    """Apply a report in the workspace that has the call over one of these accounts. Raises Forbidden for none."""
    for account in signers:
        try:
            async with services.database.transaction(account.workspace_id, by_keys=True) as session:
                return await apply(session, account)
        except CallNotFound:
            continue
    raise forbidden()


async def apply_report(
    services: Services, session: AsyncSession, account: SigningAccount, callback: Callback, event: CarrierEvent
) -> Applying:
    """Let a believed report move the call that ``callback`` names. Raises CallNotFound, and Conflict for another's."""
    payload = kept_fields(callback.form)
    dedupe = dedupe_key(event)
    if event.kind == "recording":
        dedupe = ":".join((dedupe, payload.get("RecordingSid", ""), payload.get("RecordingStatus", "")))
    applied = await apply_event(
        session,
        callback.call_id,
        event,
        payload=payload,
        dedupe=dedupe,
        timing=services.settings.timing,
        account_id=account.id,
    )
    if applied.foreign:
        raise Conflict("The report is about another call than the one it names.", code="another_call")
    return Applying(call_id=callback.call_id, account_id=account.id, applied=applied)


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


def parsed(reading: Callable[[Form, UUID], T], callback: Callback) -> T:
    """What the form says. Raises Malformed, which names the field and not its value."""
    try:
        return reading(callback.form, callback.call_id)
    except MalformedCallback as error:
        raise Malformed(f"The callback's {error.field} cannot be read.") from None


def forbidden() -> Forbidden:
    """The same word for whatever is not proved."""
    return Forbidden("The signature does not prove that the carrier sent this.", code="bad_signature")
