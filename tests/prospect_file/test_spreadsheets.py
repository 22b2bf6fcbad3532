"""Workbooks: the right sheet, the rows as they are numbered, the cells as people mean them, in flat memory."""

import csv
import io
import tracemalloc
from datetime import date, datetime, time

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.prospect_file import write_csv
from tests.prospect_file.files import ANN, BOB, EVE
from tests.prospect_file.workbooks import csv_of, package, read_book, sheet, text_cell

HEADER = text_cell("A1", "phone") + text_cell("B1", "x")


def saved(book: openpyxl.Workbook) -> bytes:
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def book_of(rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book["Sheet"].append(row)
    return saved(book)


def test_a_workbook_is_read_as_a_file_is_with_the_numbers_of_its_rows():
    rows = [[], ["Phone", "Name"], [ANN, "Ann\nLee"], [], ["nobody", "Bob"], [442079460123.0, "Eve"]]
    shape, good, [error] = read_book(book_of(rows), default_region="GB")
    assert (shape.encoding, shape.delimiter, shape.columns) == ("utf-8", ",", ("Phone", "Name"))
    assert [(row.row, row.phone, row.name) for row in good] == [(3, ANN, "Ann\nLee"), (6, "+442079460123", "Eve")]
    assert (error.row, error.column, error.value) == (5, "Phone", "nobody")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<v>442079460123</v>", "442079460123"),
        ("<v>442079460123.0</v>", "442079460123"),
        ("<v>4.42079460123E+11</v>", "442079460123"),
        ("<v>0.30000000000000004</v>", "0.3"),
        ("<v>-12.5</v>", "-12.5"),
        ("<v>123456789012345</v>", "123456789012345"),
        ("<v>1.23456789012345E+18</v>", "1.23456789012345E+18"),
        ("<v>4420794601230000000</v>", "4.42079460123E+18"),
        ("<v>1234567890123456789</v>", "1234567890123456789"),
        ("<v>NaN</v>", ""),
        ("<v>often</v>", "often"),
        ("<v/>", ""),
        ("<f>1+1</f><v>2</v>", "2"),
        ("<f>1+1</f>", ""),
    ],
)
def test_a_number_is_written_with_all_digits_that_the_spreadsheet_kept(cell, text):
    assert csv_of(package({"a": sheet(HEADER, f'<c r="B2">{cell}</c>')})).splitlines()[1:] == (
        [f",{text}"] * bool(text)
    )


@pytest.mark.parametrize(
    ("attributes", "value", "text"),
    [
        ('t="b"', "1", "TRUE"),
        ('t="b"', "0", "FALSE"),
        ('t="e"', "#N/A", ""),
        ('t="str"', "4 + 4", "4 + 4"),
        ('t="str"', "a_x000D_&#10;b", '"a\r\nb"'),
        ('t="d"', "2026-11-22T00:00:00Z", "2026-11-22"),
        ('s="1"', "46348", "2026-11-22"),
        ('s="1"', "1", "1900-01-01"),
        ('s="1"', "61", "1900-03-01"),
        ('s="4"', "46348.395833333336", "2026-11-22T09:30:00"),
        ('s="7"', "0.395833333333333", "09:30:00"),
        ('s="6"', "1.5", "36:00:00"),
        ('s="1"', "442079460123", "442079460123"),
        ('s="2"', "2134", "02134"),
        ('s="3"', "442079460123", "+442079460123"),
        ('s="5"', "1234.5", "1234.5"),
        ('s="99"', "7", "7"),
    ],
)
def test_a_cell_is_written_as_people_mean_it(attributes, value, text):
    made = csv_of(package({"a": sheet(HEADER, f'<c r="B2" {attributes}><v>{value}</v></c>')}))
    assert made == "phone,x\r\n" + (f",{text}\r\n" if text else "")


def test_days_may_count_from_1904():
    made = package({"a": sheet(HEADER, '<c r="B2" s="1"><v>44886</v></c>')}, since_1904=True)
    assert csv_of(made).splitlines()[1] == ",2026-11-22"


def test_digits_that_the_spreadsheet_lost_are_an_error_of_the_row():
    _, rows, [error] = read_book(package({"a": sheet(HEADER, '<c r="A2"><v>4.42079460123E+18</v></c>')}))
    assert (rows, error.row, error.code) == ([], 2, "phone_digits_lost")


def test_texts_may_be_shared_rich_and_annotated_with_their_reading():
    strings = "<sst><si><t>phone</t></si><si><r><t>An</t></r><r><t>na</t></r><rPh><t>x</t></rPh></si><si/></sst>"
    cells = '<c t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c t="s"><v>2</v></c>'
    assert csv_of(package({"a": sheet(cells)}, strings=strings)) == "phone,Anna\r\n"


@pytest.mark.parametrize(
    ("sheets", "states", "mapping", "chosen"),
    [
        ({"first": ["Report"], "people": ["phone"]}, {}, {}, "people"),
        ({"first": ["phone"], "second": ["phone"]}, {}, {}, "first"),
        ({"first": ["phone"], "second": ["phone"]}, {"first": "hidden"}, {}, "second"),
        ({"first": ["phone"], "second": ["phone"]}, {"first": "veryHidden"}, {}, "second"),
        ({"first": ["phone"], "second": ["Ring This"]}, {}, {"phone": "ring this"}, "second"),
        ({"empty": [], "first": ["a", "b"], "second": ["c"]}, {}, {}, "first"),
    ],
)
def test_the_first_visible_sheet_with_a_phone_column_is_read(sheets, states, mapping, chosen):
    made = {name: sheet("".join(text_cell(f"{'ABC'[n]}1", cell) for n, cell in enumerate(cells)))
            for name, cells in sheets.items()}  # fmt: skip
    assert write_csv(io.BytesIO(package(made, states=states)), io.BytesIO(), mapping) == chosen


def test_rows_that_are_left_out_of_the_sheet_are_counted():
    made = sheet(f'<row r="3">{text_cell("A3", "phone")}</row>', f'<row r="1000">{text_cell("A1000", "x")}</row>')
    _, _, [error] = read_book(package({"a": made}))
    assert error.row == 1000


def test_a_cell_of_more_lines_than_a_row_may_have_stays_in_its_row():
    long = package({"a": sheet(HEADER, text_cell("A2", ANN) + text_cell("B2", "y\n" * 2000), text_cell("A3", BOB))})
    _, rows, errors = read_book(long)
    assert ([row.row for row in rows], errors) == ([2, 3], [])
    huge = package({"a": sheet(HEADER, text_cell("A2", ANN) + text_cell("B2", "y\n" * 200_000), text_cell("A3", BOB))})
    _, [row], [error] = read_book(huge)
    assert (row.row, error.row, error.code) == (3, 2, "row_too_long")


def test_what_openpyxl_writes_is_read():
    moment, day = datetime(2026, 11, 22, 9, 30), date(2026, 11, 22)  # noqa: DTZ001
    rows = [["phone", "a", "b", "c", "d"], [ANN, moment, day, time(9, 5), True], [BOB, 0.1, 10**12, "=1+1", None]]
    assert csv_of(book_of(rows)).splitlines() == [
        "phone,a,b,c,d",
        f"{ANN},2026-11-22T09:30:00,2026-11-22,09:05:00,TRUE",
        f"{BOB},0.1,1000000000000,,",
    ]


_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(list(",;\"\n\t '=")), max_size=12)
_CELLS = st.none() | _TEXTS | st.integers(-(10**14), 10**14) | st.booleans()


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.lists(_CELLS, min_size=3, max_size=3), max_size=8))
def test_every_cell_is_in_its_row_and_column_of_the_csv(rows):
    data = book_of([["phone", "a", "b", "c"], *([EVE, *row] for row in rows)])
    found = list(csv.reader(io.StringIO(csv_of(data), newline="")))
    assert [row[0] for row in found] == ["phone", *[EVE] * len(rows)]
    for given_row, row in zip(rows, found[1:], strict=True):
        assert row[1:] == [_shown(cell) for cell in given_row]


def _shown(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).upper()
    text = "" if cell is None else str(cell)
    return "" if text.startswith("=") and len(text) > 1 else text


def test_memory_stays_flat_however_many_rows_a_sheet_has():
    def peak(rows: int) -> int:
        strings = "".join(f"<si><t>Person {n} of some length</t></si>" for n in range(rows))
        people = (f'<c><v>442079460123</v></c><c t="s"><v>{n}</v></c><c><v>{n}</v></c>' for n in range(rows))
        data = io.BytesIO(package({"a": sheet(HEADER, *people)}, strings=f"<sst>{strings}</sst>"))
        del strings, people
        with open("/dev/null", "wb") as table:
            tracemalloc.start()
            try:
                write_csv(data, table, {})
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert peak(20_000) - peak(10_000) < 400_000
