"""Who is called: numbers from the ranges that are reserved for fiction, in several time zones."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import phonenumbers

from tests.chaos.clocks import Scene
from tests.chaos.plan import RunPlan

#: New York, Boston, Philadelphia, Chicago, Denver, Phoenix, Seattle, Los Angeles; 850 lies in two zones.
AREAS = (212, 617, 215, 312, 303, 602, 206, 213, 850)
PER_AREA = 100
CALLERS = ("+16505550150", "+16505550151", "+16505550152")
"""Caller numbers that every stack with the simulator has. The last one is the second campaign's alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``zone`` is what the file says; without one the number tells."""

    external_id: str
    phone: str
    zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """The people of one run. ``second`` has some of ``at_start`` in it."""

    at_start: tuple[Person, ...]
    added: tuple[Person, ...]
    second: tuple[Person, ...]
    silent: tuple[str, ...]
    """Phones whose calls report no end."""

    @property
    def main(self) -> tuple[Person, ...]:
        return self.at_start + self.added


def everybody(plan: RunPlan) -> Everybody:
    """Drawn from the plan's seed."""
    dice = random.Random(f"people|{plan.seed}")
    people = plan.people
    wanted = people.main + people.second - people.shared
    phones = dice.sample(_american() + _london(), wanted)
    found = [Person(external_id=f"p{i}", phone=phone, zone=_zone(dice, plan.scene)) for i, phone in enumerate(phones)]
    main, rest = found[: people.main], found[people.main :]
    at_start = tuple(main[: people.at_start])
    return Everybody(
        at_start=at_start,
        added=tuple(main[people.at_start :]),
        second=(*dice.sample(at_start, people.shared), *rest),
        silent=tuple(person.phone for person in dice.sample(at_start, plan.silent)),
    )


def as_csv(people: Iterable[Person]) -> bytes:
    lines = ["external_id,name,phone,time_zone"]
    lines += [
        f"{person.external_id},Person {person.external_id},{person.phone},{person.zone or ''}" for person in people
    ]
    return "\n".join(lines).encode() + b"\n"


def stored_csv(rows: int) -> bytes:
    """A large file of people who are never called: fictional numbers of every area code."""
    phones = stored_phones()[:rows]
    return as_csv(Person(external_id=f"s{i}", phone=phone) for i, phone in enumerate(phones))


@cache
def stored_phones() -> tuple[str, ...]:
    areas = [area for area in range(201, 990) if area not in AREAS and _is_assigned(area)]
    return tuple(phone for area in areas for phone in _of_area(area))


def _zone(dice: random.Random, scene: Scene | None) -> str | None:
    """With a change of clocks most people live where it happens."""
    return scene.zone if scene is not None and dice.random() < 0.8 else None


def _american() -> list[str]:
    return [phone for area in AREAS for phone in _of_area(area)]


def _london() -> list[str]:
    return [f"+4420794600{n:02d}" for n in range(60)]


def _of_area(area: int) -> Sequence[str]:
    return [f"+1{area}55501{n:02d}" for n in range(PER_AREA)]


def _is_assigned(area: int) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(f"+1{area}5550123"))
