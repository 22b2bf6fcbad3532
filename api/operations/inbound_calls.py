"""People who ring one of our numbers: answered by the agent that called them, and recorded.

The carrier knows no id of ours for such a call, so that it is known by the carrier's: the same request again gets the
same answer and makes no second row.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.carrier_callbacks import Applying, Callback, apply_report, forbidden, parsed, signers_of
from api.operations.conversations import reply
from api.operations.services import Services
from api.operations.signing_accounts import SigningAccount
from dialer.carriers.signatures import may_be_signature
from dialer.carriers.twilio_callbacks import Form, read_phones, read_status, read_voice
from dialer.carriers.twiml import hang_up, refuse
from dialer.domain.carrier_events import TERMINAL, CarrierEvent
from dialer.store import call_reads, inbound_calls
from dialer.store.inbound_calls import Ringing

T = TypeVar("T")


def refuse_unsigned(signature: str | None) -> None:
    """Raises Forbidden, before the body is read, for what cannot be the carrier's."""
    if not may_be_signature(signature):
        raise forbidden()


async def receive_call(services: Services, callback: Callback) -> tuple[str, Applying | None]:
    """Somebody rings, or has pressed or said something: what they are told, as TwiML.

    A number that none of the account's workspaces has is not answered. Raises Forbidden and Malformed.
    """
    signers = await signers_of(services, callback)
    request = parsed(read_voice, callback)

    async def ring(session: AsyncSession, account: SigningAccount) -> Applying | None:
        call_id = await _recorded(services, session, account, callback, request.event, answered=True)
        if call_id is None:
            return None
        named = replace(callback, call_id=call_id)
        return await apply_report(services, session, account, named, replace(request.event, call_id=call_id))

    applying = await _where_it_rings(services, signers, ring)
    if applying is None:
        return refuse(), None
    workspace_id, call_id = applying.applied.workspace_id, applying.call_id
    async with services.database.transaction(workspace_id) as session:
        opening = await call_reads.opening_of(session, call_id)
    if opening is None or applying.applied.hang_up is not None:
        return hang_up(), applying
    return await reply(services, workspace_id, call_id, request, opening, again=""), applying


async def receive_status(services: Services, callback: Callback) -> Applying | None:
    """How a call that came in goes on. None for one to a number that is not ours.

    A call of which nobody told us before it was over is recorded now: nobody has answered it.
    """
    signers = await signers_of(services, callback)
    event = parsed(read_status, callback)

    async def apply(session: AsyncSession, account: SigningAccount) -> Applying | None:
        call_id = await inbound_calls.inbound_call(session, account.id, event.carrier_call_id)
        if call_id is None and event.status in TERMINAL:
            call_id = await _recorded(services, session, account, callback, event, answered=False)
        if call_id is None:
            return None
        named = replace(callback, call_id=call_id)
        return await apply_report(services, session, account, named, replace(event, call_id=call_id))

    return await _where_it_rings(services, signers, apply)


async def _recorded(
    services: Services,
    session: AsyncSession,
    account: SigningAccount,
    callback: Callback,
    event: CarrierEvent,
    *,
    answered: bool,
) -> UUID | None:
    """Our id of the call; None when it came in at no number of this workspace."""
    known = await inbound_calls.inbound_call(session, account.id, event.carrier_call_id)
    if known is not None:
        return known
    to, caller = parsed(_phones, callback)
    number = await inbound_calls.number_at(session, account.id, to)
    if number is None:
        return None
    ringing = Ringing(
        workspace_id=account.workspace_id,
        account_id=account.id,
        number=number,
        from_phone=caller,
        carrier_call_id=event.carrier_call_id,
    )
    return await inbound_calls.ring(session, ringing, services.settings.timing, answered=answered)


def _phones(form: Form, _: UUID) -> tuple[str, str | None]:
    return read_phones(form)


async def _where_it_rings(
    services: Services,
    signers: list[SigningAccount],
    apply: Callable[[AsyncSession, SigningAccount], Awaitable[T | None]],
) -> T | None:
    """The first of the workspaces with these accounts that has the number, or the call."""
    for account in signers:
        async with services.database.transaction(account.workspace_id) as session:
            found = await apply(session, account)
        if found is not None:
            return found
    return None
