"""What a carrier tells about one call, in words of our own: the same for a callback, a poll and every
carrier.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID


class CarrierStatus(StrEnum):
    """Where the line is: ``queued → initiated → ringing → in_progress → completed``, or one of the other
    ends.
    """

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


TERMINAL = frozenset(
    {
        CarrierStatus.COMPLETED,
        CarrierStatus.BUSY,
        CarrierStatus.NO_ANSWER,
        CarrierStatus.FAILED,
        CarrierStatus.CANCELED,
    }
)


class AnsweredBy(StrEnum):
    """Who or what answered, as far as answering-machine detection could tell.

    ``machine_start`` was recognised while its greeting still ran; the ``machine_end_*`` values when it was
    over. https://www.twilio.com/docs/voice/answering-machine-detection
    """

    HUMAN = "human"
    MACHINE_START = "machine_start"
    MACHINE_END_BEEP = "machine_end_beep"
    MACHINE_END_SILENCE = "machine_end_silence"
    MACHINE_END_OTHER = "machine_end_other"
    FAX = "fax"
    UNKNOWN = "unknown"


#: A machine that has said its greeting: what is said now is recorded.
MACHINE_IS_DONE = frozenset({AnsweredBy.MACHINE_END_BEEP, AnsweredBy.MACHINE_END_SILENCE, AnsweredBy.MACHINE_END_OTHER})

EventKind = Literal["status", "amd", "recording", "poll"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEvent:
    """One report about one call. It holds no phone number, so that it may be stored and shown as it is.

    ``call_id`` is ours, read from the callback's address; ``sequence`` orders the status reports of one call
    and is None where the carrier gives none. ``occurred_at`` is an aware time; ``duration_seconds`` is the
    time connected (of the recording for ``kind="recording"``); ``price`` is what the carrier charges,
    positive, in its own currency.
    """

    call_id: UUID | None
    carrier_call_id: str
    kind: EventKind
    account_sid: str
    sequence: int | None = None
    status: CarrierStatus | None = None
    occurred_at: datetime | None = None
    answered_by: AnsweredBy | None = None
    sip_code: int | None = None
    error_code: int | None = None
    duration_seconds: int | None = None
    recording_url: str | None = None
    price: Decimal | None = None
