"""What a machine that answers is told, the key by which a person ends all further calls, and people who ring back."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.base import Document
from dialer.domain import voicemail as rules
from dialer.domain.inbound import RedialAfterInbound
from dialer.domain.voicemail import VoicemailAction

MAX_MESSAGES = (1, 10)
Spoken = Annotated[str, Field(max_length=1000)]


class Voicemail(Document):
    """What becomes of a call that a machine answers. Calling again is ``redial.delays.voicemail``."""

    action: VoicemailAction = Field(
        default=VoicemailAction.HANG_UP,
        description="leave_message waits for the beep, whatever answering_machine says, and speaks then.",
    )
    message: Spoken | None = Field(
        default=None, description="With {{variable}} places.", examples=["Hello {{name}}, we will call again."]
    )
    max_messages: Annotated[int, Field(ge=MAX_MESSAGES[0], le=MAX_MESSAGES[1])] = Field(
        default=rules.DEFAULT_MAX_MESSAGES, description="For one person; machines after that hear nothing."
    )

    @field_validator("message")
    @classmethod
    def _says_something(cls, message: str | None) -> str | None:
        if message is not None and not any(character.isalnum() for character in message):
            raise PydanticCustomError("says_nothing", "A message needs words; leave it null for none")
        return message

    @model_validator(mode="after")
    def _has_its_message(self) -> "Voicemail":
        if self.action is VoicemailAction.LEAVE_MESSAGE and self.message is None:
            raise PydanticCustomError("no_message", "leave_message needs voicemail.message")
        return self


class OptOut(Document):
    """The key that ends all calls to a person: their phone joins the do-not-call list of the workspace."""

    digit: Annotated[str, Field(pattern=r"^[0-9*]$")] | None = Field(
        default=rules.DEFAULT_OPT_OUT_DIGIT, description="Null: no key does that."
    )
    message: Spoken = Field(default=rules.DEFAULT_OPT_OUT_MESSAGE, description="Said to whoever has pressed it.")


class Inbound(Document):
    """What becomes of people who ring one of the campaign's numbers. They always reach its agent."""

    redial: RedialAfterInbound = Field(
        default=RedialAfterInbound.CANCEL,
        description="cancel: who has rung back and talked is reached, and not called again. keep: the redial stays.",
    )
