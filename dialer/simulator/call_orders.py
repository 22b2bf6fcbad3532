"""The parameters of a call, checked as Twilio checks them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import phonenumbers

from dialer.simulator.behaviour import Behaviour
from dialer.simulator.errors import ApiError

Form = Mapping[str, Sequence[str]]
AmdMode = Literal["Enable", "DetectMessageEnd"]

EVENTS = ("initiated", "ringing", "answered", "completed")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MAGIC = "+1500555000"
_MAGIC_TO = {_MAGIC + "1": 21217, _MAGIC + "2": 21214, _MAGIC + "3": 21215, _MAGIC + "4": 21216}
_MAGIC_FROM = {_MAGIC + "1": 21212}
_MAGIC_FROM_VALID = _MAGIC + "6"
_AMD_RANGES = {
    "MachineDetectionTimeout": (3, 59),
    "MachineDetectionSpeechThreshold": (1000, 6000),
    "MachineDetectionSpeechEndThreshold": (500, 5000),
    "MachineDetectionSilenceTimeout": (2000, 10_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One address of the customer and how it is asked."""

    url: str
    method: Literal["GET", "POST"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOrder:
    """How a call is recorded and who hears about it."""

    callback: Webhook | None
    events: frozenset[str]
    channels: int
    track: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """One create, understood. Times are seconds; ``warnings`` are Twilio's codes for what was ignored."""

    to: str
    from_: str
    voice: Webhook | None
    twiml: str | None
    fallback: Webhook | None
    status_callback: Webhook | None
    events: frozenset[str]
    timeout_s: int
    time_limit_s: int
    amd: AmdMode | None
    amd_timeout_s: int
    amd_callback: Webhook | None
    recording: RecordingOrder | None
    warnings: tuple[int, ...]

    @property
    def amd_is_sync(self) -> bool:
        """True when the caller waits for detection before the called person hears anything."""
        return self.amd is not None and self.amd_callback is None

    @property
    def call_id(self) -> str | None:
        """The ``call_id`` that the client put into its callback addresses, if it did."""
        for hook in (self.status_callback, self.voice):
            found = parse_qs(urlsplit(hook.url).query).get("call_id") if hook else None
            if found:
                return found[0]
        return None


def read_order(form: Form, behaviour: Behaviour) -> CallOrder:
    """The order in a create's form. Raises ``ApiError`` with Twilio's code for what is missing or wrong."""
    to, from_ = _to(form), _from(form, behaviour)
    if _one(form, "ApplicationSid"):
        raise ApiError(21218)  # there are no applications here
    voice, twiml = _webhook(form, "Url", "Method", 21205), _one(form, "Twiml")
    if voice is None and not twiml:
        raise ApiError(21205, "Url parameter is required")
    if voice is None and twiml and len(twiml) > 4000:
        raise ApiError(32018)
    events, ignored = _events(form)
    amd = _amd(form)
    asynchronous = _boolean(form, "AsyncAmd")
    amd_callback = _webhook(form, "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", 21262)
    if amd and asynchronous and amd_callback is None:
        raise ApiError(21262)
    return CallOrder(
        to=to,
        from_=from_,
        voice=voice,
        twiml=None if voice else twiml,
        fallback=_webhook(form, "FallbackUrl", "FallbackMethod", 21205),
        status_callback=_webhook(form, "StatusCallback", "StatusCallbackMethod", 21609),
        events=events,
        timeout_s=_integer(form, "Timeout", 60, 1, 600),
        time_limit_s=_integer(form, "TimeLimit", 14_400, 1, 86_400),
        amd=amd,
        amd_timeout_s=_integer(form, "MachineDetectionTimeout", 30, 3, 59, 21263),
        amd_callback=amd_callback if amd and asynchronous else None,
        recording=read_recording(form, "RecordingStatusCallback") if _boolean(form, "Record") else None,
        warnings=((21626,) if ignored else ()) + ((32019,) if voice and twiml else ()),
    )


def read_recording(form: Form, callback: str) -> RecordingOrder:
    """How to record, from the parameters that a call and a started recording share."""
    channels = _one(form, "RecordingChannels") or "mono"
    track = _one(form, "RecordingTrack") or "both"
    if channels not in ("mono", "dual") or track not in ("inbound", "outbound", "both"):
        raise ApiError(20001)
    chosen = frozenset(" ".join(form.get(callback + "Event", ())).split())
    return RecordingOrder(
        callback=_webhook(form, callback, callback + "Method", 21609),
        events=chosen or frozenset({"completed"}),
        channels=2 if channels == "dual" else 1,
        track=track,
    )


def read_redirect(form: Form) -> tuple[Webhook | None, str | None]:
    """The new instructions in an update of a live call: an address or a document."""
    voice, twiml = _webhook(form, "Url", "Method", 21205), _one(form, "Twiml")
    if twiml and len(twiml) > 4000:
        raise ApiError(32018)
    return voice, None if voice else twiml


def _to(form: Form) -> str:
    to = _one(form, "To")
    if not to:
        raise ApiError(21201)
    if to in _MAGIC_TO:
        raise ApiError(_MAGIC_TO[to])
    if to.startswith(("sip:", "client:")):
        return to
    if not _is_phone(to):
        raise ApiError(21211)
    return to


def _from(form: Form, behaviour: Behaviour) -> str:
    from_ = _one(form, "From")
    if not from_:
        raise ApiError(21213)
    if from_ in _MAGIC_FROM:
        raise ApiError(_MAGIC_FROM[from_])
    if not _is_phone(from_):
        raise ApiError(21212)
    owned = behaviour.owned_numbers
    if owned is not None and from_ not in owned:
        raise ApiError(21210)
    if from_.startswith(_MAGIC) and len(from_) == 12 and from_ != _MAGIC_FROM_VALID:
        raise ApiError(21210)
    return from_


def _is_phone(text: str) -> bool:
    if not _E164.fullmatch(text):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


def _events(form: Form) -> tuple[frozenset[str], bool]:
    """The events wanted, and whether some were no events (a warning, not an error)."""
    asked = " ".join(form.get("StatusCallbackEvent", ())).split()
    known = frozenset(asked) & frozenset(EVENTS)
    return known or frozenset({"completed"}), len(known) < len(set(asked))


def _amd(form: Form) -> AmdMode | None:
    mode = _one(form, "MachineDetection")
    if not mode or _one(form, "SendDigits"):
        return None
    for name, (low, high) in _AMD_RANGES.items():
        _integer(form, name, low, low, high, 21263)
    if mode == "Enable":
        return "Enable"
    if mode == "DetectMessageEnd":
        return "DetectMessageEnd"
    raise ApiError(21263)


def _webhook(form: Form, name: str, method_name: str, code: int) -> Webhook | None:
    url = _one(form, name)
    if not url:
        return None
    method = (_one(form, method_name) or "POST").upper()
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ApiError(code) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "_" in parts.hostname or not port_is_valid:
        raise ApiError(code)
    if method == "GET":
        return Webhook(url=url, method="GET")
    if method == "POST":
        return Webhook(url=url)
    raise ApiError(20001, f"Invalid {method_name}")


def _integer(form: Form, name: str, default: int, low: int, high: int, code: int = 20001) -> int:
    text = _one(form, name)
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ApiError(code, f"Invalid {name}")
    return int(text)


def _boolean(form: Form, name: str) -> bool:
    text = (_one(form, name) or "false").lower()
    if text not in ("true", "false"):
        raise ApiError(20001, f"Invalid {name}")
    return text == "true"


def _one(form: Form, name: str) -> str | None:
    values = form.get(name)
    return values[-1] if values else None
