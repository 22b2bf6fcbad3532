"""Rows, good and bad."""

import pytest

from dialer.prospect_file.records import LINE_LIMIT
from tests.prospect_file.files import ANN, BOB, EVE, read


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
