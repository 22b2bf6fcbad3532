from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.prospect_matching import (
    KnownProspect,
    NewProspect,
    OnDuplicate,
    Person,
    Plan,
    match,
)
from dialer.domain.standings import Circumstances, standing_of
from dialer.domain.states import ProspectState

PHONES = [f"+1650555010{n}" for n in range(5)]
ROWS = st.lists(
    st.builds(
        NewProspect,
        phone=st.sampled_from(PHONES),
        external_id=st.none() | st.sampled_from("abcd"),
        name=st.none() | st.sampled_from(["Ann", "Ben"]),
    ),
    max_size=12,
)
MODES = st.sampled_from(OnDuplicate)
STATES = st.sampled_from([ProspectState.READY, ProspectState.IN_CALL, ProspectState.INVALID])


def known_from(plan: Plan, states: list[ProspectState]) -> list[KnownProspect]:
    """Everybody whom a first batch created, as they would be stored."""
    return [
        KnownProspect(id=UUID(int=number), facts=person.facts, state=state)
        for number, (person, state) in enumerate(zip(plan.created, states, strict=False))
    ]


@given(first=ROWS, second=ROWS, mode=MODES, states=st.lists(STATES, min_size=12, max_size=12))
def test_every_row_is_in_exactly_one_count_and_nobody_shares_a_phone_or_an_id(
    first: list[NewProspect], second: list[NewProspect], mode: OnDuplicate, states: list[ProspectState]
) -> None:
    known = known_from(match(first, [], OnDuplicate.SKIP), states)
    plan = match(second, known, mode)
    assert len(plan.created) + plan.updates + len(plan.skipped) + len(plan.problems) == len(second)
    changed = {person.known.id: person.facts for person in plan.changed if person.known is not None}
    people = [person.facts for person in plan.created] + [changed.get(each.id, each.facts) for each in known]
    phones = [each.phone for each in people]
    ids = [each.external_id for each in people if each.external_id is not None]
    assert len(phones) == len(set(phones))
    assert len(ids) == len(set(ids))
    # The database checks uniqueness row by row: nobody takes a phone that was somebody's before.
    stored = {each.facts.phone: each.id for each in known}
    assert all(stored.get(facts.phone, owner) == owner for owner, facts in changed.items())
    assert not any(person.facts.phone in stored for person in plan.created)


@given(rows=ROWS, mode=MODES)
def test_the_same_rows_again_create_nobody(rows: list[NewProspect], mode: OnDuplicate) -> None:
    known = known_from(match(rows, [], OnDuplicate.SKIP), [ProspectState.READY] * len(rows))
    assert match(rows, known, mode).created == ()


@given(first=ROWS, second=ROWS)
def test_nobody_in_a_call_gets_another_phone(first: list[NewProspect], second: list[NewProspect]) -> None:
    known = known_from(match(first, [], OnDuplicate.SKIP), [ProspectState.IN_CALL] * len(first))
    plan = match(second, known, OnDuplicate.UPDATE)
    assert all(person.facts.phone == person.known.facts.phone for person in plan.changed if person.known)


def test_a_redial_that_waits_does_not_come_sooner_for_having_been_held() -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    later = now + timedelta(hours=4)
    around = Circumstances(suppressed=frozenset(), fixed_zone=False, max_attempts=3, now=now)
    placed = NewProspect(phone=PHONES[0], zone_set="America/Denver")
    nowhere = NewProspect(phone=PHONES[0], zone_set="")
    ready = KnownProspect(id=UUID(int=1), facts=placed, state=ProspectState.READY, next_due_at=later, attempts=1)
    held = standing_of(Person(facts=nowhere, known=ready), around)
    assert (held.state, held.next_due_at) == (ProspectState.HELD, later)
    known = replace(ready, facts=nowhere, state=held.state, held_reason=held.held_reason, next_due_at=held.next_due_at)
    again = standing_of(Person(facts=placed, known=known), around)
    assert (again.state, again.held_reason, again.next_due_at) == (ProspectState.READY, None, later)
