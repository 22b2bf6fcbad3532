"""What an answered call is told: the agent's first message, a message for a machine, or a goodbye."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.operations.services import Services
from dialer.carriers.twilio import callback_address
from dialer.carriers.twilio_callbacks import VoiceRequest
from dialer.carriers.twiml import Opening, answer, hang_up, leave_message, say_goodbye
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.carrier_events import MACHINE_IS_DONE, AnsweredBy
from dialer.domain.dispositions import Outcome
from dialer.domain.inbound import NOBODY_HERE
from dialer.domain.states import CallState
from dialer.domain.templates import known_of
from dialer.store.callbacks import note_message_left
from dialer.store.outcomes import CalledSince, NotAnswered, note_outcome

#: The carrier comes back with this when all of a message is said.
STAGE = "stage"
MESSAGE_LEFT = "message_left"


async def reply(
    services: Services, workspace_id: UUID, call_id: UUID, request: VoiceRequest, opening: Mapping[str, Any], again: str
) -> str:
    """The document for a call that may go on. ``again`` is the address at which the carrier asks once more.

    Whoever pressed the key for it is on the do-not-call list when this returns.
    """
    if opening["state"] in (CallState.ENDED, CallState.DEFERRED):
        return hang_up()
    came_in = opening["direction"] == "inbound"
    if came_in and opening["agent_id"] is None:
        return say_goodbye(NOBODY_HERE, language=None)
    rules = CampaignRules() if opening["settings"] is None else rules_from_json(opening["settings"])
    if request.gathered and rules.opt_out.digit is not None and request.digits == rules.opt_out.digit:
        await _suppress(services, workspace_id, call_id)
        return say_goodbye(rules.opt_out.message, language=opening["language"])
    said = request.event.answered_by or opening["answered_by"]
    answered_by = None if said is None else AnsweredBy(said)
    variables = {
        **known_of(opening["prospect_variables"], name=opening["name"], phone=opening["phone"]),
        **opening["call_variables"],
    }
    if answered_by in MACHINE_IS_DONE:
        voicemail = rules.voicemail
        if not voicemail.leaves_messages or opening["messages_left"] >= voicemail.max_messages:
            return hang_up()
        return leave_message(voicemail.message, variables, language=opening["language"], then=again)
    return answer(
        Opening(first_message=opening["first_message"] or "", language=opening["language"]),
        variables,
        answered_by=answered_by,
        gathered=request.gathered,
        recorded_to=_recorded_to(services, call_id) if came_in and rules.record else None,
    )


async def message_was_left(services: Services, workspace_id: UUID, call_id: UUID) -> str:
    """The carrier has said all of a message and asks what comes next: nothing."""
    async with services.database.transaction(workspace_id, by_keys=True) as session:
        await note_message_left(session, call_id)
    return hang_up()


def _recorded_to(services: Services, call_id: UUID) -> str | None:
    public_url = services.settings.public_url
    return None if public_url is None else callback_address(public_url, "recording", call_id)


async def _suppress(services: Services, workspace_id: UUID, call_id: UUID) -> None:
    """In a transaction of its own: the list's lock comes before that of any call."""
    async with services.database.transaction(workspace_id) as session:
        try:
            await note_outcome(session, call_id, Outcome.DNC_REQUESTED, services.settings.timing)
        except (NotAnswered, CalledSince):
            # The entry is made before the call is looked at, and stands.
            return
