"""Encodings, delimiters and line ends, as they come from Excel, CRMs and scripts."""

import codecs

import pytest

from tests.prospect_file.files import ANN, BOB, EVE, read


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
