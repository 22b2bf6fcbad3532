"""One call while it lives: its waits, its interruptions and the news it sends."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from dialer.simulator.accounts import Account
from dialer.simulator.call_orders import CallOrder, Webhook
from dialer.simulator.callback_fields import base_fields, status_fields
from dialer.simulator.callbacks import Message, Outbox, Sender
from dialer.simulator.faults import CallbackFate, Dice
from dialer.simulator.ledger import Call
from dialer.simulator.phones import PhoneBehaviour

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """Where the next thing to do comes from: an address or a document. Both None: hang up."""

    voice: Webhook | None = None
    twiml: str | None = None


class HungUp(Exception):
    """One side put the phone down, or the time limit ended the call."""


class Redirected(Exception):
    """The caller gave a live call something else to do."""

    def __init__(self, instructions: Instructions) -> None:
        self.instructions = instructions
        super().__init__("redirected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """What every live call is connected to."""

    sender: Sender
    dice: Callable[[], Dice]
    now: Callable[[], datetime]


class LiveCall:
    """A call between its acceptance and its end. ``talked_s`` is virtual and counts from the answer."""

    def __init__(self, call: Call, order: CallOrder, phone: PhoneBehaviour, account: Account, wires: Wires) -> None:
        self.call = call
        self.order = order
        self.phone = phone
        self.account = account
        self.talked_s = 0.0
        self.ended = asyncio.Event()
        self._base: Mapping[str, str] | None = None
        self._wires = wires
        self._command: asyncio.Future[Instructions] = asyncio.get_running_loop().create_future()
        self._sequence = 0
        self._status_news = Outbox(wires.sender)
        self._other_news = Outbox(wires.sender)

    @property
    def time_scale(self) -> float:
        """Real seconds per virtual second, as of now."""
        return self._wires.sender.behaviour().time_scale

    @property
    def base(self) -> Mapping[str, str]:
        """The fields of every request about this call; made late, since thousands may be queued."""
        if self._base is None:
            self._base = base_fields(self.call)
        return self._base

    def command(self, instructions: Instructions) -> None:
        """Interrupt what the call is doing: hang up, or follow other instructions."""
        if self._command.done():
            self._command = asyncio.get_running_loop().create_future()
        self._command.set_result(instructions)

    async def ring(self, seconds: float) -> bool:
        """Wait that many virtual seconds; False when the caller gave up before."""
        await asyncio.wait({self._command}, timeout=seconds * self.time_scale)
        return not self._command.done()

    async def talk(self, seconds: float) -> None:
        """Let that much of the conversation pass.

        Raises ``HungUp`` when the person's patience, the time limit or the caller ends it, ``Redirected``
        when the caller gives other instructions.
        """
        self._obey()
        left = min(self.phone.talk_s, self.order.time_limit_s) - self.talked_s
        wait, scale = max(min(seconds, left), 0.0), self.time_scale
        loop = asyncio.get_running_loop()
        began = loop.time()
        if wait > 0:
            await asyncio.wait({self._command}, timeout=wait * scale)
        if self._command.done():
            self.talked_s += min((loop.time() - began) / scale, wait)
            self._obey()
        self.talked_s += wait
        if seconds >= left:
            raise HungUp

    async def unless_interrupted(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, which is abandoned when the caller interrupts; raises as ``talk`` does.

        It takes no virtual time: a slow machine does not make calls longer.
        """
        task = asyncio.get_running_loop().create_task(work)
        try:
            await asyncio.wait({task, self._command}, return_when=asyncio.FIRST_COMPLETED)
            self._obey()
            return await task
        finally:
            if not task.done():
                task.cancel()

    def _obey(self) -> None:
        if not self._command.done():
            return
        instructions = self._command.result()
        if instructions.voice is None and instructions.twiml is None:
            raise HungUp
        self._command = asyncio.get_running_loop().create_future()
        raise Redirected(instructions)

    def fire(self, event: str, status: str, at: datetime) -> None:
        """Send a status callback if its event was asked for. Only those are numbered."""
        hook = self.order.status_callback
        if hook is None or event not in self.order.events:
            return
        fields = status_fields(self.base, self.call, status, self._sequence, at)
        self._sequence += 1
        self._status_news.post(self._message(event, hook, fields))

    def tell(self, event: str, hook: Webhook, fields: Mapping[str, str]) -> None:
        """Send news of a recording or of answering-machine detection, in no order with the status."""
        self._other_news.post(self._message(event, hook, fields))

    def _message(self, event: str, hook: Webhook, fields: Mapping[str, str]) -> Message:
        lost_on_purpose = event in self.phone.lose_callbacks
        faults = self._wires.sender.behaviour().faults
        fate = CallbackFate(lost=True) if lost_on_purpose else self._wires.dice().fate(faults)
        return Message(hook=hook, params=fields, account=self.account, fate=fate, token=secrets.token_hex(16))

    async def ask(self, hook: Webhook, fields: Mapping[str, str]) -> tuple[int, str, str | None]:
        """Fetch instructions: HTTP status, text, and why it failed if it did. Raises as ``talk`` does."""
        reply = await self.unless_interrupted(self._wires.sender.ask(hook, fields, self.account))
        return reply.status, reply.text, reply.failure

    def now(self) -> datetime:
        """The carrier's clock."""
        return self._wires.now()
