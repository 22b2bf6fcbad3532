"""What the number in a cell means to the person who looks at it: spreadsheets keep dates, codes and phones as numbers.

Sources: ECMA-376 part 1, 18.8.30 (number formats) and 18.17.4 (dates).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

_BUILT_IN_DATES = frozenset({14, 15, 16, 17, 22, *range(27, 32), 34, 35, 36, *range(50, 59)})
_BUILT_IN_TIMES = frozenset({18, 19, 20, 21, 32, 33, 45, 46, 47})
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]')
_FRACTIONS = re.compile(r"(?<=s)\.0+", re.IGNORECASE)
_ZEROS = re.compile(r'(\+|\\\+|"\+")?(0+|#+0)')
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_EXACT = 10**15
"""Spreadsheets keep fifteen digits of a number."""

_LAST_DAY = 2_958_466
_DAY_S = 86_400

Kind = Literal["number", "date", "time"]


@dataclass(frozen=True, slots=True)
class CellStyle:
    """How a number is shown: as a date or a time; with ``digits`` at least, zeros in front; behind a plus."""

    kind: Kind = "number"
    digits: int = 0
    plus: bool = False


GENERAL = CellStyle()


@lru_cache(maxsize=1024)
def cell_style(number: int, code: str | None) -> CellStyle:
    """The style of a number format by its number and, where the workbook defines it, its code."""
    if code is None:
        kind: Kind = "date" if number in _BUILT_IN_DATES else "time" if number in _BUILT_IN_TIMES else "number"
        return CellStyle(kind)
    section = code.partition(";")[0]
    if zeros := _ZEROS.fullmatch(section):
        return CellStyle(digits=len(zeros[2]) if zeros[2][0] == "0" else 0, plus=zeros[1] is not None)
    signs = _FRACTIONS.sub("", _LITERALS.sub("", section)).casefold()
    if signs == "general" or re.search("[0#?@]", signs) or not re.search("[dmyhs]", signs):
        return GENERAL
    return CellStyle("date" if re.search("[dy]|^m+$", signs) else "time")


def plain_text(text: str) -> str:
    """A text with the signs that spreadsheets write as ``_x000D_``."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: _sign(int(found[1], 16)), text)


def _sign(code: int) -> str:
    return "" if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)


def number_text(written: str, style: CellStyle, *, since_1904: bool) -> str:
    """A number as people mean it: ``447912345678`` for ``4.47912345678E11``, a date in ISO 8601, ``02134`` for a
    postal code that is shown with its zero. Of more than fifteen digits the last ones are lost: then as ``1.2E+18``."""
    try:
        value = float(written)
    except ValueError:
        return written
    if not math.isfinite(value):
        return ""
    if style.kind != "number" and 0 <= value < _LAST_DAY:
        return _moment(value, style.kind, since_1904)
    text = _number(written, value)
    if text.isdecimal():
        text = ("+" if style.plus else "") + text.zfill(style.digits)
    return text


def _number(written: str, value: float) -> str:
    if abs(value) < _EXACT:
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    digits = written.removeprefix("-")
    if digits.isdecimal() and digits[15:].strip("0"):
        return written  # by a program, which writes all digits that it has; a spreadsheet has only zeros there
    mantissa, _, exponent = f"{value:.14E}".partition("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def _moment(value: float, kind: Kind, since_1904: bool) -> str:
    seconds = round(value * _DAY_S)
    if kind == "time" or value < 1:
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    # Spreadsheets believe that 1900 was a leap year: day 60 is its 29th of February.
    epoch = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30 if value >= 60 else 31)  # noqa: DTZ001
    moment = epoch + timedelta(seconds=seconds)
    return moment.date().isoformat() if seconds % _DAY_S == 0 else moment.isoformat()


class Styles:
    """The part ``styles.xml``: a cell names its style by number."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        self._styles: list[CellStyle] = []
        self._in_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt" and not self._in_cells:
            self._codes[_whole(attributes, "numFmtId")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            number = _whole(attributes, "numFmtId")
            self._styles.append(cell_style(number, self._codes.get(number)))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def text(self, text: str) -> None:
        pass

    def __getitem__(self, number: str | None) -> CellStyle:
        if number is None or not number.isdecimal() or int(number) >= len(self._styles):
            return GENERAL
        return self._styles[int(number)]


def _whole(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0
