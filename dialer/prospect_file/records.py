"""Lines of text to records, in one pass and in bounded memory.

pandas shifts or fills the columns of a row whose number of fields differs from the header's, without a word, so
the fields are counted here before it sees a row. Quotes follow RFC 4180 as Python's ``csv`` reads them. A quote that
is never closed costs its own line only: the lines after it are read again as records of their own.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from dialer.prospect_file.encodings import bytes_of

LINE_LIMIT = 128 * 1024
"""Characters of one line; what is longer is reported and skipped. No field of ``csv`` may be longer either."""

RECORD_LINES = 500
"""Lines that one quoted field may run over before its quote counts as not closed."""

_UNDECODED = re.compile("[\udc80-\udcff]")

Problem = Literal["row_too_long", "row_quote", "row_nul", "row_undecodable"]


class ByteStream(Protocol):
    """Anything to read bytes from; it need not seek."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where to go on reading: ``offset`` bytes into the file; ``row`` is the number of the next row.

    A byte offset rather than a count of rows, so that a retry seeks to the 1 MB piece it needs instead of reading
    the file again from its start.
    """

    offset: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row as text without its line end. ``width`` is its number of fields, 0 when a problem hides it."""

    row: int
    text: str
    width: int
    problem: Problem | None = None


class _Bytes(io.RawIOBase):
    """Lends a stream to the text layer, which would otherwise close it."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.taken += len(data)
        return len(data)


class RecordReader:
    """Iterates over the records of a stream; ``position`` is always just behind the record last given."""

    def __init__(self, stream: ByteStream, *, encoding: str, delimiter: str, start: Position) -> None:
        """``stream`` stands at ``start.offset``; ``encoding`` has no byte-order mark left to read."""
        self._unit = bytes_of(encoding)
        self._wide = self._unit > 1
        self._encoding = encoding
        self._errors = "replace" if self._wide else "surrogateescape"
        self._bytes = _Bytes(stream)
        self._start = start.offset
        buffered = io.BufferedReader(self._bytes, 1 << 17)
        self._text = io.TextIOWrapper(buffered, encoding=encoding, errors=self._errors, newline="")
        self._again: deque[str] = deque()
        self._delimiter = delimiter
        self._offset = start.offset
        self._row = start.row

    @property
    def position(self) -> Position:
        return Position(offset=self._offset, row=self._row)

    def __iter__(self) -> Iterator[Record]:
        while line := self._line():
            if not line.strip("\r\n\t " + self._delimiter):
                self._advance([line])  # an empty row, or the row of bare delimiters that spreadsheets leave behind
            elif len(line) > LINE_LIMIT:
                yield self._long_record(line)
            elif '"' not in line:
                yield self._record([line], line.count(self._delimiter) + 1)
            else:
                yield self._quoted_record(line)

    def _line(self) -> str:
        return self._again.popleft() if self._again else self._text.readline(LINE_LIMIT + 1)

    def _advance(self, lines: list[str]) -> int:
        """Count lines as read; the row number that they had."""
        row = self._row
        self._offset = self._behind(sum(map(self._size, lines)), lines[-1])
        self._row = row + 1
        return row

    def _behind(self, size: int, last: str) -> int:
        """The offset behind lines of this size. Behind the last of all it is known, whatever its broken end says."""
        if last.endswith(("\n", "\r")) or self._again:
            return self._offset + size
        return self._start + self._bytes.taken

    def _size(self, text: str) -> int:
        if text.isascii():
            return len(text) * self._unit
        return len(text.encode(self._encoding, "surrogatepass" if self._wide else self._errors))

    def _record(self, lines: list[str], width: int, problem: Problem | None = None) -> Record:
        row = self._advance(lines)
        text = "".join(lines).rstrip("\r\n")
        if problem is None and "\0" in text:
            problem = "row_nul"
        if problem is None and not text.isascii() and self._undecodable(text):
            problem = "row_undecodable"
        return Record(row=row, text=text, width=width, problem=problem)

    def _undecodable(self, text: str) -> bool:
        # Wide decoders write the replacement character, which a file may hold for itself: no telling.
        return not self._wide and _UNDECODED.search(text) is not None

    def _long_record(self, line: str) -> Record:
        """Skip to the line's end, piece by piece."""
        head = line[:LINE_LIMIT]
        size = self._size(line)
        while line and not line.endswith(("\n", "\r")):
            line = self._line()
            size += self._size(line)
        row = self._row
        self._offset = self._behind(size, line)
        self._row = row + 1
        return Record(row=row, text=head, width=0, problem="row_too_long")

    def _quoted_record(self, first: str) -> Record:
        taken = [first]
        try:
            fields = next(csv.reader(self._lines_of_record(taken), delimiter=self._delimiter, strict=True))
            if len(taken[-1]) > LINE_LIMIT:
                raise csv.Error("the last line is only the beginning of one")
            return self._record(taken, len(fields))
        except csv.Error:
            self._again.extendleft(reversed(taken[1:]))
        if lenient := self._fields_on_one_line(first):
            return self._record([first], len(lenient))
        return self._record([first], 0, "row_quote")

    def _lines_of_record(self, taken: list[str]) -> Iterator[str]:
        yield taken[0]
        size = len(taken[0])
        while len(taken) < RECORD_LINES and size <= LINE_LIMIT and (line := self._line()):
            taken.append(line)
            size += len(line)
            yield line

    def _fields_on_one_line(self, line: str) -> list[str] | None:
        """Fields of a line with a stray sign behind a closed quote, which is read as part of its field."""
        strays = csv.reader([line, "\n"], delimiter=self._delimiter)
        try:
            fields = next(strays)
        except csv.Error:
            return None
        return fields if strays.line_num == 1 else None
