"""As much TwiML as it takes to know how long a call talks and where it goes next."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urljoin

from dialer.simulator.call_orders import Webhook

_WORDS_PER_SECOND = 2.5
_FILE_S = 5.0
"""How long a played file is taken to last: nobody fetches it."""
_LONG_S = 86_400.0
"""Until somebody hangs up."""
_CONVERSATIONS = frozenset({"Connect", "Dial", "Enqueue"})
_SILENT = frozenset({"Start", "Stop", "Sms", "Message", "Refer", "Pay"})


class TwimlError(Exception):
    """A document that cannot be followed; ``code`` is Twilio's."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"TwiML error {code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do.

    ``talk`` lasts ``seconds``; ``gather`` talks for ``seconds``, then waits ``timeout_s`` for digits and takes
    them to ``action``; ``record`` lasts at most ``seconds``; ``redirect`` asks ``action``; ``hang_up`` ends, and
    so does ``reject``, before a call that comes in is picked up.
    """

    kind: Literal["talk", "gather", "record", "redirect", "hang_up", "reject"]
    seconds: float = 0.0
    timeout_s: float = 0.0
    action: Webhook | None = None
    spoken: str = field(default="", repr=False)


def parse(document: str, address: str) -> list[Step]:
    """The steps of a document that came from ``address`` (actions may be relative to it).

    Raises ``TwimlError``: 12100 when it is no XML, 12200 when it is no TwiML response.
    """
    if "<!DOCTYPE" in document or "<!ENTITY" in document:  # no entities: a small file can expand to gigabytes
        raise TwimlError(12100)
    try:
        root = ElementTree.fromstring(document.strip())
    except ElementTree.ParseError as error:
        raise TwimlError(12100) from error
    if root.tag != "Response":
        raise TwimlError(12200)
    return [step for verb in root if (step := _step(verb, address)) is not None]


def _step(verb: ElementTree.Element, address: str) -> Step | None:
    match verb.tag:
        case "Say" | "Play" | "Pause":
            return Step(kind="talk", seconds=_length(verb), spoken=_text(verb) if verb.tag == "Say" else "")
        case "Gather":
            return Step(
                kind="gather",
                seconds=sum(_length(child) for child in verb),
                timeout_s=_number(verb.attrib, "timeout", 5.0),
                action=_action(verb.attrib, address),
                spoken=" ".join(_text(child) for child in verb if child.tag == "Say"),
            )
        case "Record":
            longest = _number(verb.attrib, "maxLength", 3600.0)
            return Step(
                kind="record",
                seconds=longest,
                timeout_s=_number(verb.attrib, "timeout", 5.0),
                action=_action(verb.attrib, address),
            )
        case "Redirect":
            method = "GET" if verb.attrib.get("method", "").upper() == "GET" else "POST"
            return Step(kind="redirect", action=Webhook(url=urljoin(address, _text(verb)), method=method))
        case "Hangup":
            return Step(kind="hang_up")
        case "Reject":
            return Step(kind="reject")
        case tag if tag in _CONVERSATIONS:
            return Step(kind="talk", seconds=_LONG_S)
        case tag if tag in _SILENT:
            return None
        case _:
            raise TwimlError(12200)


def _length(verb: ElementTree.Element) -> float:
    match verb.tag:
        case "Say":
            return _repeated(verb, len(_text(verb).split()) / _WORDS_PER_SECOND)
        case "Play":
            digits = verb.attrib.get("digits")
            return len(digits) * 0.25 if digits else _repeated(verb, _FILE_S)
        case "Pause":
            return _number(verb.attrib, "length", 1.0)
        case _:
            return 0.0


def _repeated(verb: ElementTree.Element, seconds: float) -> float:
    """``loop`` times as long; zero times means for ever."""
    times = _number(verb.attrib, "loop", 1.0)
    return seconds * times if times else _LONG_S


def _action(attributes: Mapping[str, str], address: str) -> Webhook:
    """Where the result goes: without an action, to the address the document came from."""
    method = "GET" if attributes.get("method", "").upper() == "GET" else "POST"
    return Webhook(url=urljoin(address, attributes.get("action", "")), method=method)


def _number(attributes: Mapping[str, str], name: str, default: float) -> float:
    text = attributes.get(name, "")
    return float(text) if text.isascii() and text.isdigit() else default


def _text(verb: ElementTree.Element) -> str:
    return "".join(verb.itertext()).strip()
