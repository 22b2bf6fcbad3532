"""XML parts of a workbook, read a piece at a time in bounded memory.

A library would keep an object for every row of a sheet, and parsers of trees one for every cell. expat keeps none,
and here it refuses what no spreadsheet program writes: document types (and with them entities), tags without end and
tags nested without end.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Generator
from typing import BinaryIO, Protocol
from xml.parsers import expat

from dialer.prospect_file.records import LINE_LIMIT, ByteStream
from dialer.prospect_file.refusals import FileRefused

_PIECE = 1 << 16
_LONGEST_TAG = 1 << 20
_DEEPEST = 64
_MOST_STRINGS = 10_000_000
_STRINGS_BUFFER = 1 << 16


def broken() -> FileRefused:
    return FileRefused(
        "spreadsheet_broken",
        "The spreadsheet is damaged or not made by a spreadsheet program",
        "Open it in your spreadsheet program and save it again, best as CSV UTF-8",
    )


def too_large() -> FileRefused:
    return FileRefused(
        "spreadsheet_too_large",
        "The spreadsheet is too large when unpacked",
        "Save its first sheet as CSV UTF-8, which may have up to 1 GB",
    )


class Part(Protocol):
    """Who listens to a part; names come without their namespace."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, text: str) -> None: ...


def feed(stream: ByteStream, part: Part) -> Generator[None]:
    """Tell ``part`` what is in the stream; gives way behind every piece. Raises FileRefused."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise broken()
        part.start(name.rpartition(":")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        part.end(name.rpartition(":")[2])

    def refuse(*_: object) -> None:
        raise broken()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = part.text
    parser.StartDoctypeDeclHandler = refuse
    fed = 0
    try:
        while piece := stream.read(_PIECE):
            parser.Parse(piece)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > _LONGEST_TAG:
                raise broken()
            yield
        parser.Parse(b"", True)
    except expat.ExpatError:
        raise broken() from None
    yield


def read_through(stream: ByteStream, part: Part) -> None:
    """All of a part at once."""
    for _ in feed(stream, part):
        pass


class Gathered:
    """Text that is put together from pieces, of which no more is kept than a row may have."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self.open = False

    def add(self, text: str) -> None:
        if self.open and self._size <= LINE_LIMIT:
            self._pieces.append(text)
            self._size += len(text)

    def take(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return text


class SharedStrings:
    """The texts of a workbook by number, in a temporary file: there may be millions. Close it after use."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        self._ends = array("Q", [0])
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._text = Gathered()
        self._phonetic = 0

    # -- reading them from their part ------------------------------------------------------------------------------

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "t":
            self._text.open = not self._phonetic
        elif name == "rPh":
            self._phonetic += 1

    def end(self, name: str) -> None:
        if name == "t":
            self._text.open = False
        elif name == "rPh":
            self._phonetic -= 1
        elif name == "si":
            self._keep(self._text.take())

    def text(self, text: str) -> None:
        self._text.add(text)

    def _keep(self, text: str) -> None:
        if len(self._ends) > _MOST_STRINGS:
            raise too_large()
        data = text.encode("utf-8", "replace")
        self._ends.append(self._ends[-1] + len(data))
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size > _STRINGS_BUFFER:
            self.flush()

    def flush(self) -> None:
        """To be called behind the last text, before any is asked for."""
        self._file.write(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_size = 0

    # -- asking for them -------------------------------------------------------------------------------------------

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise broken()
        begin, end = self._ends[number], self._ends[number + 1]
        self._file.seek(begin)
        return self._file.read(end - begin).decode()

    def close(self) -> None:
        self._file.close()
