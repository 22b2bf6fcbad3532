"""What an answered call is told to do, as TwiML. https://www.twilio.com/docs/voice/twiml"""

# pyright: reportMissingTypeStubs=false

import re
from collections.abc import Mapping
from dataclasses import dataclass

from twilio.twiml.voice_response import Gather, Start, VoiceResponse

from dialer.domain.carrier_events import MACHINE_IS_DONE, AnsweredBy
from dialer.domain.templates import filled, has, key_of

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
#: <Say> takes no more: https://www.twilio.com/docs/voice/twiml/say
_LONGEST_TEXT = 4096

_MACHINES = MACHINE_IS_DONE | {AnsweredBy.MACHINE_START, AnsweredBy.FAX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How an agent begins: ``first_message`` with ``{{variable}}`` places, in ``language`` (BCP 47) if given."""

    first_message: str
    language: str | None = None


def answer(
    opening: Opening,
    variables: Mapping[str, object],
    *,
    answered_by: AnsweredBy | None,
    gathered: bool = False,
    recorded_to: str | None = None,
) -> str:
    """The document for one request of an answered call.

    A machine or fax hears nothing; a person, or nobody knows what, hears the first message, may speak, and
    the call ends. ``gathered``: the message was heard already, since the carrier comes back with what it
    gathered. ``recorded_to``: record the call from here on, and tell this address; for calls that came in,
    since those that we make are recorded by the order for them.
    """
    if gathered or answered_by in _MACHINES:
        return hang_up()
    response = VoiceResponse()
    if recorded_to is not None:
        start = Start()
        start.recording(recording_status_callback=recorded_to, recording_status_callback_event="completed absent")
        response.append(start)
    language = {"language": opening.language} if _is_language(opening.language) else {}
    # One key is enough: the only one that means anything ends all further calls.
    gather = Gather(input="speech dtmf", timeout=5, speech_timeout="auto", num_digits=1, method="POST", **language)
    text = fill(opening.first_message, variables)
    if any(character.isalnum() for character in text):
        gather.say(text, **language)
    response.append(gather)
    response.hangup()
    return str(response)


def leave_message(message: str, variables: Mapping[str, object], *, language: str | None, then: str) -> str:
    """What is said behind the beep. When all of it is said the carrier asks ``then``: only so is it known that it was.

    A message of which nothing is left without its variables is not left.
    """
    text = fill(message, variables)
    if not any(character.isalnum() for character in text):
        return hang_up()
    response = VoiceResponse()
    response.say(text, **({"language": language} if _is_language(language) else {}))
    response.redirect(then, method="POST")
    return str(response)


def say_goodbye(text: str, *, language: str | None) -> str:
    """The document that ends a call with a word."""
    response = VoiceResponse()
    response.say(fill(text, {}), **({"language": language} if _is_language(language) else {}))
    response.hangup()
    return str(response)


def refuse() -> str:
    """The document for a call to a number that is nobody's: it is not picked up."""
    response = VoiceResponse()
    response.reject()
    return str(response)


def hang_up() -> str:
    """The document that ends a call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def fill(template: str, variables: Mapping[str, object]) -> str:
    """The template with its variables filled in, ready to be spoken.

    Without a value the default of the place is said, as in ``{{name|there}}``; without that nothing is left, neither
    braces nor the gap around it: ``Hi {{name}}, …`` becomes ``Hi, …``. Names match in any case; values are taken as
    they are, so a value is never a template itself.
    """
    by_key = {key_of(name): str(value).strip() for name, value in variables.items() if has(value)}
    text = filled(template, lambda place: by_key.get(place.key, place.default))
    text = re.sub(r"[{}]", "", _NOT_IN_XML.sub("", text))
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" +([,.;:!?])", r"\1", text)
    text = re.sub(r"[,;:]+([,.;:!?])", r"\1", text)
    return text.strip(" ,;:")[:_LONGEST_TEXT]


def _is_language(language: str | None) -> bool:
    return language is not None and _LANGUAGE.fullmatch(language) is not None
