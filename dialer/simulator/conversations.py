"""An answered call: it follows its TwiML until one side hangs up."""

from collections.abc import Mapping

from dialer.simulator.call_orders import Webhook
from dialer.simulator.callback_fields import voice_fields
from dialer.simulator.ledger import Recording
from dialer.simulator.live_calls import HungUp, Instructions, LiveCall, Redirected
from dialer.simulator.recorder import Recorder
from dialer.simulator.twiml import Step, TwimlError, parse

_MAX_DOCUMENTS = 200
"""A document that redirects to itself without a pause would never end."""
_SPEAKS_S = 5.0
"""How long somebody talks onto a recording before the silence that ends it."""


class Conversation:
    """One answered call on its way through its instructions."""

    def __init__(self, live: LiveCall, recorder: Recorder) -> None:
        self._live = live
        self._recorder = recorder
        self._presses = live.phone.presses
        self._opening: list[Step] | None = None

    async def open(self) -> bool:
        """Ask what to do with a call that comes in. False when it is not to be picked up. Raises TwimlError."""
        voice = self._live.order.voice
        self._opening = await self._document(voice, {}) if voice else []
        return not self._opening or self._opening[0].kind != "reject"

    async def run(self) -> int | None:
        """Talk until the end. Returns the error code if the instructions failed, else None."""
        order = self._live.order
        instructions = Instructions(voice=order.voice, twiml=order.twiml)
        while True:
            try:
                await self._follow(instructions)
            except Redirected as redirected:
                instructions = redirected.instructions
                continue
            except HungUp:
                return None
            except TwimlError as error:
                return error.code
            return None

    async def _follow(self, instructions: Instructions) -> None:
        extra: Mapping[str, str] = {}
        hook = instructions.voice
        if self._opening is not None:
            steps, self._opening = self._opening, None
        else:
            steps = await self._document(hook, extra) if hook else parse(instructions.twiml or "", "")
        for _ in range(_MAX_DOCUMENTS):
            goes_on = await self._perform(steps)
            if goes_on is None:
                return
            steps = await self._document(*goes_on)
        raise TwimlError(11215)

    async def _perform(self, steps: list[Step]) -> tuple[Webhook, Mapping[str, str]] | None:
        """Do the steps; the next address and what to tell it, or None at the end of the call."""
        for step in steps:
            match step.kind:
                case "hang_up" | "reject":
                    return None
                case "talk":
                    await self._live.talk(step.seconds)
                case "redirect" if step.action:
                    return step.action, {}
                case "gather" if step.action and self._presses:
                    await self._live.talk(step.seconds + 1.0)
                    digits, self._presses = self._presses, ""
                    return step.action, {"Digits": digits, "msg": "Gather End", "FinishedOnKey": ""}
                case "gather":
                    await self._live.talk(step.seconds + step.timeout_s)
                case "record" if step.action:
                    recording = await self._record(step)
                    return step.action, {
                        "RecordingUrl": recording.url,
                        "RecordingSid": recording.sid,
                        "RecordingDuration": str(recording.duration_s),
                    }
                case _:
                    pass
        return None

    async def _record(self, step: Step) -> Recording:
        recording = self._recorder.start(self._live, source="RecordVerb")
        try:
            await self._live.talk(min(step.seconds, _SPEAKS_S + step.timeout_s))
        finally:
            self._recorder.stop(self._live, recording)
        return recording

    async def _document(self, hook: Webhook, extra: Mapping[str, str]) -> list[Step]:
        """Fetch and read a document; the fallback address is asked when that fails."""
        try:
            return await self._fetch(hook, extra)
        except TwimlError as error:
            fallback = self._live.order.fallback
            if fallback is None:
                raise
            return await self._fetch(fallback, {**extra, "ErrorCode": str(error.code), "ErrorUrl": hook.url})

    async def _fetch(self, hook: Webhook, extra: Mapping[str, str]) -> list[Step]:
        fields = {**voice_fields(self._live.base, self._live.call), **extra}
        _, text, failure = await self._live.ask(hook, fields)
        if failure is not None:
            raise TwimlError(11205 if failure == "ct" else 11200)
        return parse(text, hook.url.partition("#")[0])
