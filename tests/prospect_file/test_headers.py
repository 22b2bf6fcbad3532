"""What the columns of a file mean, and files that cannot be imported."""

import codecs
import io

import pytest

from dialer.prospect_file import FileRefused, ReadOptions, judge_beginning, scan
from tests.prospect_file.files import ANN, BOB, read, refused


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
    with pytest.raises(FileRefused) as early:
        judge_beginning(data[: 1 << 20], ReadOptions(), whole=len(data) <= 1 << 20)
    assert early.value.code == code


def test_a_mapping_that_does_not_fit_is_refused_naming_the_column():
    data = b"phone,name\n1,2\n"
    assert refused(data, mapping={"phone": "tel"}).column == "tel"
    assert refused(data, mapping={"shoe_size": "name"}).column == "shoe_size"
