"""Spreadsheets (.xlsx, .xlsm) to CSV, once, so that rows have one path from there on.

The CSV says itself what it is (UTF-8 mark, ``sep=,``) and has an empty line for an empty row, so that rows keep the
numbers that the spreadsheet shows. What does not fit into memory goes to temporary files.

A package is read as any zip may be: made to fill memory or time. Its directory is measured before it is read, its
parts before they are unpacked, and their XML while it is (xml_parts).
"""

from __future__ import annotations

import csv
import io
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from dialer.prospect_file.cell_values import Styles
from dialer.prospect_file.columns import recognised
from dialer.prospect_file.records import LINE_LIMIT, RECORD_LINES
from dialer.prospect_file.refusals import FileRefused
from dialer.prospect_file.sheets import Row, sheet_rows
from dialer.prospect_file.workbooks import Sheet, Workbook, find_workbook, read_workbook
from dialer.prospect_file.xml_parts import SharedStrings, broken, read_through, too_large

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_DIRECTORY_LIMIT = 2 << 20
_SMALL_PART = 32 << 20
_UNPACKED_LIMIT = 1 << 30
_CSV_LIMIT = 1 << 30
_SUSPICIOUS = 8 << 20
_MOST_RATIO = 200
_SHEETS_LOOKED_AT = 20
_HEADER_PIECES = 128
_CSV_PIECE = 1 << 18


def is_package(head: bytes) -> bool:
    """Whether a file that begins so is a zip or one of Microsoft's containers, which only ``write_csv`` looks into."""
    return head.startswith((_ZIP, _OLE))


def write_csv(package: BinaryIO, table: BinaryIO, mapping: Mapping[str, str]) -> str:
    """Write the people's sheet of ``package``, which can seek, as CSV into ``table``; the name of that sheet.

    It is the first visible sheet whose first filled row names a phone column, by ``mapping`` (field to header) or by
    a known name, else the first visible sheet with a filled cell. Raises FileRefused.
    """
    _refuse_old(package)
    with _damage_refused(), _open(package) as parts, closing(SharedStrings()) as strings:
        name = find_workbook(parts)
        _refuse_foreign(parts, name)
        workbook = read_workbook(parts, name)
        _refuse_bombs(parts, workbook)
        styles = Styles()
        if workbook.styles:
            with parts.open(workbook.styles) as stream:
                read_through(stream, styles)
        if workbook.strings:
            with parts.open(workbook.strings) as stream:
                read_through(stream, strings)
        strings.flush()
        book = _Book(parts, workbook, strings, styles)
        sheet = _people(book, mapping)
        _write(book.rows(sheet), table)
    return sheet.name


@dataclass(frozen=True, slots=True)
class _Book:
    parts: zipfile.ZipFile
    workbook: Workbook
    strings: SharedStrings
    styles: Styles

    def rows(self, sheet: Sheet, pieces: int | None = None) -> Generator[Row]:
        with self.parts.open(sheet.part) as stream:
            since_1904 = self.workbook.since_1904
            yield from sheet_rows(stream, self.strings, self.styles, since_1904=since_1904, pieces=pieces)


# -- the sheet -------------------------------------------------------------------------------------------------------


def _people(book: _Book, mapping: Mapping[str, str]) -> Sheet:
    filled: list[Sheet] = []
    wanted = mapping.get("phone", "").strip().casefold()
    for sheet in book.workbook.sheets[:_SHEETS_LOOKED_AT]:
        with closing(book.rows(sheet, _HEADER_PIECES)) as rows:
            first = next(rows, None)
        if first is None:
            continue
        header = first[1]
        filled.append(sheet)
        names = {cell.strip().casefold() for cell in header}
        if wanted in names if wanted else "phone" in recognised(header):
            return sheet
    if not filled:
        raise FileRefused("file_empty", "No sheet has a filled cell", "Fill in a header and one row per person")
    return filled[0]


def _write(rows: Iterator[Row], table: BinaryIO) -> None:
    """Memory stays flat: CSV leaves in pieces. Raises FileRefused."""
    text = io.StringIO(newline="")
    text.write("\ufeffsep=,\r\n")
    writer = csv.writer(text)
    expected = 1
    width = 0
    size = 0
    for number, cells in rows:
        text.write("\r\n" * (number - expected))
        expected = number + 1
        width = width or len(cells)
        writer.writerow([*_on_few_lines(cells), *[""] * (width - len(cells))])
        if text.tell() > _CSV_PIECE:
            size += _spill(text, table)
            if size > _CSV_LIMIT:
                raise too_large()
    _spill(text, table)


def _spill(text: io.StringIO, table: BinaryIO) -> int:
    data = text.getvalue().encode("utf-8", "replace")
    table.write(data)
    text.seek(0)
    text.truncate()
    return len(data)


def _on_few_lines(cells: Sequence[str]) -> Sequence[str]:
    """A row that runs over more lines than a row of CSV may would be taken for several: it loses its line ends."""
    lines = sum(cell.count("\n") + cell.count("\r") for cell in cells)
    if lines and (lines > RECORD_LINES // 2 or sum(map(len, cells)) > LINE_LIMIT // 4):
        return [" ".join(cell.splitlines()) for cell in cells]
    return cells


# -- the package -----------------------------------------------------------------------------------------------------


@contextmanager
def _damage_refused() -> Generator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, UnicodeDecodeError, KeyError):
        raise broken() from None


@contextmanager
def _open(package: BinaryIO) -> Generator[zipfile.ZipFile]:
    if _directory_size(package) > _DIRECTORY_LIMIT:
        raise too_large()
    with zipfile.ZipFile(package) as parts:
        if any(part.flag_bits & 1 for part in parts.infolist()):
            raise _encrypted()
        if any(part.header_offset < 0 for part in parts.infolist()):
            raise broken()  # opening such a part fails with an error that says nothing of the file
        yield parts


def _directory_size(package: BinaryIO) -> int:
    """Bytes of the zip's directory as the records at its end tell: reading it makes an object for each entry.

    Source: APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16.
    """
    size = package.seek(0, io.SEEK_END)
    begin = max(0, size - (1 << 16) - 22 - 20)
    package.seek(begin)
    tail = package.read()
    found = tail.rfind(b"PK\x05\x06")
    if found < 0:
        raise broken()
    (directory,) = struct.unpack_from("<L", tail, found + 12)
    if found >= 20 and tail[found - 20 : found - 16] == b"PK\x06\x07":
        (place,) = struct.unpack_from("<Q", tail, found - 12)
        package.seek(min(place, size))
        record = package.read(56)
        # Sources of zip files may be prefixed, so that the place is wrong and the reader looks elsewhere.
        if not record.startswith(b"PK\x06\x06"):
            raise broken()
        (directory,) = struct.unpack_from("<Q", record, 40)
    return directory


def _refuse_bombs(parts: zipfile.ZipFile, workbook: Workbook) -> None:
    """Measure what will be unpacked; no part gives more than the directory says of it."""
    unpacked = 0
    sheets = [sheet.part for sheet in workbook.sheets[:_SHEETS_LOOKED_AT]]
    for name in (workbook.strings, workbook.styles, *sheets):
        if name is None:
            continue
        part = parts.getinfo(name)
        if part.file_size > _SUSPICIOUS and part.file_size > _MOST_RATIO * part.compress_size:
            raise too_large()
        if name == workbook.styles and part.file_size > _SMALL_PART:
            raise too_large()
        unpacked = unpacked + part.file_size if name == workbook.strings else max(unpacked, part.file_size)
        if part.file_size > _UNPACKED_LIMIT or unpacked > _UNPACKED_LIMIT:
            raise too_large()


def _refuse_foreign(parts: zipfile.ZipFile, workbook: str | None) -> None:
    if workbook is not None and posixpath.splitext(workbook)[1] == ".xml":
        return
    names = set(parts.namelist())
    advice = "Save it as an Excel workbook (.xlsx) or as CSV UTF-8"
    if workbook is not None:
        raise FileRefused("file_is_binary_workbook", "The file is a binary Excel workbook (.xlsb)", advice)
    if "mimetype" in names and "content.xml" in names:
        raise FileRefused("file_is_opendocument", "The file is an OpenDocument spreadsheet (.ods)", advice)
    raise FileRefused(
        "file_is_archive", "The file is an archive, not a spreadsheet", "Unpack it and upload the CSV file"
    )


def _refuse_old(package: BinaryIO) -> None:
    """Refuse what is in Microsoft's old container: workbooks up to Excel 2003, and new ones behind a password."""
    package.seek(0)
    if package.read(4) == _ZIP:
        return
    package.seek(0)
    before = b""
    old = False
    while piece := package.read(1 << 20):
        text = before + piece
        if "EncryptedPackage".encode("utf-16-le") in text:
            raise _encrypted()
        old = old or any(name.encode("utf-16-le") + b"\0" in text for name in ("Workbook", "Book"))
        before = piece[-64:]
    if old:
        raise FileRefused(
            "file_is_old_spreadsheet",
            "The file is a workbook of Excel 2003 or older (.xls)",
            "Save it as an Excel workbook (.xlsx) or as CSV UTF-8",
        )
    raise FileRefused("file_is_binary", "The file is not text", "Upload a CSV file or an Excel workbook (.xlsx)")


def _encrypted() -> FileRefused:
    return FileRefused(
        "spreadsheet_encrypted", "The spreadsheet is protected by a password", "Save it without one, or as CSV UTF-8"
    )
