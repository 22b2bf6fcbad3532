"""CSV as spreadsheets like it: UTF-8 with a byte-order mark, CRLF, every cell quoted, and no cell that is a formula.

Variables become columns of their own, as far as a column can hold them. What it cannot (numbers and lists, texts with
white space around them, names that mean something else in a file) stands as JSON in the last column, and a file that
is uploaded again gives every variable back as it was.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dialer.domain.formulas import guarded, unguarded
from dialer.exporting.columns import Column, Kind, Row, Table
from dialer.prospect_file.columns import MOST_COLUMNS, VARIABLES_COLUMN, is_part_of_a_name, may_be_variable

BOM = "\ufeff"

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
#: Uploads take a quoted cell that runs over more lines for a quote that was forgotten.
_MOST_LINES = 100


def column_names(names: Iterable[str], table: Table) -> list[str]:
    """Those names of variables that can be columns, in their order, no more than a file may have."""
    taken = {header.casefold() for column in table.columns for header in (column.name, *column.cells)}
    taken.add(VARIABLES_COLUMN)
    room = MOST_COLUMNS - len(taken)
    chosen: list[str] = []
    for name in names:
        if len(chosen) < room and name.casefold() not in taken and may_be_variable(name) and guarded(name) == name:
            taken.add(name.casefold())
            chosen.append(name)
    return chosen


class CsvFile:
    """Writes CSV. ``names`` are the variables that become columns, as ``column_names`` gives them."""

    def __init__(self, table: Table, names: Sequence[str] = ()) -> None:
        self._columns = table.columns
        self._spread = table.spread
        self._names = names
        self._parts_of_names = {name for name in names if is_part_of_a_name(name)}

    def head(self) -> bytes:
        cells: list[str] = []
        for column in self._columns:
            cells += self._names if column.name == self._spread else column.cells or [column.name]
        if self._spread is not None:
            cells.append(VARIABLES_COLUMN)
        return (BOM + _lines([cells])).encode()

    def add(self, rows: Sequence[Row]) -> bytes:
        return _lines(self._cells(row) for row in rows).encode()

    def end(self) -> bytes:
        return b""

    def _cells(self, row: Row) -> list[str]:
        cells: list[str] = []
        rest: dict[str, Any] = {}
        for column in self._columns:
            if column.cells:
                cells += [guarded(text) for text in _fitted(row[column.name], len(column.cells))]
                continue
            if column.name != self._spread:
                cells.append(_cell(column, row[column.name]))
                continue
            variables: Mapping[str, Any] = row[column.name]
            rest = dict(variables)
            for name in self._names:
                value = variables.get(name)
                fits = isinstance(value, str) and _survives(value)
                if name in self._parts_of_names and not row["name"]:
                    fits = False  # an upload would make a name of it
                cells.append(guarded(rest.pop(name)) if fits else "")
        if self._spread is not None:
            cells.append(_json(rest) if rest else "")
        return cells


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _cell(column: Column, value: Any) -> str:
    if value is None:
        return ""
    match column.kind:
        case Kind.MOMENT:
            return moment(value)
        case Kind.INTEGER | Kind.NUMBER:
            return str(value)  # a negative number is no formula
        case Kind.TEXTS:
            return guarded(" ".join(value))
        case Kind.OBJECT:
            return _json(value) if value else ""
        case Kind.TEXT:
            return guarded(str(value))


def _fitted(texts: Sequence[str] | None, width: int) -> list[str]:
    return [*(texts or ()), *[""] * width][:width]


def _survives(text: str) -> bool:
    """True for a text that an upload reads as it was, and that a cell shows as it is."""
    if not text or _CONTROLS.search(text) or text.count("\n") > _MOST_LINES:
        return False
    return unguarded(guarded(text).strip()) == text


def moment(value: datetime) -> str:
    """RFC 3339 in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
