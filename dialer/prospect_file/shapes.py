"""What a file is before its rows are read: encoding, delimiter, columns and what they mean."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dialer.domain.formulas import unguarded
from dialer.domain.phones import PhoneRefused, parse_phone
from dialer.domain.prospect_rows import FIELDS
from dialer.prospect_file.columns import MOST_COLUMNS, recognised
from dialer.prospect_file.encodings import Survey, bytes_of, marked_encoding, named_encoding, refuse_stateful
from dialer.prospect_file.records import ByteStream, Position, Record, RecordReader
from dialer.prospect_file.refusals import FileRefused

_PIECE = 1 << 20
_SAMPLE_ROWS = 20
_DELIMITERS = (",", ";", "\t", "|")
_NAMED_DELIMITERS = frozenset({*_DELIMITERS, ":", "^", "~", "#"})
_FOREIGN = (
    (b"PK\x03\x04", "file_is_spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "file_is_spreadsheet"),
    (b"%PDF", "file_is_binary"),
    (b"\x1f\x8b", "file_is_binary"),
    (b"\x89PNG", "file_is_binary"),
    (b"\xff\xd8\xff", "file_is_binary"),
)
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<(?:!doctype|html|table|\?xml|meta|head|body)\b|[\[{]\s*[\[{\"])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the uploader decides. ``mapping`` is field (``FIELDS``) to header and wins over what headers suggest;
    ``default_region`` ISO 3166 alpha-2, for numbers without a country; ``encoding`` is its usual name, for files
    without a byte-order mark, and None to have it found out."""

    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    default_region: str | None = None
    encoding: str | None = None
    chunk_rows: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShape:
    """What ``scan`` found; all of it is plain data, to be kept with the import.

    ``columns`` are the headers, an empty one as ``column_3``; ``mapping`` is field to header; ``rows_total`` counts
    lines outside quotes, so that empty or unbalanced rows make it inexact; ``size`` in bytes; ``start`` is the
    first row behind the header.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    mapping: dict[str, str]
    rows_total: int
    size: int
    start: Position


def scan(stream: ByteStream, options: ReadOptions) -> FileShape:
    """Read a file once from its first byte, a megabyte at a time, and say what it is. Raises FileRefused."""
    head = _read_piece(stream)
    bom, known = _told_encoding(head, options)
    survey = Survey(known)
    size = 0
    for piece in itertools.chain([head], iter(lambda: _read_piece(stream), b"")):
        survey.add(piece[len(bom) :] if size == 0 else piece)
        size += len(piece)
    encoding = survey.encoding()
    delimiter, first, lines_skipped = _begun(head, bom, encoding)
    return _with_header(head, encoding, delimiter, first, options, survey.lines - lines_skipped, size)


def judge_beginning(head: bytes, options: ReadOptions, *, whole: bool) -> None:
    """Refuse a file for what its first megabyte says of it; never one that ``scan`` would take. Raises FileRefused.

    ``head`` is not of a package (``is_package``); ``whole`` when nothing comes behind it. A header is left to ``scan``
    when it is neither ASCII nor in an encoding that is told or UTF-8: to find that out takes all of the file, and a
    second of work.
    """
    bom, known = _told_encoding(head, options)
    # Behind the last line end a letter may be cut in two.
    text = head if whole else head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head
    encoding = known or "utf-8"
    if bytes_of(encoding) == 1:
        refuse_stateful(text)
    delimiter, first, _ = _begun(text, bom, encoding)
    if known is None and not _is_utf8(text):
        reader = RecordReader(io.BytesIO(text[first.offset :]), encoding=encoding, delimiter=delimiter, start=first)
        if (header := next(iter(reader), None)) is not None and not header.text.isascii():
            return
    _with_header(text, encoding, delimiter, first, options, 0, len(text) if whole else len(text) + 1)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _told_encoding(head: bytes, options: ReadOptions) -> tuple[bytes, str | None]:
    """The byte-order mark, and the encoding that it, the zero bytes or the uploader tell. Raises FileRefused."""
    _refuse_foreign(head)
    bom, encoding = marked_encoding(head)
    if not bom and options.encoding:
        encoding = named_encoding(options.encoding)
    return bom, encoding


def _begun(head: bytes, bom: bytes, encoding: str) -> tuple[str, Position, int]:
    """The delimiter, where the first row begins, and how many lines before it are none."""
    text = head[len(bom) :].decode(encoding, "replace" if bytes_of(encoding) > 1 else "surrogateescape")
    named, skipped = _separator_line(text)
    first = Position(offset=len(bom) + len(skipped.encode(encoding)), row=1)
    return named or _sniff(text), first, 1 if skipped else 0


def _with_header(
    head: bytes, encoding: str, delimiter: str, first: Position, options: ReadOptions, lines: int, size: int
) -> FileShape:
    reader = RecordReader(io.BytesIO(head[first.offset :]), encoding=encoding, delimiter=delimiter, start=first)
    records = iter(reader)
    header = next(records, None)
    if header is None:
        raise FileRefused("file_empty", "The file is empty", "Upload a CSV file with a header and one row per person")
    start = reader.position
    columns = _headers(header, delimiter)
    mapping = _mapping(columns, options.mapping)
    if next(records, None) is None and len(head) == size:
        raise FileRefused("file_no_rows", "The file has a header and no rows", "Add one row per person")
    return FileShape(
        encoding=encoding,
        delimiter=delimiter,
        columns=columns,
        mapping=mapping,
        rows_total=max(lines - header.row, 1),
        size=size,
        start=start,
    )


def _read_piece(stream: ByteStream) -> bytes:
    """A whole megabyte, or what is left: sources such as sockets answer with less than was asked."""
    pieces: list[bytes] = []
    missing = _PIECE
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


# -- encoding --------------------------------------------------------------------------------------------------------


def _refuse_foreign(head: bytes) -> None:
    code = next((code for magic, code in _FOREIGN if head.startswith(magic)), None)
    wide = bytes_of(marked_encoding(head)[1] or "utf-8") > 1
    controls = sum(count for byte, count in Counter(head[:4096]).items() if byte < 32 and byte not in b"\0\t\n\r\f\x1b")
    if code is None and not wide:
        refuse_stateful(head[:4096])
    if code is None and not wide and controls * 50 > len(head[:4096]):
        code = "file_is_binary"
    if code is None and _MARKUP.match(head):
        raise FileRefused(
            "file_is_markup",
            "The file is a web page, XML or JSON, whatever its name says",
            "Open it in your spreadsheet program and save it as an Excel workbook (.xlsx) or as CSV UTF-8",
        )
    if code == "file_is_spreadsheet":
        raise FileRefused(
            code, "The file is a spreadsheet, not CSV", "Save it as CSV UTF-8 in your spreadsheet program"
        )
    if code:
        raise FileRefused(code, "The file is not text", "Upload a CSV file")


# -- delimiter -------------------------------------------------------------------------------------------------------


def _separator_line(text: str) -> tuple[str | None, str]:
    """The delimiter named by Excel's first line ``sep=;``, and that line with its end."""
    line = text[:16].splitlines(keepends=True)[0] if text else ""
    named = line.rstrip("\r\n").strip('"')
    if named[:4].lower() == "sep=" and named[4:] in _NAMED_DELIMITERS:
        return named[4], line
    return None, ""


def _sniff(text: str) -> str:
    """The delimiter under which the header has a phone column and most rows have as many fields as the header."""
    best, best_score = ",", (False, 0, 0)
    for delimiter in _DELIMITERS:
        rows = _sample(text, delimiter)
        if rows and len(rows[0]) > 1:
            alike = sum(len(row) == len(rows[0]) for row in rows)
            score = ("phone" in recognised(rows[0]), alike, len(rows[0]))
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _sample(text: str, delimiter: str) -> list[list[str]]:
    lines = io.StringIO(text[: 256 * 1024], newline="")
    try:
        return list(itertools.islice((row for row in csv.reader(lines, delimiter=delimiter) if row), _SAMPLE_ROWS))
    except csv.Error:
        return []


# -- header ----------------------------------------------------------------------------------------------------------


def _headers(header: Record, delimiter: str) -> tuple[str, ...]:
    if header.problem is not None or header.width > MOST_COLUMNS:
        raise FileRefused(
            "header_unreadable",
            f"The header cannot be read or has more than {MOST_COLUMNS} columns",
            "Make the first row a short header: one name per column",
        )
    cells = next(csv.reader(io.StringIO(header.text, newline=""), delimiter=delimiter))
    names = (unguarded(cell.replace("\ufeff", "").strip()) for cell in cells)
    columns = tuple(name or f"column_{number}" for number, name in enumerate(names, 1))
    if any(_looks_like_a_phone(column) for column in columns):
        raise FileRefused(
            "header_missing",
            "The first row holds a phone number instead of column names",
            "Add a header row above the first person, such as: phone,name",
        )
    twice = [name for name, count in Counter(column.casefold() for column in columns).items() if count > 1]
    if twice:
        column = next(column for column in columns if column.casefold() == twice[0])
        raise FileRefused("header_duplicate", "Two columns have the same name", "Rename one of them", column)
    return columns


def _looks_like_a_phone(cell: str) -> bool:
    if sum(sign.isdecimal() for sign in cell) < 9:  # fewer may be a date
        return False
    try:
        parse_phone(cell, "US")
    except PhoneRefused as refused:
        return refused.code in {"phone_wrong_country", "phone_invalid", "phone_digits_lost", "phone_premium"}
    return True


def _mapping(columns: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    by_name = {column.casefold(): column for column in columns}
    for name, header in wanted.items():
        if name not in FIELDS:
            raise FileRefused("mapping_unknown_field", "The mapping names an unknown field", _one_of(FIELDS), name)
        if header.strip().casefold() not in by_name:
            raise FileRefused("mapping_unknown_column", "The file lacks a mapped column", _one_of(columns), header)
    chosen = {name: by_name[header.strip().casefold()] for name, header in wanted.items()}
    free = [column for column in columns if column not in chosen.values()]
    found = {name: column for name, column in recognised(free).items() if name not in chosen}
    mapping = {**found, **chosen}
    if "phone" not in mapping:
        raise FileRefused(
            "header_no_phone",
            "No column holds phone numbers",
            "Name one column phone, or map the field phone to one of these. " + _one_of(columns),
            "phone",
        )
    return {name: mapping[name] for name in FIELDS if name in mapping}


def _one_of(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:20])
    return f"There are: {shown}" + (" …" if len(names) > 20 else "")
