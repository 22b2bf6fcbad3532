"""The small door to whatever places calls.

Errors are told apart by what they say about the phone, never by text::

    CarrierError
    ├── Refused             the carrier said no to this request: no phone rang
    │   └── AccountRefused  … and will to all others (account, credentials, settings): the campaign pauses
    ├── NotProcessed        the carrier did nothing (throttled, or the request never left): no phone rang
    ├── OutcomeUnknown      a phone may be ringing: look for the call, never dial again
    └── CallNotFound        the carrier knows no such call

No layer retries, and no message contains a phone number, an address or a carrier's text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

from dialer.domain.carrier_events import AnsweredBy, CarrierStatus


class CarrierError(Exception):
    """Something went wrong at, or on the way to, the carrier."""


class Refused(CarrierError):
    """The carrier refused, certainly. ``code`` is its error code, None when it gave none that can be read."""

    def __init__(self, code: int | None, http_status: int) -> None:
        super().__init__(f"refused with code {code} (HTTP {http_status})")
        self.code = code
        self.http_status = http_status


class AccountRefused(Refused):
    """The account, its credentials or our settings are refused: the next request would be refused just so."""


class NotProcessed(CarrierError):
    """Certainly nothing was done. ``retry_after_s`` is the carrier's wish, None when it has none.

    ``answered``: the carrier itself said so; else the request never left.
    """

    def __init__(
        self, reason: str, *, code: int | None = None, retry_after_s: float | None = None, answered: bool = False
    ) -> None:
        super().__init__(f"not processed: {reason}")
        self.answered = answered
        self.code = code
        self.retry_after_s = retry_after_s


class OutcomeUnknown(CarrierError):
    """Nobody knows whether the carrier acted on the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"outcome unknown: {reason}")


class CallNotFound(CarrierError):
    """The carrier knows no such call."""

    def __init__(self) -> None:
        super().__init__("the carrier knows no such call")


AnsweringMachine = Literal["off", "detect", "detect_async", "message_end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOrder:
    """One call to place.

    ``to`` and ``from_`` are E.164 and stay out of ``repr``. ``answering_machine``: ``detect`` holds the
    call's document until it is known who answered; ``detect_async`` starts at once and reports later;
    ``message_end`` waits for the end of a machine's greeting. ``send_digits`` (an extension, at most 32)
    switches the detection off at the carrier. ``callback_base_url`` is our public base URL, without a path of
    ours.
    """

    call_id: UUID
    to: str = field(repr=False)
    from_: str = field(repr=False)
    ring_timeout_s: int
    max_call_s: int
    callback_base_url: str
    answering_machine: AnsweringMachine = "detect"
    send_digits: str | None = field(default=None, repr=False)
    record: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The carrier's acceptance. ``queue_time_s`` is its estimate of how long the call waits before it is
    dialed.
    """

    carrier_call_id: str
    queue_time_s: float
    status: CarrierStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierCall:
    """A call as the carrier's own record shows it. Times are aware; ``started_at`` is None until it is
    dialed.
    """

    carrier_call_id: str
    account_sid: str
    status: CarrierStatus
    to: str = field(repr=False)
    from_: str = field(repr=False)
    created_at: datetime | None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    answered_by: AnsweredBy | None = None
    duration_seconds: int | None = None
    queue_time_s: float | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """The carrier account as it stands. ``status`` is the carrier's word for it."""

    account_sid: str
    status: str
    active: bool


class Carrier(Protocol):
    """What the dialer asks of a carrier."""

    @property
    def name(self) -> str:
        """Which carrier this is, e.g. ``twilio``."""
        ...

    async def place(self, order: DialOrder, may_still_dial: Callable[[], None] | None = None) -> Placed:
        """Ask for one call, with one request.

        ``may_still_dial`` is called at the last moment before the request leaves; what it raises comes out of
        here as it is, and nothing was sent. Raises ``Refused``, ``AccountRefused``, ``NotProcessed``,
        ``OutcomeUnknown``.
        """
        ...

    async def find(self, *, to: str, from_: str, placed_after: datetime) -> Sequence[CarrierCall]:
        """Every call between the two numbers that the carrier created at or after ``placed_after``, newest
        first.

        Raises ``OutcomeUnknown`` when the answer is missing or incomplete: an empty list means that there is
        none.
        """
        ...

    async def placed_from(self, *, from_: str | None, since: datetime) -> Sequence[CarrierCall]:
        """Every call from one of our numbers (None: from any) that was placed over the API at or after ``since``,
        newest first.

        Raises ``OutcomeUnknown`` when the answer is missing or incomplete.
        """
        ...

    async def fetch(self, carrier_call_id: str) -> CarrierCall:
        """The carrier's record of one call. Raises ``CallNotFound``."""
        ...

    async def hang_up(self, carrier_call_id: str, *, answered: bool | None) -> None:
        """End a call in whatever state it is; one that is already over is a success. ``answered``: None when
        unknown.

        Raises ``CallNotFound``, and ``OutcomeUnknown`` when it has to be asked again.
        """
        ...

    async def check(self) -> AccountStatus:
        """Look at the account, harmlessly. Raises ``AccountRefused`` for wrong credentials."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
