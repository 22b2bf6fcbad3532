"""The carrier's switch: the calls-per-second queue, and each call's way from acceptance to its end.

    queued → (initiated) → ringing → in-progress → completed
                 ├───────────┴→ busy | no-answer | failed
    anywhere before the answer → canceled

Ring, talk and detection times are virtual and compressed by ``time_scale``; the pace of the queue is real.
"""

import asyncio
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dialer.simulator.accounts import Account
from dialer.simulator.behaviour import Behaviour
from dialer.simulator.call_orders import CallOrder, RecordingOrder
from dialer.simulator.callback_fields import amd_fields
from dialer.simulator.callbacks import Sender
from dialer.simulator.conversations import Conversation
from dialer.simulator.errors import ApiError
from dialer.simulator.faults import Dice
from dialer.simulator.ledger import TERMINAL, Call, CallStatus, Ledger, Recording
from dialer.simulator.live_calls import HungUp, Instructions, LiveCall, Redirected, Wires
from dialer.simulator.phones import PhoneBehaviour
from dialer.simulator.recorder import Recorder
from dialer.simulator.scripts import Town
from dialer.simulator.twiml import TwimlError

_CATCH_UP_S = 0.02
"""How much lateness of its own the queue makes good, so that a busy machine keeps the pace."""


class CallQueue:
    """Releases calls at the account's rate, first come, first served."""

    def __init__(
        self,
        rate: Callable[[], float],
        release: Callable[[LiveCall], None],
        run: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._rate = rate
        self._release = release
        self._run = run
        self._waiting: OrderedDict[str, LiveCall] = OrderedDict()
        self._next_at = 0.0
        self._pumping = False

    def __len__(self) -> int:
        return len(self._waiting)

    def wait_s(self) -> float:
        """How long a call that comes now would wait."""
        ahead = self._next_at - asyncio.get_running_loop().time()
        return len(self._waiting) / self._rate() + max(ahead, 0.0)

    def push(self, live: LiveCall) -> None:
        """Add a call; it is released at once when there is no queue."""
        self._waiting[live.call.sid] = live
        if not self._pumping:
            self._pumping = True
            self._run(self._pump())

    def remove(self, sid: str) -> bool:
        """Take a call out again; False when it is not (or no longer) here."""
        return self._waiting.pop(sid, None) is not None

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                ahead = self._next_at - loop.time()
                if ahead > 0:
                    await asyncio.sleep(min(ahead, 0.2))  # in short pieces: the rate may change meanwhile
                    self._next_at = min(self._next_at, loop.time() + 1 / self._rate())
                    continue
                self._next_at = max(self._next_at, loop.time() - _CATCH_UP_S) + 1 / self._rate()
                _, live = self._waiting.popitem(last=False)
                self._release(live)
        finally:
            self._pumping = False


class Exchange:
    """All live calls of all accounts."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        town: Town,
        sender: Sender,
        behaviour: Callable[[], Behaviour],
        dice: Callable[[], Dice],
        now: Callable[[], datetime],
        base_url: str,
    ) -> None:
        self._ledger = ledger
        self._town = town
        self._sender = sender
        self._behaviour = behaviour
        self._now = now
        self._wires = Wires(sender=sender, dice=dice, now=now)
        self._recorder = Recorder(ledger, now, base_url)
        self._live: dict[str, LiveCall] = {}
        self._queues: dict[str, CallQueue] = {}

    def queued(self) -> int:
        """How many accepted calls are not dialed yet."""
        return sum(len(queue) for queue in self._queues.values())

    def place(self, account: Account, order: CallOrder) -> Call:
        """Accept a call. Raises ``ApiError`` 22005 when the queue is too long."""
        behaviour, now = self._behaviour(), self._now()
        queue = self._queue(account.sid)
        wait_s = queue.wait_s()
        if wait_s > behaviour.queue_limit_s:
            raise ApiError(22005)
        call = Call(
            serial=self._ledger.next_serial(),
            sid="CA" + secrets.token_hex(16),
            account_sid=account.sid,
            call_id=order.call_id,
            to=order.to,
            from_=order.from_,
            created_at=now,
            updated_at=now,
            queue_time_ms=round(wait_s * 1000),
            warnings=order.warnings,
        )
        phone = self._town.phone(order.to, self._ledger.attempts(order.to), behaviour)
        self._ledger.add(call, asyncio.get_running_loop().time())
        live = LiveCall(call, order, phone, account, self._wires)
        self._live[call.sid] = live
        queue.push(live)
        return call

    def ring_in(self, account: Account, visit: CallOrder, phone: PhoneBehaviour) -> Call:
        """Somebody rings one of the account's numbers: ``visit.voice`` says what becomes of the call. No queue."""
        now = self._now()
        call = Call(
            serial=self._ledger.next_serial(),
            sid="CA" + secrets.token_hex(16),
            account_sid=account.sid,
            call_id=None,
            to=visit.to,
            from_=visit.from_,
            created_at=now,
            updated_at=now,
            direction="inbound",
            status="ringing",
            ringing_at=now,
        )
        self._ledger.add(call, asyncio.get_running_loop().time())
        live = LiveCall(call, visit, phone, account, self._wires)
        self._live[call.sid] = live
        self._sender.start(self._rung(live))
        return call

    async def hang_up(self, call: Call, *, even_answered: bool) -> None:
        """End a live call: a queued or ringing one is canceled, an answered one (if wanted) completed.

        Raises ``ApiError`` 21220 when the call is over.
        """
        live = self._expect(call)
        if call.answered_at is not None and not even_answered:
            return
        if self._queue(call.account_sid).remove(call.sid):
            self._finish(live, "canceled", sip=None)
            return
        live.command(Instructions())
        await live.ended.wait()

    def redirect(self, call: Call, instructions: Instructions) -> None:
        """Give an answered call other instructions. Raises ``ApiError`` 21220 when it is not in progress."""
        live = self._expect(call)
        if call.status != "in-progress":
            raise ApiError(21220)
        live.command(instructions)

    def record(self, call: Call, order: RecordingOrder) -> Recording:
        """Start recording an answered call. Raises ``ApiError`` 21220 when it is not in progress."""
        live = self._expect(call)
        if call.status != "in-progress":
            raise ApiError(21220)
        return self._recorder.start(live, source="StartCallRecordingAPI", order=order)

    def change_recording(self, call: Call, recording: Recording, status: str) -> None:
        """Stop, pause or resume. Raises ``ApiError`` 21220 when the recording is over."""
        if recording.duration_s is not None:
            raise ApiError(21220)
        live = self._expect(call)
        if status == "stopped":
            self._recorder.stop(live, recording)
        else:
            self._recorder.pause(recording, status)

    def _expect(self, call: Call) -> LiveCall:
        live = self._live.get(call.sid)
        if live is None or call.status in TERMINAL:
            raise ApiError(21220)
        return live

    def _queue(self, account_sid: str) -> CallQueue:
        queue = self._queues.get(account_sid)
        if queue is None:
            queue = CallQueue(lambda: self._behaviour().calls_per_second, self._dial, self._sender.start)
            self._queues[account_sid] = queue
        return queue

    def _dial(self, live: LiveCall) -> None:
        self._ledger.dialed(asyncio.get_running_loop().time())
        live.call.dialed_at = live.call.updated_at = self._now()
        self._sender.start(self._run(live))

    async def _run(self, live: LiveCall) -> None:
        """The life of one call after the queue."""
        call, order, phone = live.call, live.order, live.phone
        live.fire("initiated", "initiated", self._now())
        if phone.rings:
            self._enter(call, "ringing")
            call.ringing_at = call.updated_at
            live.fire("ringing", "ringing", call.updated_at)
        if not await live.ring(min(phone.ring_s, order.timeout_s)):
            self._finish(live, "canceled", sip=487)
        elif phone.ring_s > order.timeout_s:
            self._finish(live, "no-answer", sip=phone.sip if phone.status == "no-answer" else 487)
        elif phone.status != "completed":
            self._finish(live, phone.status, sip=phone.sip, error=phone.error_code)
        else:
            await self._answered(live)

    async def _rung(self, live: LiveCall) -> None:
        """The life of a call that came in."""
        call, conversation = live.call, Conversation(live, self._recorder)
        try:
            picked_up = await conversation.open()
        except (HungUp, Redirected):
            self._finish(live, "canceled", sip=487)
            return
        except TwimlError as error:
            self._finish(live, "failed", sip=None, error=error.code)
            return
        if not picked_up:
            self._finish(live, "busy", sip=486)
            return
        self._enter(call, "in-progress")
        call.answered_at = call.updated_at
        error = await conversation.run()
        self._finish(live, "completed", sip=200, error=error)

    async def _answered(self, live: LiveCall) -> None:
        call, order = live.call, live.order
        self._enter(call, "in-progress")
        call.answered_at = call.updated_at
        live.fire("answered", "in-progress", call.updated_at)
        if order.recording:
            self._recorder.start(live, source="OutboundAPI", order=order.recording)
        if order.amd and not order.amd_is_sync:
            self._sender.start(self._detect_meanwhile(live))
        error: int | None = None
        try:
            if order.amd and order.amd_is_sync:
                found, took_s = self._detection(live)
                await live.talk(took_s)
                call.answered_by = found
            error = await Conversation(live, self._recorder).run()
        except HungUp:
            pass
        except Redirected as redirected:  # during detection: the new instructions take over
            live.order = replace(order, voice=redirected.instructions.voice, twiml=redirected.instructions.twiml)
            error = await Conversation(live, self._recorder).run()
        self._finish(live, "completed", sip=live.phone.sip, error=error or live.phone.error_code)

    def _detection(self, live: LiveCall) -> tuple[str, float]:
        """What answering-machine detection finds, and after how many virtual seconds."""
        mode = live.order.amd or "Enable"
        took_s = live.phone.detection_s(mode)
        if took_s > live.order.amd_timeout_s:
            return "unknown", float(live.order.amd_timeout_s)
        return live.phone.detected(mode), took_s

    async def _detect_meanwhile(self, live: LiveCall) -> None:
        """Asynchronous detection: a callback of its own, perhaps after the end of the call."""
        hook = live.order.amd_callback
        if hook is None:
            return
        found, took_s = self._detection(live)
        await asyncio.sleep(took_s * live.time_scale)
        if live.ended.is_set() and live.phone.answered_by is None:
            found = "unknown"  # there was too little to hear
        if not live.ended.is_set():
            live.call.answered_by = found
        live.tell("amd", hook, amd_fields(live.call, found, took_s))

    def _enter(self, call: Call, status: CallStatus) -> None:
        call.status, call.updated_at = status, self._now()

    def _finish(self, live: LiveCall, status: CallStatus, *, sip: int | None, error: int | None = None) -> None:
        call = live.call
        self._enter(call, status)
        call.ended_at, call.sip_code, call.error_code = call.updated_at, sip, error
        call.duration_s = math.ceil(live.talked_s - 1e-9) if call.answered_at else 0
        if call.answered_at is not None:
            behaviour = self._behaviour()
            call.priced_at = call.ended_at + timedelta(seconds=behaviour.price_delay_s * behaviour.time_scale)
        self._recorder.stop_all(live)
        if call.dialed_at is not None:
            self._ledger.hung_up()
        self._live.pop(call.sid, None)
        live.ended.set()
        live.fire("completed", status, call.updated_at)
