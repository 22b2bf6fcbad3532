import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.formulas import guarded, unguarded
from dialer.exporting.columns import Column, Kind, Table
from dialer.exporting.csv_files import CsvFile, column_names
from dialer.exporting.files import FileFormat, writer_of
from dialer.exporting.json_lines import JsonLines
from dialer.exporting.parquet_files import ParquetFile
from dialer.exporting.tables import CALLS, PROSPECTS, RESULTS

MOMENT = datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=2)))
TABLE = Table(
    name="things",
    columns=(
        Column(name="name"),
        Column(name="n", kind=Kind.INTEGER),
        Column(name="at", kind=Kind.MOMENT),
        Column(name="cost", kind=Kind.NUMBER),
        Column(name="zones", kind=Kind.TEXTS),
        Column(name="variables", kind=Kind.OBJECT),
    ),
    facts=dict,
    spread="variables",
)


def row(**facts: Any) -> dict[str, Any]:
    return {"name": None, "n": None, "at": None, "cost": None, "zones": None, "variables": {}, **facts}


FULL = row(name="Zoë", n=-5, at=MOMENT, cost=Decimal("0.0085"), zones=["A/B", "C/D"], variables={"plan": "gold"})


def csv_of(rows: list[dict[str, Any]], *names: str) -> list[dict[str, str]]:
    made = CsvFile(TABLE, names)
    text = b"".join((made.head(), made.add(rows), made.end())).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def parquet_of(rows: list[dict[str, Any]], table: Table = TABLE) -> Any:
    parquet = pytest.importorskip("pyarrow.parquet")
    made = ParquetFile(table)
    return parquet.ParquetFile(io.BytesIO(b"".join((made.head(), made.add(rows), made.end()))))


def test_a_csv_file_is_utf_8_with_a_mark_and_quotes_every_cell():
    made = CsvFile(TABLE, ["plan"])
    content = b"".join((made.head(), made.add([FULL]), made.end()))
    header, first, end = content.split(b"\r\n")
    assert header == b'\xef\xbb\xbf"name","n","at","cost","zones","plan","dialer_variables"'
    assert first.decode() == '"Zoë","-5","2026-03-28T23:30:00Z","0.0085","A/B C/D","gold",""'
    assert end == b""


@pytest.mark.parametrize(
    "text", ["=1+1", "@SUM(A1)", "-5", "+1 650", "+123456789+cmd", "\t=1", "\r1", "\n1", "\uff1d1", "'=1", "''+1"]
)
def test_what_a_spreadsheet_would_calculate_is_quoted(text: str):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["+16505550123", "+442079460000", "1-2", "Ann", "'tis", ""])
def test_what_is_no_formula_stays_as_it_is(text: str):
    assert guarded(text) == text == unguarded(text)


@given(st.text(alphabet="'=+-@ab1 \uff1d").map(str.strip))
def test_a_reader_gives_the_guarded_text_back(text: str):
    assert unguarded(guarded(text)) == text


def test_variables_become_columns_and_what_no_column_can_hold_stands_as_json():
    awkward = {"n": 5, "gap": " x ", "none": None, "deep": {"a": [1]}, "bell": "a\x07", "empty": ""}
    (read,) = csv_of([row(variables={"plan": "gold", "gap": "x", **awkward})], "plan", "gap")
    assert read["plan"] == "gold"
    assert read["gap"] == ""
    assert json.loads(read["dialer_variables"]) == awkward


def test_a_part_of_a_name_is_no_column_where_it_would_become_the_name():
    rows = [row(name=None, variables={"First Name": "Ada"}), row(name="Ada L", variables={"First Name": "Ada"})]
    unnamed, named = csv_of(rows, "First Name")
    assert (unnamed["First Name"], unnamed["dialer_variables"]) == ("", '{"First Name":"Ada"}')
    assert (named["First Name"], named["dialer_variables"]) == ("Ada", "")


def test_names_that_mean_something_else_in_a_file_are_no_columns():
    awkward = ["Name", "dialer_x", "DIALER_STATE", "=1", " x", "", "a\nb", "16505550123", "x" * 200, "\ufeffx"]
    assert column_names(["plan", *awkward, "PLAN", "phone 2"], TABLE) == ["plan", "phone 2"]


def test_a_file_has_no_more_columns_than_can_be_uploaded():
    names = column_names((f"v{n}" for n in range(1000)), PROSPECTS)
    made = CsvFile(PROSPECTS, names)
    (header,) = csv.reader([made.head().decode("utf-8-sig")])
    assert len(header) in range(490, 501)


def test_json_lines_hold_every_value_as_the_api_writes_it():
    made = JsonLines()
    content = b"".join((made.head(), made.add([FULL, row(name="a\nb")]), made.end()))
    first, second = map(json.loads, content.splitlines())
    assert first == {
        "name": "Zoë",
        "n": -5,
        "at": first["at"],
        "cost": "0.0085",
        "zones": ["A/B", "C/D"],
        "variables": {"plan": "gold"},
    }
    assert datetime.fromisoformat(first["at"]) == MOMENT
    assert second["name"] == "a\nb"


def test_parquet_columns_are_typed():
    file = parquet_of([FULL, row()])
    assert [str(field.type) for field in file.schema_arrow] == [
        "string",
        "int64",
        "timestamp[us, tz=UTC]",
        "decimal128(18, 6)",
        "list<element: string>",
        "string",
    ]
    full, empty = file.read().to_pylist()
    assert full == {**FULL, "at": MOMENT.astimezone(UTC), "variables": '{"plan": "gold"}'}
    assert empty == row(variables="{}")


def test_a_parquet_file_without_rows_has_its_columns():
    file = parquet_of([], PROSPECTS)
    assert file.metadata.num_rows == 0
    assert file.schema_arrow.names[:3] == ["phone", "extension", "other_phones"]


def test_parquet_is_given_away_in_groups():
    parquet = pytest.importorskip("pyarrow.parquet")
    made = ParquetFile(TABLE)
    pieces = [made.head()]
    pieces += [made.add([row(n=n, name=f"{n}" * 5) for n in range(at, at + 1000)]) for at in range(0, 70_000, 1000)]
    pieces.append(made.end())
    assert sum(1 for piece in pieces if piece) == 4, "the mark of the format, two groups, the last one with the footer"
    file = parquet.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert file.metadata.num_row_groups == 3
    assert file.read(["n"]).column("n").to_pylist() == list(range(70_000))


@pytest.mark.parametrize("file_format", FileFormat)
@pytest.mark.parametrize("table", [PROSPECTS, RESULTS, CALLS])
def test_every_table_can_be_written_in_every_format(table: Table, file_format: FileFormat):
    values: dict[Kind, Any] = {
        Kind.TEXT: UUID(int=1),
        Kind.INTEGER: 1,
        Kind.MOMENT: MOMENT,
        Kind.NUMBER: Decimal(1),
        Kind.TEXTS: ["a"],
        Kind.OBJECT: {"a": 1},
    }
    full = {column.name: values[column.kind] for column in table.columns}
    empty = {column.name: {} if column.kind is Kind.OBJECT else None for column in table.columns}
    writer = writer_of(file_format, table)
    assert b"".join((writer.head(), writer.add([full, empty]), writer.end()))
