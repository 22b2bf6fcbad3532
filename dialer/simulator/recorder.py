"""Recordings of calls: made, stopped and reported; there is no sound in them."""

import secrets
from collections.abc import Callable
from datetime import datetime

from dialer.simulator.call_orders import RecordingOrder
from dialer.simulator.callback_fields import recording_fields
from dialer.simulator.ledger import Ledger, Recording
from dialer.simulator.live_calls import LiveCall

_DONE = frozenset({"stopped", "completed", "absent"})


class Recorder:
    """Keeps who is to hear about which recording, and where in the call it began."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], base_url: str) -> None:
        self._ledger = ledger
        self._now = now
        self._base_url = base_url.rstrip("/")
        self._running: dict[str, tuple[RecordingOrder | None, float]] = {}

    def start(self, live: LiveCall, *, source: str, order: RecordingOrder | None = None) -> Recording:
        """Record from here on."""
        call, now, sid = live.call, self._now(), "RE" + secrets.token_hex(16)
        recording = Recording(
            sid=sid,
            account_sid=call.account_sid,
            call_sid=call.sid,
            source=source,
            channels=order.channels if order else 1,
            track=order.track if order else "both",
            started_at=now,
            updated_at=now,
            url=f"{self._base_url}/2010-04-01/Accounts/{call.account_sid}/Recordings/{sid}",
        )
        self._ledger.add_recording(recording, call)
        self._running[sid] = (order, live.talked_s)
        self._tell(live, recording, order, "in-progress")
        return recording

    def pause(self, recording: Recording, status: str) -> None:
        """Pause or go on (``paused``, ``in-progress``); the silence stays part of the duration."""
        recording.status, recording.updated_at = status, self._now()

    def stop(self, live: LiveCall, recording: Recording) -> None:
        """End one recording; without effect when it ended before."""
        order, began = self._running.pop(recording.sid, (None, 0.0))
        if recording.status in _DONE:
            return
        recording.status, recording.updated_at = "completed", self._now()
        recording.duration_s = round(live.talked_s - began)
        self._tell(live, recording, order, "completed")

    def stop_all(self, live: LiveCall) -> None:
        """End what still runs when the call ends."""
        for recording in live.call.recordings:
            self.stop(live, recording)

    def _tell(self, live: LiveCall, recording: Recording, order: RecordingOrder | None, event: str) -> None:
        if order and order.callback and event in order.events:
            live.tell("recording", order.callback, recording_fields(recording))
