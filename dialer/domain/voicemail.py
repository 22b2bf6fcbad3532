"""What a machine that answers is told, and the key by which a person ends all further calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DEFAULT_MAX_MESSAGES = 1
DEFAULT_OPT_OUT_DIGIT = "9"
DEFAULT_OPT_OUT_MESSAGE = "You will not be called again. Goodbye."


class VoicemailAction(StrEnum):
    """``hang_up`` says nothing; whether the person is called again is the redial policy's either way."""

    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voicemail:
    """``message`` has ``{{variable}}`` places; a person gets it ``max_messages`` times, later machines hear nothing."""

    action: VoicemailAction = VoicemailAction.HANG_UP
    message: str = ""
    max_messages: int = DEFAULT_MAX_MESSAGES

    @property
    def leaves_messages(self) -> bool:
        return self.action is VoicemailAction.LEAVE_MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """Who presses ``digit`` is suppressed and hears ``message``; None: no key does that."""

    digit: str | None = DEFAULT_OPT_OUT_DIGIT
    message: str = DEFAULT_OPT_OUT_MESSAGE


def voicemail_from_json(data: Mapping[str, Any] | None) -> Voicemail:
    """What is stored of a campaign's settings, or the default."""
    if data is None:
        return Voicemail()
    return Voicemail(
        action=VoicemailAction(data.get("action", VoicemailAction.HANG_UP)),
        message=data.get("message") or "",
        max_messages=data.get("max_messages", DEFAULT_MAX_MESSAGES),
    )


def opt_out_from_json(data: Mapping[str, Any] | None) -> OptOut:
    """What is stored of a campaign's settings, or the default."""
    if data is None:
        return OptOut()
    return OptOut(digit=data.get("digit"), message=data.get("message") or DEFAULT_OPT_OUT_MESSAGE)
