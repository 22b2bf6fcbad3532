"""Texts of an agent with places for what is known of a person: ``Hi {{name|there}}, your {{plan}} ends soon``.

A place names a variable, in any case, and may give what is said without it behind a ``|``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")

#: What a person has besides variables; a variable of this name counts where the field is empty.
BUILT_IN = ("name", "phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place: the variable's name as written, and what is said without it."""

    name: str
    default: str

    @property
    def key(self) -> str:
        """The same for every spelling of the variable."""
        return key_of(self.name)


def key_of(name: str) -> str:
    """What names of one variable have in common."""
    return name.strip().lower()


def needed(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The variables without which a text has a gap, by their first spelling, in order."""
    found: dict[str, str] = {}
    for text in texts:
        for match in _PLACE.finditer(text or ""):
            place = _place(match)
            if place.name and not place.default:
                found.setdefault(place.key, place.name)
    return tuple(found.values())


def filled(text: str, say: Callable[[Place], str]) -> str:
    """``text`` with what ``say`` answers in each place."""
    return _PLACE.sub(lambda match: say(_place(match)), text)


def known_of(
    variables: Mapping[str, object] | None, *, name: str | None = None, phone: str | None = None
) -> dict[str, object]:
    """Everything that can be said of a person; the fields before variables of the same name."""
    fields = {"name": name, "phone": phone}
    given = {key: value for key, value in fields.items() if has(value)}
    return {**{key: value for key, value in (variables or {}).items() if key_of(key) not in given}, **given}


def has(value: object) -> bool:
    """True for what can be said: not for nothing, nor for blanks."""
    return value is not None and str(value).strip() != ""


def missing(names: Iterable[str], known: Mapping[str, object]) -> tuple[str, ...]:
    """Those of ``names`` for which nothing can be said."""
    said = {key_of(key) for key, value in known.items() if has(value)}
    return tuple(name for name in names if key_of(name) not in said)


def _place(match: re.Match[str]) -> Place:
    name, _, default = match.group(1).partition("|")
    return Place(name=name.strip(), default=default.strip())
