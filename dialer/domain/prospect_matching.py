"""Who a new row is about: somebody new, somebody known, or a contradiction.

People are known by their phones and by their ``external_id``, each unique in a campaign. A row that names a known
person is skipped or updates them; a row whose phone says one person and whose ``external_id`` another changes nobody.
A further phone of a row that belongs to somebody else is left out of it: nobody is called on behalf of two people.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from dialer.domain.person_phones import Line, Turn, carried_over, once_each
from dialer.domain.prospect_rows import EXTERNAL_ID_LIMIT
from dialer.domain.states import ProspectState
from dialer.domain.zones import zones_for_phones

DEFAULT_PRIORITY = 5
_FIRST = Turn()

#: How well a zone is known. A blank cell does not replace a better knowledge.
_CERTAINTY = {"none": 0, "phone": 1, "address": 2, "explicit": 3}


class OnDuplicate(StrEnum):
    """What a row about a known person does."""

    SKIP = "skip"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProspect:
    """One row: ``phone`` E.164, ``zone_set`` a ZoneSet's key or empty, ``import_row`` its number in the file.

    None means "not said": the default for somebody new, and no change for somebody known.
    """

    phone: str
    extension: str | None = None
    other_phones: tuple[Line, ...] | None = None
    external_id: str | None = None
    name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    zone_set: str = ""
    zone_source: str = "none"
    priority: int | None = None
    import_row: int | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """All phones in order, the first one first."""
        return (Line(self.phone, self.extension), *(self.other_phones or ()))

    @property
    def phones(self) -> tuple[str, ...]:
        others = self.other_phones
        return (self.phone, *(line.phone for line in others)) if others else (self.phone,)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProspect:
    """Somebody in the campaign; ``facts`` is what is stored, in the form of a row."""

    id: UUID
    facts: NewProspect
    state: ProspectState
    held_reason: str | None = None
    next_due_at: datetime | None = None
    attempts: int = 0
    turn: Turn = Turn()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Why the row at ``index`` (from 0) of what was given is not written. Texts never repeat the row's values."""

    index: int
    column: str
    code: str
    message: str
    suggestion: str


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody whom rows are about; ``known`` is None while nobody like this is stored."""

    facts: NewProspect
    known: KnownProspect | None = None
    indexes: list[int] = field(default_factory=list[int])

    @property
    def turn(self) -> Turn:
        """Whose turn it is among the phones, after the change."""
        known = self.known
        return _FIRST if known is None else carried_over(known.turn, known.facts.phones, self.facts.phones)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write. Each row given is in exactly one of the four counts; ``skipped`` are those that say nothing new,
    or are not to."""

    created: tuple[Person, ...]
    changed: tuple[Person, ...]
    updates: int
    skipped: Mapping[int, Person]
    problems: tuple[RowProblem, ...]
    repeated: tuple[Person, ...] = ()
    """Known people who might be updated, and of whom no row says anything new."""

    @property
    def judged(self) -> list[Person]:
        """Everybody whose state is to be looked at."""
        return [*self.created, *self.changed, *self.repeated]


def match(rows: Sequence[NewProspect], known: Iterable[KnownProspect], on_duplicate: OnDuplicate) -> Plan:
    """Decide row by row, in order, as if each were written before the next is looked at."""
    book = _Book([Person(facts=each.facts, known=each) for each in known])
    refused = _refusals(rows)
    updates = 0
    skipped: dict[int, Person] = {}
    problems: list[RowProblem] = []
    for index, row in enumerate(rows):
        found = book.find(row)
        if (code := refused.get(index)) is not None:
            problems.append(problem(index, code))
        elif not found and row.phone not in book.left_phones:
            book.add(index, row)
        elif on_duplicate is OnDuplicate.SKIP:
            skipped[index] = found[0]
        elif (code := book.contradiction(row, found)) is not None:
            problems.append(problem(index, code))
        elif book.change(index, row, found[0]):
            updates += 1
        else:
            skipped[index] = found[0]
    created = tuple(person for person in book.people if person.known is None)
    changed = tuple(person for person in book.people if person.known is not None and person.indexes)
    same = {p.known.id: p for p in skipped.values() if p.known is not None and not p.indexes}
    return Plan(
        created=created,
        changed=changed,
        updates=updates,
        skipped=skipped,
        problems=tuple(problems),
        repeated=tuple(same.values()) if on_duplicate is OnDuplicate.UPDATE else (),
    )


class _Book:
    """Everybody known so far, by each of their phones and by external id."""

    def __init__(self, people: list[Person]) -> None:
        self.people = people
        self.by_phone = {phone: person for person in people for phone in person.facts.phones}
        self.by_external = {e: person for person in people if (e := person.facts.external_id) is not None}
        # Stored phones that an earlier row gave up: nobody else takes them in the same transaction, since the
        # database checks uniqueness row by row.
        self.left_phones: set[str] = set()

    def find(self, row: NewProspect) -> list[Person]:
        by_phone = self.by_phone.get(row.phone)
        by_external = None if row.external_id is None else self.by_external.get(row.external_id)
        if by_external is None or by_external is by_phone:
            return [] if by_phone is None else [by_phone]
        return [by_external] if by_phone is None else [by_external, by_phone]

    def contradiction(self, row: NewProspect, found: list[Person]) -> str | None:
        if len(found) != 1 or row.phone in self.left_phones:
            return "phone_taken"
        facts, known = found[0].facts, found[0].known
        if None not in (row.external_id, facts.external_id) and row.external_id != facts.external_id:
            return "phone_taken"
        in_call = known is not None and known.state is ProspectState.IN_CALL
        changed = in_call and merged(facts, self._own(row, found[0])).phones != facts.phones
        return "prospect_in_call" if changed else None

    def add(self, index: int, row: NewProspect) -> None:
        person = Person(facts=self._own(row, None), indexes=[index])
        self.people.append(person)
        self._index(person)

    def change(self, index: int, row: NewProspect, person: Person) -> bool:
        """False when the row says nothing new of the person, who then stays as they are."""
        had = person.facts.phones
        facts = merged(person.facts, self._own(row, person))
        # In Python True equals 1 and 1.0; as variables of a conversation they differ.
        if facts == person.facts and repr(facts.variables) == repr(person.facts.variables):
            return False
        person.facts = facts
        person.indexes.append(index)
        for left in set(had) - set(person.facts.phones):
            del self.by_phone[left]
            self.left_phones.add(left)
        self._index(person)
        return True

    def _own(self, row: NewProspect, person: Person | None) -> NewProspect:
        """The row without repeated phones and without those of other people."""
        if not row.other_phones:
            return row
        own = [line for line in once_each(row.lines)[1:] if self.by_phone.get(line.phone, person) is person]
        if len(own) == len(row.other_phones):
            return row
        return _in_zones_of_phones(replace(row, other_phones=tuple(own)))

    def _index(self, person: Person) -> None:
        for phone in person.facts.phones:
            self.by_phone[phone] = person
        if person.facts.external_id is not None:
            self.by_external[person.facts.external_id] = person


def merged(earlier: NewProspect, later: NewProspect) -> NewProspect:
    """What is known of somebody after a later row: what it says replaces, what it leaves out stays.

    A row with several phones replaces them all. One phone replaces the first, unless it is one of theirs already.
    """
    first, *others = _merged_lines(earlier, later)
    moved = first.phone != earlier.phone
    rezoned = moved or _CERTAINTY[later.zone_source] >= _CERTAINTY[earlier.zone_source]
    zone = later if rezoned else earlier
    facts = replace(
        earlier,
        phone=first.phone,
        extension=first.extension,
        other_phones=tuple(others) if others or earlier.other_phones else earlier.other_phones,
        external_id=later.external_id or earlier.external_id,
        name=later.name or earlier.name,
        variables={**earlier.variables, **later.variables},
        zone_set=zone.zone_set,
        zone_source=zone.zone_source,
        priority=earlier.priority if later.priority is None else later.priority,
    )
    # The zones of the row are those of the row's phones, which need not be all of them.
    return facts if facts.phones in ((later.phone,), (earlier.phone,)) else _in_zones_of_phones(facts)


def _merged_lines(earlier: NewProspect, later: NewProspect) -> tuple[Line, ...]:
    known = {line.phone: line for line in earlier.lines}
    said = tuple(Line(line.phone, line.extension or known.get(line.phone, line).extension) for line in later.lines)
    if later.other_phones is not None:
        return once_each(said)
    if later.phone not in known:
        return (said[0], *earlier.lines[1:])
    return tuple(said[0] if line.phone == later.phone else line for line in earlier.lines)


def _in_zones_of_phones(facts: NewProspect) -> NewProspect:
    """The zones of all phones, where nothing but the phones tells them."""
    if facts.zone_source not in ("phone", "none"):
        return facts
    zones = zones_for_phones(facts.phones)
    if zones is None:
        return replace(facts, zone_set="", zone_source="none")
    return replace(facts, zone_set=zones.key, zone_source="phone")


# -- rows that are not written -------------------------------------------------------------------------------------


def problem(index: int, code: str) -> RowProblem:
    """The problem of a code of this module, in words."""
    column, message, suggestion = _PROBLEMS[code]
    return RowProblem(index=index, column=column, code=code, message=message, suggestion=suggestion)


_PROBLEMS = {
    "phone_taken": (
        "phone",
        "Another prospect of this campaign has this phone number under another external_id",
        "Keep one row per phone number, or correct the external_id",
    ),
    "prospect_in_call": (
        "phone",
        "This prospect is in a call, so the phone number cannot be changed now",
        "Upload this row again after the call",
    ),
    "external_id_too_long": (
        "external_id",
        f"The external_id has more than {EXTERNAL_ID_LIMIT} characters",
        "Use a shorter identifier",
    ),
    "text_not_storable": (
        "variables",
        "The row holds characters that are no text (a NUL or half of a pair)",
        "Save the file as UTF-8 text and upload it again",
    ),
}


def _refusals(rows: Sequence[NewProspect]) -> dict[int, str]:
    """The codes of rows that cannot be stored, by index."""
    found = {i: "external_id_too_long" for i, row in enumerate(rows) if len(row.external_id or "") > EXTERNAL_ID_LIMIT}
    if not _are_surely_storable(rows):
        texts = [(row.name, row.external_id, row.extension, row.other_phones, row.variables) for row in rows]
        found.update((i, "text_not_storable") for i, each in enumerate(texts) if not is_storable(each))
    return found


def _are_surely_storable(rows: Sequence[NewProspect]) -> bool:
    """One look at everything, since nearly always nothing is wrong; False may be a false alarm."""
    parts: list[str] = []
    for row in rows:
        if row.other_phones:
            parts += [part or "" for line in row.other_phones for part in line]
        parts += (row.name or "", row.external_id or "", row.extension or "", *row.variables, *row.variables.values())
    try:
        everything = _together(parts)
        everything.encode()
    except ValueError:
        return False
    return "\0" not in everything and "\\u0000" not in everything


def _together(parts: Sequence[str]) -> str:
    try:
        return "".join(parts)
    except TypeError:  # not all variables are texts
        return json.dumps(parts, ensure_ascii=False, allow_nan=False)


def is_storable(value: object) -> bool:
    """PostgreSQL stores neither NUL nor unpaired surrogates, at any depth."""
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value))
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return all(is_storable(part) for pair in pairs for part in pair)
    return all(map(is_storable, cast("list[object]", value))) if isinstance(value, list | tuple) else True
