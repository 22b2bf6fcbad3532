"""What a column of an exported file holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Row = Mapping[str, Any]
"""A row by the names of its columns."""


class Kind(StrEnum):
    """``MOMENT`` is an aware datetime, ``NUMBER`` a Decimal, ``TEXTS`` a list of texts, ``OBJECT`` a JSON object; a
    value of any kind may be None, except an OBJECT."""

    TEXT = "text"
    INTEGER = "integer"
    MOMENT = "moment"
    NUMBER = "number"
    TEXTS = "texts"
    OBJECT = "object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``cells`` are the columns that TEXTS take in formats that have no lists, one for each; without them they share
    one."""

    name: str
    kind: Kind = Kind.TEXT
    cells: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``facts`` makes a row of what the database holds. ``spread`` is the OBJECT column that becomes columns of its
    own in formats that have no objects."""

    name: str
    columns: Sequence[Column]
    facts: Callable[[Mapping[str, Any]], Row]
    spread: str | None = None


class Writer(Protocol):
    """Makes a file of rows: the bytes of ``head``, of ``add`` for every piece of rows, and of ``end``, one behind the
    other. Any of them may be empty."""

    def head(self) -> bytes: ...

    def add(self, rows: Sequence[Row]) -> bytes: ...

    def end(self) -> bytes: ...
