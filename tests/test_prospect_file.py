"""CSV as it comes from Excel, CRMs and scripts. Numbers lie in ranges reserved for fiction."""

import codecs
import csv
import io
import runpy
import tracemalloc
import zoneinfo
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.prospect_file import FileRefused, ReadOptions, read_chunks, scan
from dialer.prospect_file.records import LINE_LIMIT

ANN = "+12025550123"
BOB = "+12025550124"
EVE = "+12025550125"


def read(data: bytes, **options):
    """Shape, good rows and errors of a whole file."""
    chosen = ReadOptions(**options)
    shape = scan(io.BytesIO(data), chosen)
    chunks = list(read_chunks(io.BytesIO(data[shape.start.offset :]), shape, chosen))
    rows = [row for chunk in chunks for row in chunk.rows]
    errors = [error for chunk in chunks for error in chunk.errors]
    assert sum(chunk.rows_read for chunk in chunks) == len(rows) + len(errors)
    return shape, rows, errors


def refused(data: bytes, **options) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        scan(io.BytesIO(data), ReadOptions(**options))
    return caught.value


def test_a_row_becomes_a_prospect_with_its_extra_columns_as_variables():
    data = f"external_id,name,phone,country,state,priority,Product Line,note\nA-1,Ann,{ANN},US,NV,5,Bikes,\n"
    shape, [row], errors = read(data.encode())
    assert errors == []
    assert shape.rows_total == 1
    assert (row.row, row.external_id, row.name, row.phone, row.extension) == (2, "A-1", "Ann", ANN, None)
    assert row.variables == {"country": "US", "state": "NV", "Product Line": "Bikes"}
    assert (row.zone_set, row.zone_source, row.priority) == ("America/Denver|America/Los_Angeles", "address", 5)


def test_first_and_last_name_make_the_name_and_stay_variables():
    _, [row], _ = read(f"First Name,Last Name,Mobile\nAnn,Lee,{ANN}\n".encode())
    assert row.name == "Ann Lee"
    assert row.variables == {"First Name": "Ann", "Last Name": "Lee"}


@pytest.mark.parametrize(
    ("encoding", "bom", "found"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("cp1252", b"", "cp1252"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_delimiters_and_line_ends_are_found(encoding, bom, found, delimiter, end):
    lines = ["Téléphone;Nom", f"{ANN};Zoé", f'{BOB};"a{delimiter}""b"""', f"{EVE};Noël"]
    data = bom + end.join(line.replace(";", delimiter, 1) for line in lines).encode(encoding)
    shape, rows, errors = read(data)
    assert errors == []
    assert (shape.encoding, shape.delimiter, shape.size, shape.rows_total) == (found, delimiter, len(data), 3)
    assert [row.name for row in rows] == ["Zoé", f'a{delimiter}"b"', "Noël"]


def test_the_separator_line_of_excel_is_obeyed_and_not_counted():
    shape, [row], _ = read(f"sep=;\r\nphone;name\r\n{ANN};Ann, the first\r\n".encode())
    assert shape.delimiter == ";"
    assert (row.row, row.name) == (2, "Ann, the first")


def test_one_late_accent_decides_the_encoding_of_the_whole_file():
    lines = ["phone,name", *(f"{ANN},{i} {'plain' * 35}" for i in range(6_000)), f"{EVE},Zoé"]
    shape, rows, errors = read("\n".join(lines).encode("cp1252"))
    assert (shape.encoding, len(rows), errors) == ("cp1252", 6_001, [])
    assert rows[-1].name == "Zoé"


def test_a_few_broken_bytes_in_a_utf8_file_cost_only_their_rows():
    lines = [f"{ANN},Zoé Noël Amélie Céline Élodie".encode()] * 5
    _, rows, [error] = read(b"phone,name\n" + b"\n".join([*lines[:2], f"{BOB},Zo".encode() + b"\xe9", *lines[2:]]))
    assert len(rows) == 5
    assert (error.row, error.code) == (4, "row_undecodable")
    error.value.encode()


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Phone Number", "phone"),
        ("MOBILE_PHONE", "phone"),
        ("Téléphone", "phone"),
        ("Número", "phone"),
        ("Telefonnummer", "phone"),
        ("Cellulare", "phone"),
        ("電話番号", "phone"),
        ("Телефон", "phone"),
        ("Full-Name", "name"),
        ("Lead ID", "external_id"),
        ("Fuso orario", "time_zone"),
        ("tz", "time_zone"),
        ("Zip Code", "postal_code"),
        ("Bundesland", "region"),
        ("País", "country"),
        ("Priorität", "priority"),
        ("Vorname", "first_name"),
        ("Apellido", "last_name"),
        ("ext.", "extension"),
    ],
)
def test_headers_are_known_in_several_languages(header, field):
    other = "who" if field == "phone" else "phone"
    shape = scan(io.BytesIO(f"{header};{other}\n1;2\n".encode()), ReadOptions())
    assert shape.mapping[field] == header


def test_of_two_phone_columns_the_better_known_is_rung_and_the_other_is_a_variable():
    _, [row], _ = read(f"number,phone\n77,{ANN}\n".encode())
    assert row.phone == ANN
    assert row.variables == {"number": "77"}


def test_an_explicit_mapping_wins_over_the_headers():
    data = f"phone,Private Line,label\n{BOB},{ANN},Ann\n".encode()
    _, [row], _ = read(data, mapping={"phone": "private line", "name": "label"})
    assert (row.phone, row.name, row.variables) == (ANN, "Ann", {"phone": BOB})


@pytest.mark.parametrize(
    ("data", "code", "column"),
    [
        (b"", "file_empty", None),
        (b"\r\n\r\n \r\n", "file_empty", None),
        (codecs.BOM_UTF8, "file_empty", None),
        (b"phone,name\r\n", "file_no_rows", None),
        (b"phone,name\n\n,\n", "file_no_rows", None),
        (b"first,second\n1,2\n", "header_no_phone", "phone"),
        (b"phone,Phone\n1,2\n", "header_duplicate", "phone"),
        (b"phone,name,x,x\n1,2,3,4\n", "header_duplicate", "x"),
        (f"{ANN},Ann\n{BOB},Bob\n".encode(), "header_missing", None),
        (b"202-555-0123,Ann\n", "header_missing", None),
        (b"PK\x03\x04" + bytes(100), "file_is_spreadsheet", None),
        (b"%PDF-1.7 ...", "file_is_binary", None),
        (bytes(range(256)) * 40, "file_is_binary", None),
        (b"phone," + b"x," * 1_000_000 + b"\n1\n", "header_unreadable", None),
        (b"phone,name,unnamed" + b",x" * 600 + b"\n1\n", "header_unreadable", None),
        (b'"phone,name\n1,2\n', "header_unreadable", None),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused_with_its_reason(data, code, column):
    problem = refused(data)
    assert (problem.code, problem.column) == (code, column)
    assert problem.suggestion


def test_a_mapping_that_does_not_fit_is_refused_naming_the_column():
    data = b"phone,name\n1,2\n"
    assert refused(data, mapping={"phone": "tel"}).column == "tel"
    assert refused(data, mapping={"shoe_size": "name"}).column == "shoe_size"


@pytest.mark.parametrize(
    ("line", "column", "value", "code"),
    [
        (f"{BOB},Bob", None, f"{BOB},Bob", "row_too_few_fields"),
        (f"{BOB},Bob,,,x", None, f"{BOB},Bob,,,x", "row_too_many_fields"),
        (f'{BOB},"Bob,,', None, f'{BOB},"Bob,,', "row_quote"),
        (f"{BOB},B\0b,,", None, f"{BOB},B\ufffdb,,", "row_nul"),
        (",Bob,,", "Phone", "", "phone_missing"),
        ("ask Bob,Bob,,", "Phone", "ask Bob", "phone_not_a_number"),
        ("4.42079E+11,Bob,,", "Phone", "4.42079E+11", "phone_digits_lost"),
        ("911,Bob,,", "Phone", "911", "phone_emergency"),
        ("+19005550123,Bob,,", "Phone", "+19005550123", "phone_premium"),
        (f"{BOB},Bob,Mars/Base,", "Zone", "Mars/Base", "unknown_time_zone"),
        (f"{BOB},Bob,,high", "Priority", "high", "priority_not_a_number"),
        (f"{BOB},Bob,,99999", "Priority", "99999", "priority_not_a_number"),
        (f"{BOB},{'B' * 201},,", "Name", "B" * 200, "too_long"),
    ],
)
def test_a_bad_row_is_one_error_and_costs_no_other_row(line, column, value, code):
    data = f"Phone,Name,Zone,Priority\n{ANN},Ann,,\n{line}\n{EVE},Eve,,\n"
    _, rows, [error] = read(data.encode(), default_region="US")
    assert [(row.row, row.phone) for row in rows] == [(2, ANN), (4, EVE)]
    assert (error.row, error.column, error.value, error.code) == (3, column, value, code)
    assert error.message
    assert error.suggestion


def test_one_field_too_many_never_moves_a_value_into_the_phone_column():
    _, rows, errors = read(f"name,phone\nAnn,{ANN},{BOB}\nBob,{BOB},{EVE}\n".encode())
    assert rows == []
    assert [error.code for error in errors] == ["row_too_many_fields"] * 2


def test_delimiters_at_the_end_of_rows_are_no_fields():
    for header in ("phone,name", "phone,name,"):
        _, rows, errors = read(f'{header}\n{ANN},Ann,\n{BOB},"Bob, jr",\n,,\n'.encode())
        assert errors == []
        assert [(row.phone, row.name, row.variables) for row in rows] == [(ANN, "Ann", {}), (BOB, "Bob, jr", {})]


def test_words_that_pandas_takes_for_missing_are_names():
    for word in ("NA", "null", "None", "nan", "N/A", "TRUE", "007", "1e5"):
        _, [row], _ = read(f"phone,name,id,extra\n{ANN},{word},{word},{word}\n".encode())
        assert (row.name, row.external_id, row.variables) == (word, word, {"extra": word})


def test_rows_are_numbered_as_a_spreadsheet_shows_them():
    data = f'phone,note\n{ANN},"two\r\nlines"\n\n{BOB},x\nbad,y\n'
    _, rows, [error] = read(data.encode())
    assert [row.row for row in rows] == [2, 4]
    assert rows[0].variables == {"note": "two\r\nlines"}
    assert error.row == 5


def test_an_unclosed_quote_costs_its_own_line_even_before_other_quotes():
    data = f'phone,name\n{ANN},"open\n{BOB},"Bob, jr"\n{EVE},Eve\n'
    _, rows, [error] = read(data.encode())
    assert [row.phone for row in rows] == [BOB, EVE]
    assert (error.row, error.code) == (2, "row_quote")


def test_stray_quotes_inside_fields_are_kept():
    _, rows, errors = read(f'phone,name\n{ANN},Ann "the ace" Lee\n{BOB},"Bob" Jones\n{EVE},5" pipe\n'.encode())
    assert errors == []
    assert [row.name for row in rows] == ['Ann "the ace" Lee', "Bob Jones", '5" pipe']


def test_the_quote_that_protects_spreadsheets_from_formulas_is_dropped():
    _, [row], _ = read(f"phone,name,formula\n'{ANN},'t Hooft,'=1+1\n".encode())
    assert (row.phone, row.name, row.variables) == (ANN, "'t Hooft", {"formula": "=1+1"})


def test_the_country_of_the_row_wins_over_the_default_and_an_unknown_one_leaves_none():
    data = "phone,country\n020 7946 0123,UK\n030 23125123,Deutschland\n(202) 555-0123,\n(202) 555-0124,Atlantis\n"
    _, rows, [error] = read(data.encode(), default_region="US")
    assert [row.phone for row in rows] == ["+442079460123", "+493023125123", ANN]
    assert (error.row, error.column, error.code) == (5, "country", "country_unknown")


def test_a_number_of_no_country_is_kept_without_zones():
    _, [row], _ = read(b"phone\n+870773111632\n")
    assert (row.zone_set, row.zone_source) == (None, "none")


def test_variables_are_limited_to_sixteen_kilobytes():
    for size, good in ((16_000, True), (16_400, False)):
        _, rows, errors = read(f"phone,text\n{ANN},{'x' * size}\n".encode())
        assert bool(rows) == good
        assert [error.code for error in errors] == ([] if good else ["variables_too_large"])


def test_a_line_without_end_is_one_error_and_reading_goes_on():
    data = f"phone,name\n{ANN},{'x' * (3 * LINE_LIMIT)}\n{BOB},Bob\n".encode()
    _, [row], [error] = read(data)
    assert (row.phone, row.row) == (BOB, 3)
    assert error.code == "row_too_long"
    assert len(error.value) <= 200


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


DEMO = resources.files("dialer.demo").joinpath("prospects.csv")


def test_the_demo_has_three_hundred_rows_of_which_a_few_are_bad_and_one_is_double():
    _, rows, errors = read(DEMO.read_bytes())
    assert len(rows) + len(errors) == 300
    assert len({error.code for error in errors}) == 7
    assert len(rows) - len({row.phone for row in rows}) == 1
    assert all(row.zone_set for row in rows)


def test_the_demo_is_what_its_script_writes():
    script = Path(__file__).parents[1] / "scripts" / "make_demo_csv.py"
    out = io.StringIO()
    runpy.run_path(str(script))["main"](out)
    assert out.getvalue() == DEMO.read_text("utf-8")


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_at_any_hour_some_people_of_the_demo_may_be_called_and_some_wait(month):
    _, rows, _ = read(DEMO.read_bytes())
    for hour in range(24):
        now = datetime(2026, month, 15, hour, tzinfo=UTC)
        callable_now = sum(
            all(9 <= now.astimezone(zoneinfo.ZoneInfo(zone)).hour < 20 for zone in row.zone_set.split("|"))
            for row in rows
        )
        assert 30 <= callable_now <= 250
