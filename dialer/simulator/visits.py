"""People who ring one of the customer's numbers, as somebody who plays them describes it."""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dialer.simulator.behaviour import Seconds
from dialer.simulator.call_orders import CallOrder, Webhook
from dialer.simulator.phones import PhoneBehaviour, PhoneKind, behave

_Url = Annotated[str, Field(pattern=r"^https?://", max_length=2000)]


class Visit(BaseModel):
    """The body of ``POST /_sim/inbound``. ``voice_url`` and ``status_callback`` are what the number has at the carrier.

    ``presses`` are dialed at the first prompt; ``talk_s`` (virtual) is how long they stay unless the other side hangs
    up first. Without ``account_sid`` the number is the first account's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    from_: Annotated[str, Field(alias="from", max_length=40)]
    to: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{5,14}$")]
    voice_url: _Url
    status_callback: _Url | None = None
    presses: Annotated[str, Field(pattern=r"^[0-9*#]{0,32}$")] = ""
    talk_s: Seconds | None = None
    account_sid: str | None = None

    def order(self) -> CallOrder:
        """What the number has been told to do."""
        return CallOrder(
            to=self.to,
            from_=self.from_,
            voice=Webhook(url=self.voice_url),
            twiml=None,
            fallback=None,
            status_callback=Webhook(url=self.status_callback) if self.status_callback else None,
            events=frozenset({"completed"}),
            timeout_s=60,
            time_limit_s=14_400,
            amd=None,
            amd_timeout_s=30,
            amd_callback=None,
            recording=None,
            warnings=(),
        )

    def phone(self, seed: int) -> PhoneBehaviour:
        """How they behave."""
        person = behave(seed, self.from_, 0, PhoneKind.HUMAN)
        return replace(person, presses=self.presses, talk_s=person.talk_s if self.talk_s is None else self.talk_s)
