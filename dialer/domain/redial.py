"""Whether and when the same person is called again. A redial is a new attempt, by policy, and it is counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dialer.domain.dispositions import OUTCOME_RULES, RULES, Disposition, Outcome
from dialer.domain.states import ProspectState

#: Who is called again when people ask for those who were not reached.
UNREACHED = (ProspectState.EXHAUSTED, ProspectState.EXPIRED)
#: Whom they may ask for by name. Ready and held people wait already, and nobody is taken out of a call.
REQUEUEABLE = frozenset({*UNREACHED, ProspectState.REACHED, ProspectState.INVALID, ProspectState.SUPPRESSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RedialPolicy:
    """``delays`` by disposition, outcome or group; the n-th end of one kind takes the n-th delay, then no more.

    ``other_daypart``: after a call that reached nobody, the next is made in a part of the day that was tried less.
    """

    max_attempts: int = 4
    other_daypart: bool = False
    delays: Mapping[str, tuple[timedelta, ...]] = field(default_factory=dict[str, tuple[timedelta, ...]])


#: The hour may be why nobody was reached.
_BY_THE_HOUR = frozenset(
    {Disposition.NO_ANSWER, Disposition.BUSY, Disposition.VOICEMAIL_NO_MSG, Disposition.VOICEMAIL_LEFT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """How one attempt ended: what the policy looks at."""

    disposition: Disposition
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The prospect's next state; ``ready`` again after ``delay``, or final. ``reason`` is a sentence for people.

    ``due_at`` instead of the delay where a moment was chosen.

    ``leaves_phone``: nobody can be called at this phone, so that it is not this phone's turn again.
    """

    state: ProspectState
    delay: timedelta | None
    reason: str
    leaves_phone: bool = False
    due_at: datetime | None = None


def attempt_of(place: int, most: int, *, asked_for: bool = False) -> str:
    """Which attempt it is of those allowed, in words. A call that the person asked for is beside them.

    ``place`` counts what the carrier may have accepted since the allowance began: a refused call uses up none, so that
    it may be below the call's own number.
    """
    return f"{place}, a callback asked for" if asked_for else f"{place} of {most}"


def next_step(
    policy: RedialPolicy,
    ended: EndedCall,
    earlier: Sequence[EndedCall],
    attempts_made: int,
    *,
    suppressed: bool,
    others_left: bool = False,
) -> NextStep:
    """Decide after an attempt ended.

    ``earlier`` are the prospect's previous ended attempts, whichever of their phones was called; ``attempts_made``
    counts every call that the carrier may have accepted, this one included. ``others_left``: another phone of theirs
    is not left out yet, so that a number at which nobody can be called does not end it all.
    """
    if suppressed:
        return NextStep(state=ProspectState.SUPPRESSED, delay=None, reason="on the do-not-call list")
    key, delays, final_state = _rule(policy, ended)
    used = sum(1 for call in earlier if _rule(policy, call)[0] == key)
    spent = attempts_made >= policy.max_attempts
    leaves_phone = final_state is ProspectState.INVALID and used >= len(delays)
    if leaves_phone and others_left and not spent:
        reason = f"{key}: on to the next phone"
        return NextStep(state=ProspectState.READY, delay=timedelta(0), reason=reason, leaves_phone=True)
    if final_state is ProspectState.INVALID and others_left:
        final_state = ProspectState.EXHAUSTED
    if used >= len(delays):
        reason = f"{key}: all {len(delays)} redials used" if delays else f"{key}: no redial by policy"
        return NextStep(state=final_state, delay=None, reason=reason, leaves_phone=leaves_phone)
    if spent:
        reason = f"all {policy.max_attempts} attempts made"
        return NextStep(state=final_state, delay=None, reason=reason)
    return NextStep(state=ProspectState.READY, delay=delays[used], reason=f"{key}: redial {used + 1} of {len(delays)}")


def wants_other_daypart(policy: RedialPolicy, ended: EndedCall, step: NextStep) -> bool:
    """Whether the redial goes by the parts of the day that were tried; not before its delay is over."""
    told = ended.outcome is not None or ended.disposition not in _BY_THE_HOUR
    return policy.other_daypart and step.state is ProspectState.READY and not told and not step.leaves_phone


def with_callback(step: NextStep, due_at: datetime) -> NextStep:
    """The person asked to be called at another time: that counts, whatever follows otherwise, unless they opted out."""
    if step.state is ProspectState.SUPPRESSED:
        return step
    reason = "a callback was asked for"
    return replace(step, state=ProspectState.READY, delay=None, due_at=due_at, reason=reason, leaves_phone=False)


def _rule(policy: RedialPolicy, call: EndedCall) -> tuple[str, tuple[timedelta, ...], ProspectState]:
    """The most specific key that the policy names, else the product's default for the outcome or disposition."""
    rule = RULES[call.disposition]
    final = rule.final_state
    if call.outcome is not None:
        outcome_rule = OUTCOME_RULES[call.outcome]
        if call.outcome in policy.delays and not outcome_rule.final:
            return call.outcome.value, policy.delays[call.outcome], outcome_rule.final_state
        return call.outcome.value, outcome_rule.default_delays, outcome_rule.final_state
    if rule.final:
        return call.disposition.value, (), final
    if call.disposition in policy.delays:
        return call.disposition.value, policy.delays[call.disposition], final
    if rule.redial_group is not None and rule.redial_group in policy.delays:
        return rule.redial_group, policy.delays[rule.redial_group], final
    return call.disposition.value, rule.default_delays, final
