"""Rows of one sheet as text."""

from __future__ import annotations

import itertools
from collections.abc import Generator

from dialer.prospect_file.cell_values import Styles, number_text, plain_text
from dialer.prospect_file.records import ByteStream
from dialer.prospect_file.xml_parts import Gathered, SharedStrings, broken, feed

_LAST_ROW = 1_048_576
_LAST_COLUMN = 16_384

Row = tuple[int, list[str]]
"""The number of a row, from 1, and its cells, from column A; empty ones at the end are left out."""


def sheet_rows(
    stream: ByteStream, strings: SharedStrings, styles: Styles, *, since_1904: bool, pieces: int | None = None
) -> Generator[Row]:
    """The rows of a sheet that have a filled cell, in order; with ``pieces``, in so many times 64 KB only.

    Raises FileRefused.
    """
    sheet = _Sheet(strings, styles, since_1904)
    for _ in itertools.islice(feed(stream, sheet), pieces):
        yield from sheet.ready
        sheet.ready.clear()


class _Sheet:
    def __init__(self, strings: SharedStrings, styles: Styles, since_1904: bool) -> None:
        self.ready: list[Row] = []
        self._strings = strings
        self._styles = styles
        self._since_1904 = since_1904
        self._row = 0
        self._cells: list[str] = []
        self._column = 0
        self._type = "n"
        self._style: str | None = None
        self._value = Gathered()
        self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s")
        elif name == "v" or (name == "t" and not self._phonetic):
            self._value.open = True
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            number = attributes.get("r", "")
            before, self._row = self._row, int(number) if number.isdecimal() and len(number) < 9 else self._row + 1
            if not before < self._row <= _LAST_ROW:
                raise broken()
            self._cells = []
            self._column = 0

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._value.open = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "c":
            self._keep(self._text(self._value.take()))
        elif name == "row" and self._cells:
            self.ready.append((self._row, self._cells))
            self._cells = []

    def text(self, text: str) -> None:
        self._value.add(text)

    def _keep(self, text: str) -> None:
        if not text:
            return
        missing = self._column - 1 - len(self._cells)
        if missing < 0 or self._column > _LAST_COLUMN:
            raise broken()
        self._cells.extend([""] * missing)
        self._cells.append(text)

    def _text(self, value: str) -> str:
        kind = self._type
        if kind == "s":
            value = value.strip()
            return plain_text(self._strings[int(value)]) if value.isdecimal() and len(value) < 10 else ""
        if kind in ("str", "inlineStr"):
            return plain_text(value)
        value = value.strip()
        if kind == "b":
            return {"1": "TRUE", "true": "TRUE", "0": "FALSE", "false": "FALSE"}.get(value, "")
        if kind == "e" or not value:
            return ""
        if kind == "d":
            return value.removesuffix("Z").removesuffix("T00:00:00")
        return number_text(value, self._styles[self._style], since_1904=self._since_1904)


def _column(reference: str) -> int:
    """3 for ``C7``."""
    column = 0
    for sign in reference[:4].upper():
        if not "A" <= sign <= "Z":
            break
        column = column * 26 + ord(sign) - 64
    if not 1 <= column <= _LAST_COLUMN:
        raise broken()
    return column
