"""What a batch of rows is to write, worked out while the batch before it is being written.

Most rows of a file are about people whom the campaign does not have. So a draft takes that for granted, and whoever
writes it looks first whether it is so, and whether the circumstances are still what they were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialer.domain.prospect_matching import DEFAULT_PRIORITY, NewProspect, OnDuplicate, Person, Plan, match
from dialer.domain.standings import Circumstances, Settled, Standing, settle
from dialer.store.incoming import lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What is known of a batch ahead of its turn: ids of contacts by phone, perhaps not of all, the circumstances,
    and what a row about somebody known does."""

    contacts: Mapping[str, str]
    around: Circumstances
    on_duplicate: OnDuplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Settled people, and the rows of ``incoming`` that they are, updates first, in pieces."""

    settled: Settled
    pieces: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan that holds while the campaign has nobody of these rows; ``staged`` is what it comes to in ``around``."""

    plan: Plan
    around: Circumstances
    staged: Staged


def draft(rows: Sequence[NewProspect], ahead: Ahead) -> Draft:
    """What becomes of these rows if the campaign has nobody of them."""
    plan = match(rows, (), ahead.on_duplicate)
    return Draft(plan=plan, around=ahead.around, staged=staged(settle(plan, ahead.around), ahead.contacts))


def staged(settled: Settled, contacts: Mapping[str, str]) -> Staged:
    """Ready to be copied."""
    people = (*settled.changed, *settled.created)
    return Staged(settled=settled, pieces=list(lines(_facts(*each, contacts) for each in people)))


def priority_of(person: Person) -> int:
    return DEFAULT_PRIORITY if person.facts.priority is None else person.facts.priority


def _facts(person: Person, standing: Standing, contacts: Mapping[str, str]) -> tuple[object, ...]:
    """In the order of the columns of ``incoming``."""
    facts, turn = person.facts, person.turn
    return (
        None if person.known is None else person.known.id,
        facts.phone,
        facts.extension,
        facts.external_id,
        facts.name,
        facts.variables,
        facts.zone_set,
        facts.zone_source,
        priority_of(person),
        standing.state.value,
        standing.held_reason,
        standing.next_due_at,
        facts.import_row,
        turn.at,
        turn.bad,
        contacts.get(facts.phone),
    )
