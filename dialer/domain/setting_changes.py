"""What is different between two versions of a document of settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field by its dotted path (``pace.max_concurrent``). A side that has no such field is None."""

    field: str
    old: Any
    new: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Every field that differs, in the order of ``after``, what it no longer has at the end.

    Objects are compared member by member; lists are one value, since a change replaces them whole.
    """
    return list(_differences(before, after, ""))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> Iterator[Difference]:
    for key in [*after, *(key for key in before if key not in after)]:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if _is_object(old) and _is_object(new):
            yield from _differences(_members(old), _members(new), f"{prefix}{key}.")
        else:
            yield Difference(field=f"{prefix}{key}", old=old, new=new)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _members(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value)
