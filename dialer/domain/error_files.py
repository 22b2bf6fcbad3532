"""Bad rows as a file to correct and upload again: the columns that they came with, and behind those what is wrong.

A reader ignores the columns that this module adds, but for ``import_extra``: it is filled where a row itself was
broken (too few fields, an open quote, …), and a row fails again until it is emptied. Otherwise a row with a gap in it
would be taken for whole merely because it went through a file.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dialer.domain.formulas import guarded, unguarded

CODE_COLUMN = "import_code"
EXTRA_COLUMN = "import_extra"
ADDED_COLUMNS = (
    "import_row",
    "import_column",
    "import_value",
    CODE_COLUMN,
    "import_message",
    "import_suggestion",
    EXTRA_COLUMN,
)
"""What such a file has behind the columns of the file that was uploaded; never variables of a conversation."""

CELLS_LIMIT = 32 * 1024
"""Characters of one row that are kept; of a longer row nothing is."""

DUPLICATE = "duplicate"
"""The code of a row that was skipped because its person was there already: no error, and listed only when asked for."""

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_BROKEN_ROW = "row_"
"""Codes that begin so are about the row as such and not about one of its cells."""
_SIMPLE_DELIMITERS = frozenset(",;\t|")
"""Delimiters that a reader finds without being told."""


def kept_cells(cells: Sequence[str]) -> tuple[str, ...]:
    """The cells of a row, fit to be stored; none of a row that is longer than CELLS_LIMIT."""
    if sum(map(len, cells)) > CELLS_LIMIT:
        return ()
    return tuple(_NOT_STORABLE.sub("\ufffd", cell) for cell in cells)


def is_added(header: str) -> bool:
    """True for a column that is there because of earlier errors."""
    return header.strip().casefold() in ADDED_COLUMNS


class ErrorFile:
    """Rows of text for a writer of CSV. ``columns`` and ``delimiter`` are those of the uploaded file."""

    def __init__(self, columns: Sequence[str], delimiter: str | None) -> None:
        self._columns = columns
        self._own = [index for index, column in enumerate(columns) if not is_added(column)]
        self.delimiter = delimiter if delimiter in _SIMPLE_DELIMITERS else ","

    def header(self) -> list[str]:
        """The file's own headers, then those that are added."""
        return [*(_protected(self._columns[index]) for index in self._own), *ADDED_COLUMNS]

    def row(self, error: Mapping[str, Any]) -> list[str]:
        """One bad row: ``row, column, value, code, message, suggestion, cells`` as they are stored."""
        cells: Sequence[str] = error["cells"]
        own = [cells[index] if index < len(cells) else "" for index in self._own]
        told = [error["row"], error["column"], error["value"], error["code"], error["message"], error["suggestion"]]
        added = ["" if each is None else str(each) for each in told]
        return [_protected(cell) for cell in (*own, *added, self._extra(error["code"], cells))]

    def _extra(self, code: str, cells: Sequence[str]) -> str:
        """What keeps a broken row from being taken for whole."""
        if not cells:
            return "This row is too long to be repeated here: correct it in the file that it comes from"
        if not code.startswith(_BROKEN_ROW):
            return ""
        if earlier := next((cell for cell, name in zip(cells, self._columns, strict=False) if _is_extra(name)), ""):
            return earlier
        if len(cells) > len(self._columns):
            return self.delimiter.join(cells[len(self._columns) :])
        missing = len(self._columns) - len(cells)
        return f"{missing} fields missing" if missing else "Correct this row, then empty this cell"


def _is_extra(header: str) -> bool:
    return header.strip().casefold() == EXTRA_COLUMN


def _protected(cell: str) -> str:
    """A cell as a spreadsheet shows it and as it is read again, whether or not it was protected where it came from."""
    return guarded(unguarded(cell.strip()))
