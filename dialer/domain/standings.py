"""The states of people after rows about them: whether they can be called, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from dialer.domain.prospect_matching import NewProspect, Person, Plan
from dialer.domain.states import ProspectState

ZONE_UNRESOLVED = "zone_unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What decides a prospect's state besides the row: do-not-call phones, and the campaign's rules."""

    suppressed: frozenset[str]
    fixed_zone: bool
    max_attempts: int
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """State, why it is held, and when it is due."""

    state: ProspectState
    held_reason: str | None = None
    next_due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A plan with everybody's state. ``updates`` and ``skipped`` count people as changed whose state is another one
    although no row says anything new of them: the campaign's rules or the do-not-call list have changed since."""

    created: tuple[tuple[Person, Standing], ...]
    changed: tuple[tuple[Person, Standing], ...]
    updates: int
    skipped: Mapping[int, Person]


def settle(plan: Plan, around: Circumstances) -> Settled:
    """``around`` knows the do-not-call list for ``plan.judged``."""
    reopened: dict[UUID, tuple[Person, Standing]] = {}
    for person in plan.repeated:
        known, standing = person.known, standing_of(person, around)
        if known is not None and (standing.state, standing.held_reason) != (known.state, known.held_reason):
            reopened[known.id] = (person, standing)
    skipped = {i: each for i, each in plan.skipped.items() if each.known is None or each.known.id not in reopened}
    return Settled(
        created=tuple((person, standing_of(person, around)) for person in plan.created),
        changed=(*((person, standing_of(person, around)) for person in plan.changed), *reopened.values()),
        updates=plan.updates + len(plan.skipped) - len(skipped),
        skipped=skipped,
    )


def standing_of(person: Person, around: Circumstances) -> Standing:
    """The state of somebody new, or of somebody known after a change.

    Whoever was reached, gave up or opted out stays so. A new zone reopens who was held for want of one; a new phone
    reopens who was invalid for the old ones.
    """
    known, facts = person.known, person.facts
    entered = _entered(facts, around)
    if known is None:
        return entered
    as_it_was = Standing(state=known.state, held_reason=known.held_reason, next_due_at=known.next_due_at)
    if known.state is ProspectState.INVALID and not set(facts.phones) <= set(known.facts.phones):
        spent = known.attempts >= around.max_attempts and entered.state is ProspectState.READY
        return Standing(state=ProspectState.EXHAUSTED) if spent else entered
    if known.state not in (ProspectState.READY, ProspectState.HELD) or entered.state is known.state:
        return as_it_was
    held_otherwise = known.state is ProspectState.HELD and known.held_reason != ZONE_UNRESOLVED
    if held_otherwise and entered.state is ProspectState.READY:
        return as_it_was
    if entered.state is ProspectState.SUPPRESSED or known.next_due_at is None:
        return entered
    # A redial that has to wait must not come sooner because the person was held meanwhile.
    return replace(entered, next_due_at=known.next_due_at)


def _entered(facts: NewProspect, around: Circumstances) -> Standing:
    if not around.suppressed.isdisjoint(facts.phones):
        return Standing(state=ProspectState.SUPPRESSED)
    if not facts.zone_set and not around.fixed_zone:
        return Standing(state=ProspectState.HELD, held_reason=ZONE_UNRESOLVED)
    return Standing(state=ProspectState.READY, next_due_at=around.now)
