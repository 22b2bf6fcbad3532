"""Files as streams: read again from any place, differentially, and in flat memory."""

import csv
import io
import tracemalloc

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.prospect_file import FileRefused, ReadOptions, read_chunks, scan
from tests.prospect_file.files import ANN, BOB, read


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le"])
def test_reading_can_start_again_at_the_end_of_any_chunk(encoding):
    names = ["plain", "Zoé", '"two\r\nlines"', '"un""closed', "", '"Bob, jr"', "x,y", "Élodie"]
    lines = [f"+1202555{100 + i:04d},{names[i % len(names)]}" for i in range(60)]
    data = ("phone,name\r\n" + "\r\n\r\n".join(lines)).encode(encoding)
    options = ReadOptions(chunk_rows=7)
    shape = scan(io.BytesIO(data), options)
    whole = list(read_chunks(io.BytesIO(data[shape.start.offset :]), shape, options))
    assert sum(chunk.rows_read for chunk in whole) == 60
    assert whole[-1].end.offset == len(data)
    for index, chunk in enumerate(whole):
        again = read_chunks(io.BytesIO(data[chunk.start.offset :]), shape, options, chunk.start)
        assert list(again) == whole[index:]


def test_a_stream_that_answers_in_small_pieces_gives_the_same_rows():
    class Trickle:
        def __init__(self, data: bytes) -> None:
            self._rest = io.BytesIO(data)

        def read(self, size: int, /) -> bytes:
            return self._rest.read(min(size, 7))

    data = f"phone,name\n{ANN},Zoé\n{BOB},Bob\n".encode()
    shape = scan(Trickle(data), ReadOptions())
    assert shape == scan(io.BytesIO(data), ReadOptions())
    [chunk] = read_chunks(Trickle(data[shape.start.offset :]), shape, ReadOptions())
    assert [row.name for row in chunk.rows] == ["Zoé", "Bob"]


_CELLS = st.text(
    alphabet=st.one_of(st.sampled_from(list(",;\t|\"'\r\n =+-@é1x")), st.characters(exclude_categories=["C"])),
    max_size=12,
)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(_CELLS, _CELLS, _CELLS), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    # With lines that end in a bare \n the writer leaves a bare \r without quotes, where readers see a line end.
    style=st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
    chunk_rows=st.integers(1, 5),
)
def test_well_formed_files_read_as_pythons_csv_reads_them(rows, delimiter, encoding, style, chunk_rows):
    end, quoting = style
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(["phone", "a", "b", "c"])
    writer.writerows([ANN, *row] for row in rows)
    _, found, errors = read(out.getvalue().encode(encoding), chunk_rows=chunk_rows)
    assert errors == []
    expected = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter))[1:]
    assert [row.row for row in found] == list(range(2, len(rows) + 2))
    for row, cells in zip(found, expected, strict=True):
        plain = {name: _plain(cell) for name, cell in zip("abc", cells[1:], strict=True)}
        assert row.variables == {name: cell for name, cell in plain.items() if cell}


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in {"=", "+", "-", "@"} else cell


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_behind_a_header_are_rows_or_errors(data):
    head = b"phone,name\n"
    try:
        shape, rows, errors = read(head + data)
    except FileRefused:
        return
    numbers = sorted(row.row for row in [*rows, *errors])
    assert numbers == sorted(set(numbers))
    for error in errors:
        error.value.encode()
        assert "\0" not in error.value


class _LongFile:
    """A file of many rows that is never in memory as a whole. One row in ten has a phone, which is the slow part."""

    def __init__(self, rows: int) -> None:
        phones = (b"+1202555%04d" % (100 + i % 100) if i % 10 == 0 else b"" for i in range(rows))
        self._lines = (b'%b,"Person, %d",a note of some length\r\n' % (phone, i) for i, phone in enumerate(phones))
        self._ready = b"phone,name,note\r\n"

    def read(self, size: int, /) -> bytes:
        parts = [self._ready]
        length = len(self._ready)
        while length < size and (line := next(self._lines, None)):
            parts.append(line)
            length += len(line)
        data = b"".join(parts)
        self._ready = data[size:]
        return data[:size]


def test_memory_stays_flat_over_a_long_stream():
    rows = 200_000
    shape = scan(_LongFile(rows), ReadOptions())
    assert shape.rows_total == rows
    stream = _LongFile(rows)
    stream.read(shape.start.offset)
    chunks = read_chunks(stream, shape, ReadOptions())
    process = psutil.Process()
    done = sum(next(chunks).rows_read for _ in range(10))  # fills what is cached once
    before = process.memory_info().rss
    grown = 0
    for chunk in chunks:
        done += chunk.rows_read
        grown = max(grown, process.memory_info().rss - before)
    assert done == rows
    assert grown < 8_000_000


def test_one_chunk_costs_a_few_megabytes():
    rows = 10_000
    shape = scan(_LongFile(rows), ReadOptions())
    stream = _LongFile(rows)
    stream.read(shape.start.offset)
    chunks = read_chunks(stream, shape, ReadOptions())
    next(chunks)
    tracemalloc.start()
    try:
        read_rows = sum(next(chunks).rows_read for _ in range(2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read_rows == 4000
    assert peak < 12_000_000


# What a line is, and what becomes of it: None for a row, else the code of its error.
_LINES = {
    f"{ANN},plain": None,
    f'{ANN},"quoted, with ""signs"""': None,
    f'{ANN},"over\nlines"': None,
    f"{ANN},stray \" sign": None,
    f"{ANN},Łódź 東京 😀": None,
    f"{ANN},bare,,": None,
    f"{ANN}": "row_too_few_fields",
    f"{ANN},a,b": "row_too_many_fields",
    f'{ANN},"open': "row_quote",
    f"{ANN},zero\0byte": "row_nul",
    "nobody,x": "phone_not_a_number",
    ",x": "phone_missing",
}  # fmt: skip
_BLANKS = ("", ",", "  ", ",,,")


@settings(deadline=None)
@given(
    lines=st.lists(st.sampled_from([*_LINES, *_BLANKS]), min_size=1, max_size=40),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"]),
    chunk_rows=st.integers(1, 9),
)
def test_every_row_of_any_file_is_accounted_for_once(lines, end, encoding, chunk_rows):
    # An open quote would reach to the next quote of the file, which makes another file of it.
    lines = [line for line in lines if _LINES.get(line) != "row_quote"] + [f'{ANN},"open']
    data = end.join(["phone,name", *lines]).encode(encoding)
    told = "gb18030" if encoding == "gb18030" else None
    _, rows, errors = read(data, chunk_rows=chunk_rows, encoding=told)
    expected = {row: _LINES[line] for row, line in enumerate(lines, 2) if line in _LINES}
    assert {row.row: None for row in rows} | {error.row: error.code for error in errors} == expected
    assert len(rows) + len(errors) == len(expected)
