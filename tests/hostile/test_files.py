"""Files that nobody would write by hand: no crash, no cell misread, nothing without bound."""

import contextlib
import csv
import io
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialer.prospect_file import Chunk, FileRefused, FileShape, ReadOptions, read_chunks, scan
from dialer.prospect_file.records import LINE_LIMIT

ANN = "+12025550123"
MEGABYTE = 1 << 20


class Counted:
    """A stream that counts what is read of it, and fails when that is far more than there is."""

    def __init__(self, data: bytes, piece: int = 1 << 30) -> None:
        self._data = io.BytesIO(data)
        self._piece = piece
        self._left = 2 * len(data) + MEGABYTE

    def read(self, size: int, /) -> bytes:
        piece = self._data.read(min(size, self._piece))
        self._left -= max(len(piece), 1)
        assert self._left > 0
        return piece


def read(data: bytes, *, piece: int = 1 << 30, **options: Any) -> tuple[FileShape, list[Chunk]]:
    """The whole file, as an import reads it; what the chunks say of themselves fits together."""
    chosen = ReadOptions(**options)
    shape = scan(Counted(data, piece), chosen)
    assert shape.size == len(data)
    chunks = list(read_chunks(Counted(data[shape.start.offset :], piece), shape, chosen))
    place = shape.start
    for chunk in chunks:
        assert chunk.start == place
        numbers = sorted([row.row for row in chunk.rows] + [error.row for error in chunk.errors])
        assert len(set(numbers)) == len(numbers) == chunk.rows_read > 0
        assert place.row <= numbers[0]
        assert numbers[-1] < chunk.end.row
        assert place.offset < chunk.end.offset <= len(data)
        place = chunk.end
    return shape, chunks


HEADS = st.sampled_from(
    [b"", b"phone\n", b"phone,name\n", b"phone;a\r\n", b"\xef\xbb\xbfphone\tx\r", b"sep=;\nphone;b\n", b'"phone","x"\n']
) | st.sampled_from(["phone,name\n", "sep=|\r\nphone|x\r\n", '"pho\nne",phone\n']).flatmap(
    lambda text: st.sampled_from([b"\xff\xfe" + text.encode("utf-16-le"), b"\xfe\xff" + text.encode("utf-16-be")])
)
LINES = st.lists(
    st.sampled_from(
        [
            ANN.encode(),
            b",",
            b";",
            b"\t",
            b"|",
            b'"',
            b'""',
            b"\r",
            b"\n",
            b"\r\n",
            b"\0",
            b"\xff",
            b"\xe9",
            b"'=",
            b" ",
        ]
        + [
            "é".encode(),
            "\u2028".encode(),
            "\x85".encode(),
            "\ufeff".encode(),
            b"a",
            b"\x1a",
            b"\x0b",
            b"\x0c",
            b"\x1c",
        ]
    )
    | st.binary(max_size=12),
    max_size=120,
).map(b"".join)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    head=HEADS, body=LINES | st.binary(max_size=600), piece=st.sampled_from([1, 7, 1 << 20]), chunk=st.integers(1, 9)
)
@example(head=b"", body=b"\xff\xfe\x00", piece=1, chunk=1)
@example(head=b"phone\n", body=b'"' * 5000, piece=7, chunk=1)
def test_any_bytes_are_rows_or_errors_or_a_refused_file(head: bytes, body: bytes, piece: int, chunk: int):
    try:
        shape, chunks = read(head + body, piece=piece, chunk_rows=chunk)
    except FileRefused:
        return
    _, again = read(head + body, chunk_rows=10_000)
    assert [row for chunk in chunks for row in chunk.rows] == [row for chunk in again for row in chunk.rows]
    assert [error for chunk in chunks for error in chunk.errors] == [e for chunk in again for e in chunk.errors]
    assert shape.rows_total >= 0


CELL = st.text(
    alphabet=st.sampled_from(list(",;\t|\"'\r\n =+-@é1xŁ中😀:^~#")) | st.characters(exclude_categories=["Cs", "Cc"]),
    max_size=20,
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], str, str, str, int]:
    """A table, and how it is written: delimiter, line end, encoding and quoting."""
    encoding = draw(st.sampled_from(ENCODINGS))
    width = draw(st.integers(1, 5))
    cell = CELL
    if encoding == "cp1252":
        cell = CELL.map(lambda text: text.encode("cp1252", "ignore").decode("cp1252"))
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=12))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # Python's writer quotes line ends only of its own kind: with others everything is quoted.
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])) if end == "\r\n" else csv.QUOTE_ALL
    return rows, draw(st.sampled_from([",", ";", "\t", "|"])), end, encoding, quoting


@settings(max_examples=400, deadline=None, derandomize=True)
@given(table=tables(), chunk=st.integers(1, 5), piece=st.sampled_from([1, 3, 1 << 20]))
def test_every_cell_is_read_as_pythons_csv_reads_it(
    table: tuple[list[list[str]], str, str, str, int], chunk: int, piece: int
):
    rows, delimiter, end, encoding, quoting = table
    names = [f"c{number}" for number in range(len(rows[0]))]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([["phone", *names], *([ANN, *row] for row in rows)])
    data = out.getvalue().encode(encoding)
    expected = list(csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter))[1:]
    # Random letters are in no language, by which a code page could be recognised.
    told = encoding if encoding == "cp1252" else None
    shape, chunks = read(data, piece=piece, chunk_rows=chunk, encoding=told)
    assert shape.columns == ("phone", *names)
    assert [error for chunk in chunks for error in chunk.errors] == []
    found = [row for chunk in chunks for row in chunk.rows]
    assert [row.phone for row in found] == [ANN] * len(rows)
    assert [row.row for row in found] == list(range(2, len(rows) + 2))
    for row, cells in zip(found, expected, strict=True):
        plain = {name: _plain(cell) for name, cell in zip(names, cells[1:], strict=True)}
        assert row.variables == {name: cell for name, cell in plain.items() if cell}


def _plain(cell: str) -> str:
    """What the reader takes off on purpose: space around, and the quote that protects from formulas."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in {"=", "+", "-", "@"} else cell


def test_a_utf16_file_that_was_cut_inside_a_letter_ends_where_it_ends():
    for cut in (1, 2, 3):
        data = b"\xff\xfe" + f"phone,name\n{ANN},Ann\n{ANN},😀".encode("utf-16-le")[:-cut]
        _, chunks = read(data)
        assert chunks[-1].end.offset == len(data)


def test_a_line_too_long_inside_a_quoted_row_is_no_row_and_gives_none():
    """Its beginning must not be taken for the row, nor its rest for another."""
    long = f'b",{" " * (LINE_LIMIT - 2)} {ANN},c\n'
    _, chunks = read(f'phone,a,b\n{ANN},"a\n{long}{ANN},x,y\n'.encode())
    assert [row.variables for chunk in chunks for row in chunk.rows] == [{"a": "x", "b": "y"}]
    assert [error.code for chunk in chunks for error in chunk.errors] == ["row_quote", "row_too_long"]


@pytest.mark.parametrize(
    "data",
    [
        b"phone,name\n" + b'"' * MEGABYTE,
        b"phone,name\n" + b'"\n' * 200_000,
        b"phone,name\n" + (b'"' + b"x" * 200 + b"\n") * 2_500,
        b"phone,name\n" + b"," * MEGABYTE,
        b"phone,name\n" + b"\r" * (MEGABYTE // 2) + b"x",
        b"phone,name\n" + b"\0" * (MEGABYTE // 2),
        b"phone,name\n" + (b"x" * (LINE_LIMIT - 1) + b"\n") * 4,
        b"phone,name\n" + b"1\n" * 50_000,
        b"phone,name\n" + b"\xe9" * (MEGABYTE // 2),
        b'phone,name\n"' + b"x,\n" * 100_000,
    ],
    ids=[
        "quotes",
        "quoted lines",
        "open quotes",
        "delimiters",
        "returns",
        "zeros",
        "long",
        "short",
        "bytes",
        "one quote",
    ],
)
def test_megabytes_made_to_be_slow_are_read_in_seconds(data: bytes):
    """About as long as plain rows of the same size take, not the square of it."""
    began = time.process_time()
    with contextlib.suppress(FileRefused):
        read(data)
    assert time.process_time() - began < 20
