"""Every delay of the life of a call, in one place.

All values are seconds. They are promises to each other: a gate is passed before its turn comes, so ``turn_s`` is well
below ``gate_age_s``; the gate's answer is waited for ``undecided_s`` because the process checks its gate's age
(``gate_age_s``) right before the request and the request itself ends after ``http_timeout_s``; the activity around all
of it ends after ``place_timeout_s``. Change one, and read the others.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Delays in seconds, measured on the product's clock."""

    http_timeout_s: float = 10.0
    """The carrier's answer to one request; then its outcome is unknown."""
    gate_age_s: float = 2.0
    """A gate older than this is not acted upon: a process that was frozen must not dial when it wakes."""
    undecided_s: float = 12.0
    """Gate age plus HTTP timeout: after it every call that passed its gate has an answer, or never will."""
    place_timeout_s: float = 20.0
    """Start-to-close of ``place_call``: longer than everything inside it, so that a timeout means a dead worker."""
    turn_s: float = 1.0
    """The longest wait for a turn on the pace rows; a longer one defers the call."""
    turn_lead_s: float = 0.05
    """A turn lies at least so far ahead, so that the gate is passed when its moment comes."""
    turn_slack_s: float = 0.05
    """A request that is later than its turn by more takes another turn: late ones would leave together. The promise
    (rate + 10 % + 1 in any second) bears a tenth of a second at high rates; the other half is for the way there."""
    backoff_first_s: float = 1.0
    """How long an account is left alone after several failed requests in a row; each time twice as long …"""
    backoff_most_s: float = 60.0
    """… and never longer than this."""
    window_margin_s: float = 30.0
    """A calling window must be open now and for this long."""
    defer_s: float = 5.0
    """The earliest next attempt after a call that was claimed and never dialed."""
    claim_expiry_s: float = 60.0
    """A call claimed for longer belongs to a crashed process: the sweep defers it."""
    queue_s: float = 2.0
    """The longest queue at the carrier; a longer one is cancelled, since a queue knows no calling hours."""
    ring_after_s: float = 15.0
    """A call that does not ring this long after its acceptance is cancelled."""
    grace_s: float = 60.0
    """How long an unknown call is looked for at the carrier before it ends as unknown."""
    last_resort_s: float = 21600.0
    """A call whose carrier could not be asked for so long ends as unknown: longer than any call lasts."""
    reconcile_s: float = 5.0
    """Between two looks at the carrier for one undecided call."""
    deadline_margin_s: float = 15.0
    """Added to ring and talk limits before a silent call is looked up at the carrier."""
    amd_wait_s: float = 10.0
    """How long a prospect's decision waits for an asynchronous answering-machine result."""
    leg_s: float = 10.0
    """The length of one dispatch leg."""
    sweep_s: float = 30.0
    """Between two sweeps."""
    watch_s: float = 1.0
    """Between two looks at calls that should ring or must end, inside one sweep."""
