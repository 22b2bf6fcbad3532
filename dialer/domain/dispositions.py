"""How a call attempt ended and what was said, in closed enums, and what follows from each for the prospect.

A disposition is how the line ended; an outcome is what was said on it. Both become redials by the campaign's
policy, for which ``RULES`` and ``OUTCOME_RULES`` hold the defaults.

Sources of the mapping:

* call status and its order: https://www.twilio.com/docs/voice/api/call-resource
* error codes: https://www.twilio.com/docs/api/errors
* answering-machine detection: https://www.twilio.com/docs/voice/answering-machine-detection
* SIP response codes: RFC 3261 section 21, RFC 8197 (607 Unwanted), RFC 8688 (608 Rejected)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from dialer.domain.carrier_events import TERMINAL, AnsweredBy, CarrierStatus
from dialer.domain.states import ProspectState

Group = Literal["system", "network", "answered"]
RedialGroup = Literal["voicemail", "failed"]


class Disposition(StrEnum):
    """How the line ended."""

    # decided before anything is dialed, or by a carrier that will not dial it
    SUPPRESSED_DNC = "suppressed_dnc"
    SUPPRESSED_CONSENT = "suppressed_consent"
    OUTSIDE_WINDOW = "outside_window"
    CAP_REACHED = "cap_reached"
    INVALID_NUMBER = "invalid_number"
    ZONE_UNRESOLVED = "zone_unresolved"
    DUPLICATE = "duplicate"
    # the network's answer
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    DISCONNECTED = "disconnected"
    BLOCKED = "blocked"
    CARRIER_ERROR = "carrier_error"
    PROVIDER_ERROR = "provider_error"
    CALLER_ID_BLOCKED = "caller_id_blocked"
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    # somebody or something answered
    HUMAN = "human"
    VOICEMAIL_NO_MSG = "voicemail_no_msg"
    VOICEMAIL_LEFT = "voicemail_left"
    FAX = "fax"
    IVR = "ivr"
    ANSWERED_UNKNOWN = "answered_unknown"
    ABANDONED = "abandoned"
    SHORT_HANGUP = "short_hangup"


class Outcome(StrEnum):
    """What was said."""

    GOAL = "goal"
    NOT_INTERESTED = "not_interested"
    CALLBACK_REQUESTED = "callback_requested"
    DNC_REQUESTED = "dnc_requested"
    WRONG_NUMBER = "wrong_number"
    TRANSFERRED = "transferred"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionRule:
    """What follows from one disposition.

    ``default_delays``: the n-th end of this kind waits the n-th delay, then no more; empty means no redial.
    ``final_state``: the prospect's state when no redial is left. ``final``: no policy may redial it.
    ``counts``: towards caps on calls per person; ``counts_if_rang``: only when the phone had begun to ring.
    (``max_attempts`` is another matter: every call that the carrier may have accepted counts towards it.)
    """

    group: Group
    final_state: ProspectState
    default_delays: tuple[timedelta, ...] = ()
    redial_group: RedialGroup | None = None
    counts: bool = True
    counts_if_rang: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRule:
    """What follows from one outcome; fields as in ``DispositionRule``. ``suppresses``: the phone joins the
    do-not-call list.
    """

    final_state: ProspectState
    default_delays: tuple[timedelta, ...] = ()
    final: bool = False
    suppresses: bool = False


def _minutes(*values: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=value) for value in values)


_HOUR = 60
_DAY = 24 * _HOUR
_S = ProspectState


def _never_dialed(final_state: ProspectState, *, final: bool = True) -> DispositionRule:
    return DispositionRule(group="system", final_state=final_state, counts=False, final=final)


def _network(
    *delays: int,
    final_state: ProspectState = _S.EXHAUSTED,
    redial_group: RedialGroup | None = None,
    counts: bool = True,
    counts_if_rang: bool = False,
    final: bool = False,
) -> DispositionRule:
    return DispositionRule(
        group="network",
        final_state=final_state,
        default_delays=_minutes(*delays),
        redial_group=redial_group,
        counts=counts,
        counts_if_rang=counts_if_rang,
        final=final,
    )


def _answered(
    *delays: int,
    final_state: ProspectState = _S.EXHAUSTED,
    redial_group: RedialGroup | None = None,
    final: bool = False,
) -> DispositionRule:
    return DispositionRule(
        group="answered",
        final_state=final_state,
        default_delays=_minutes(*delays),
        redial_group=redial_group,
        final=final,
    )


_D = Disposition

#: The group ``failed`` holds what went wrong on the way to the person. A person's refusal (``rejected``) and
#: a blocked caller number are not in it: a policy that wants to call those again has to name them.
RULES: Mapping[Disposition, DispositionRule] = MappingProxyType(
    {
        _D.SUPPRESSED_DNC: _never_dialed(_S.SUPPRESSED),
        _D.SUPPRESSED_CONSENT: _never_dialed(_S.SUPPRESSED),
        _D.OUTSIDE_WINDOW: _never_dialed(_S.EXPIRED, final=False),
        _D.CAP_REACHED: _never_dialed(_S.EXHAUSTED, final=False),
        _D.INVALID_NUMBER: _never_dialed(_S.INVALID),
        _D.ZONE_UNRESOLVED: _never_dialed(_S.HELD, final=False),
        _D.DUPLICATE: _never_dialed(_S.INVALID),
        _D.NO_ANSWER: _network(4 * _HOUR, _DAY, _DAY),
        _D.BUSY: _network(15, 30, _HOUR),
        _D.UNREACHABLE: _network(4 * _HOUR, _DAY, redial_group="failed"),
        _D.REJECTED: _network(_DAY),
        # Once more, since carriers also answer "not found" for phones that exist.
        _D.DISCONNECTED: _network(_DAY, final_state=_S.INVALID, redial_group="failed"),
        _D.BLOCKED: _network(final_state=_S.INVALID, counts=False, final=True),
        _D.CARRIER_ERROR: _network(5, 15, _HOUR, redial_group="failed", counts=False),
        _D.PROVIDER_ERROR: _network(_HOUR, redial_group="failed", counts=False, counts_if_rang=True),
        # Calling again from the same number makes its reputation worse.
        _D.CALLER_ID_BLOCKED: _network(),
        _D.CANCELED: _network(5, 30, 4 * _HOUR, counts=False, counts_if_rang=True),
        _D.UNKNOWN: _network(1),
        _D.HUMAN: _answered(final_state=_S.REACHED),
        _D.VOICEMAIL_NO_MSG: _answered(_DAY, _DAY, redial_group="voicemail"),
        _D.VOICEMAIL_LEFT: _answered(_DAY, redial_group="voicemail"),
        _D.FAX: _answered(final_state=_S.INVALID, final=True),
        _D.IVR: _answered(_DAY),
        # Nobody knows that it was not a person: one more call, a day later.
        _D.ANSWERED_UNKNOWN: _answered(_DAY, final_state=_S.REACHED),
        _D.ABANDONED: _answered(3 * _DAY),
        _D.SHORT_HANGUP: _answered(_DAY),
    }
)

OUTCOME_RULES: Mapping[Outcome, OutcomeRule] = MappingProxyType(
    {
        Outcome.GOAL: OutcomeRule(final_state=_S.REACHED, final=True),
        Outcome.NOT_INTERESTED: OutcomeRule(final_state=_S.REACHED, final=True),
        Outcome.CALLBACK_REQUESTED: OutcomeRule(final_state=_S.REACHED, default_delays=_minutes(_DAY)),
        Outcome.DNC_REQUESTED: OutcomeRule(final_state=_S.SUPPRESSED, final=True, suppresses=True),
        Outcome.WRONG_NUMBER: OutcomeRule(final_state=_S.INVALID, final=True),
        Outcome.TRANSFERRED: OutcomeRule(final_state=_S.REACHED, final=True),
        Outcome.INCOMPLETE: OutcomeRule(final_state=_S.REACHED, default_delays=_minutes(_DAY)),
    }
)


def counts_towards_caps(disposition: Disposition, *, rang: bool) -> bool:
    """Whether an attempt that ended so is a call to that person, as limits on calls per person count them."""
    rule = RULES[disposition]
    return rule.counts or (rule.counts_if_rang and rang)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndFacts:
    """What is known about a call that is over.

    ``talk_seconds`` is the time connected. ``message_played``: our message ran to its end after the machine's
    greeting. ``canceled_by_us``: we asked the carrier to end it. ``speech_heard``: the person said something.
    ``agent_missing``: a person answered and no agent spoke within two seconds.
    """

    status: CarrierStatus
    sip_code: int | None = None
    answered_by: AnsweredBy | None = None
    error_code: int | None = None
    talk_seconds: int | None = None
    message_played: bool = False
    canceled_by_us: bool = False
    speech_heard: bool = False
    agent_missing: bool = False


SHORT_HANGUP_SECONDS = 6

_INVALID_NUMBER_ERRORS = (21211, 21217, 13223, 13226)
_BLOCKED_ERRORS = (21202, 21215, 21216, 13225, 13227, 32203, 32205)
_DISCONNECTED_ERRORS = (13224, 21214)
_CARRIER_ERRORS = (32011, 32016, 32022)
_TRUNK_ERRORS = range(32100, 32110)

#: What an error code says, at the end of a call and as a refusal alike.
_BY_ERROR: Mapping[int, Disposition] = MappingProxyType(
    {
        **dict.fromkeys(_INVALID_NUMBER_ERRORS, _D.INVALID_NUMBER),
        **dict.fromkeys(_BLOCKED_ERRORS, _D.BLOCKED),
        **dict.fromkeys(_DISCONNECTED_ERRORS, _D.DISCONNECTED),
        **dict.fromkeys(_CARRIER_ERRORS, _D.CARRIER_ERROR),
        **dict.fromkeys(_TRUNK_ERRORS, _D.PROVIDER_ERROR),
        32009: _D.UNREACHABLE,
        32017: _D.CALLER_ID_BLOCKED,
    }
)

#: What the SIP code of a call that did not connect says, whatever the carrier calls it.
_BY_SIP: Mapping[int, Disposition] = MappingProxyType(
    {
        403: _D.REJECTED,
        603: _D.REJECTED,
        607: _D.CALLER_ID_BLOCKED,
        608: _D.CALLER_ID_BLOCKED,
    }
)

_BY_SIP_OF_FAILED: Mapping[int, Disposition] = MappingProxyType(
    {
        480: _D.UNREACHABLE,
        **dict.fromkeys((404, 410, 484, 485, 604), _D.DISCONNECTED),
        **dict.fromkeys((408, 500, 502, 503, 504), _D.CARRIER_ERROR),
        **dict.fromkeys((401, 407, 415, 488), _D.PROVIDER_ERROR),
        **dict.fromkeys((486, 600), _D.BUSY),
        487: _D.NO_ANSWER,
    }
)


def disposition_of(facts: EndFacts) -> Disposition:
    """How the line ended. Without a terminal status the answer is ``unknown``."""
    if facts.status not in TERMINAL:
        return _D.UNKNOWN
    if facts.status is CarrierStatus.CANCELED:
        return _D.CANCELED
    if facts.status is CarrierStatus.COMPLETED:
        return _of_completed(facts)
    return _of_unconnected(facts)


def _of_completed(facts: EndFacts) -> Disposition:
    if _is_our_document_error(facts.error_code):
        return _D.PROVIDER_ERROR
    match facts.answered_by:
        case AnsweredBy.HUMAN:
            return _D.ABANDONED if facts.agent_missing else _D.HUMAN
        case AnsweredBy.MACHINE_START:
            # Still greeting: whatever we said, nothing was recorded.
            return _D.VOICEMAIL_NO_MSG
        case AnsweredBy.MACHINE_END_BEEP | AnsweredBy.MACHINE_END_SILENCE | AnsweredBy.MACHINE_END_OTHER:
            return _D.VOICEMAIL_LEFT if facts.message_played else _D.VOICEMAIL_NO_MSG
        case AnsweredBy.FAX:
            return _D.FAX
        case AnsweredBy.UNKNOWN | None:
            return _of_answered_by_whom_nobody_knows(facts)


def _of_answered_by_whom_nobody_knows(facts: EndFacts) -> Disposition:
    if facts.canceled_by_us and facts.answered_by is None and facts.talk_seconds == 0:
        # A ringing call that is asked to complete may be reported as completed without ever being connected.
        return _D.CANCELED
    short = facts.talk_seconds is not None and facts.talk_seconds < SHORT_HANGUP_SECONDS
    return _D.SHORT_HANGUP if short and not facts.speech_heard else _D.ANSWERED_UNKNOWN


def _of_unconnected(facts: EndFacts) -> Disposition:
    if facts.error_code is not None:
        if facts.error_code in _BY_ERROR:
            return _BY_ERROR[facts.error_code]
        if _is_our_document_error(facts.error_code):
            return _D.PROVIDER_ERROR
    if facts.sip_code is not None and facts.sip_code in _BY_SIP:
        return _BY_SIP[facts.sip_code]
    if facts.status is CarrierStatus.BUSY:
        return _D.BUSY
    if facts.status is CarrierStatus.NO_ANSWER:
        # The carrier may report a ringing call that we ended as unanswered.
        return _D.CANCELED if facts.canceled_by_us else _D.NO_ANSWER
    return _of_failed(facts)


def _of_failed(facts: EndFacts) -> Disposition:
    if facts.canceled_by_us and facts.sip_code == 487:
        return _D.CANCELED
    if facts.sip_code is None:
        return _D.CARRIER_ERROR
    return _BY_SIP_OF_FAILED.get(facts.sip_code, _D.REJECTED if facts.sip_code >= 600 else _D.CARRIER_ERROR)


def _is_our_document_error(error_code: int | None) -> bool:
    """11xxx: our address did not answer properly; 12xxx: our TwiML was not understood."""
    return error_code is not None and 11000 <= error_code < 13000


#: The carrier looked at nothing and asks to come back: 20429 too many requests, 22005 queue full, 10004 too
#: many calls at once. Nobody's phone rang, and it was no attempt.
NOT_PROCESSED_CODES = frozenset({20429, 22005, 10004})

#: The account or its credentials: 20003 authentication failed, 20005 and 10001 not active, 20006 access
#: denied, 20008 only test credentials, 20404 no such account.
ACCOUNT_CODES = frozenset({20003, 20005, 20006, 20008, 20404, 10001})

#: Our own settings: 21205 callback address, 21210 and 21212 caller number, 21219 trial account, 21201 and
#: 21213 a missing number, 21262 and 21263 answering-machine detection. The next call would be refused just
#: so.
CONFIGURATION_CODES = frozenset({21201, 21205, 21210, 21212, 21213, 21219, 21262, 21263})


def disposition_of_refusal(code: int | None) -> Disposition | None:
    """The disposition of a call that the carrier refused to make, by its error code.

    None when the refusal was no attempt at all (``NOT_PROCESSED_CODES``). Codes nobody has mapped are
    ``provider_error``: a refusal comes from the provider's API and never from a network, it says nothing
    about the person, and one redial an hour later costs little.
    """
    if code is None:
        return _D.PROVIDER_ERROR
    if code in NOT_PROCESSED_CODES:
        return None
    return _BY_ERROR.get(code, _D.PROVIDER_ERROR)


def refusal_pauses_campaign(code: int | None) -> bool:
    """Whether every further call would be refused for the same reason, until a person mends account or
    settings.
    """
    return code in ACCOUNT_CODES or code in CONFIGURATION_CODES
