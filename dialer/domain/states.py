"""The state machines of the product, each in one closed enum.

Strings are what the database, the API and Temporal's results carry; nothing compares them in any other spelling.
"""

from enum import StrEnum


class CampaignStatus(StrEnum):
    """``draft → scheduled → running ⇄ paused → completed``, or ``stopped`` (final).

    Between two runs a recurring campaign is ``scheduled`` again.
    """

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"


class ProspectState(StrEnum):
    """Where one person stands in one campaign.

    ``held`` means that something needed to decide is missing (a time zone, consent): it does not block completion and
    reopens when mended.
    """

    READY = "ready"
    IN_CALL = "in_call"
    HELD = "held"
    REACHED = "reached"
    EXHAUSTED = "exhausted"
    SUPPRESSED = "suppressed"
    INVALID = "invalid"
    EXPIRED = "expired"


FINAL_PROSPECT_STATES = frozenset(
    {
        ProspectState.REACHED,
        ProspectState.EXHAUSTED,
        ProspectState.SUPPRESSED,
        ProspectState.INVALID,
        ProspectState.EXPIRED,
    }
)


class CallState(StrEnum):
    """``claimed → dialing → (accepted → ringing → in_progress) → ended``.

    ``unknown`` is being reconciled with the carrier and keeps its slot. ``deferred`` was claimed and never dialed.
    ``inbound`` is the only state of a call that came in and is not over: nobody dialed it, so that it is not live in
    the sense of ``LIVE_STATES`` and takes no slot. Outside it reads ``in_progress``.
    """

    CLAIMED = "claimed"
    DIALING = "dialing"
    ACCEPTED = "accepted"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    INBOUND = "inbound"
    UNKNOWN = "unknown"
    ENDED = "ended"
    DEFERRED = "deferred"


def shown_state(state: str) -> str:
    """A call's state as everybody outside knows it: whether somebody rang or was rung is its direction."""
    return CallState.IN_PROGRESS.value if state == CallState.INBOUND else state


LIVE_STATES = frozenset(
    {
        CallState.CLAIMED,
        CallState.DIALING,
        CallState.ACCEPTED,
        CallState.RINGING,
        CallState.IN_PROGRESS,
        CallState.UNKNOWN,
    }
)

#: How far a call is known to have come at the carrier. A report never moves a call to a lower rank.
PROGRESS = {
    CallState.CLAIMED: 0,
    CallState.DIALING: 1,
    CallState.UNKNOWN: 1,
    CallState.ACCEPTED: 2,
    CallState.RINGING: 3,
    CallState.IN_PROGRESS: 4,
    CallState.INBOUND: 4,
    CallState.ENDED: 5,
    CallState.DEFERRED: 5,
}


class ImportStatus(StrEnum):
    """The life of one uploaded file."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BatchStatus(StrEnum):
    """``importing → scheduled → running ⇄ paused → completed``, ``failed`` before anybody is called, or ``cancelled``.

    Never stored: it follows from the batch's import, its campaign and its own row.
    """

    IMPORTING = "importing"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class PausedReason(StrEnum):
    """Who or what paused a campaign; anything but ``user`` is a pause by the system."""

    USER = "user"
    CARRIER_ACCOUNT = "carrier_account_refused"
    CARRIER_CONFIGURATION = "carrier_configuration"
    CARRIER_FAILING = "carrier_failing"
    FAILURE_RATE = "failure_rate"
    DATABASE_RESTORED = "database_restored"
    SCHEDULE = "schedule_paused"


class CompletedReason(StrEnum):
    """Why a campaign is completed."""

    ALL_FINAL = "all_final"
    END_AT = "end_at"
