"""Workbooks that are damaged, foreign or made to do harm: each is refused for its reason, in bounded memory."""

import contextlib
import io
import struct
import tracemalloc
import zipfile

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.prospect_file import FileRefused, is_package, write_csv
from tests.prospect_file.workbooks import MAIN, package, sheet, text_cell

GOOD = package({"a": sheet(text_cell("A1", "phone"), text_cell("A2", "+12025550123"))})
MEGABYTE = 1 << 20


def refusal(data: bytes) -> str:
    assert is_package(data)
    with pytest.raises(FileRefused) as caught:
        write_csv(io.BytesIO(data), io.BytesIO(), {})
    assert caught.value.suggestion
    return caught.value.code


def zipped(**parts: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)
    return data.getvalue()


def ole(name: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(MEGABYTE) + name.encode("utf-16-le") + bytes(600)


def with_sheet(text: str) -> bytes:
    return package({"a": text})


def with_directory(entries: int) -> bytes:
    """A zip of empty parts, many more than any workbook has."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number in range(entries):
            archive.writestr(f"xl/worksheets/an-unusually-long-name-of-a-sheet-{number:040}.xml", b"")
    return data.getvalue()


def encrypted(data: bytes) -> bytes:
    """Every entry of the directory marked as behind a password."""
    marked = bytearray(data)
    at = marked.find(b"PK\x01\x02")
    while at >= 0:
        marked[at + 8] |= 1
        at = marked.find(b"PK\x01\x02", at + 4)
    return bytes(marked)


def lying(data: bytes) -> bytes:
    """A directory that is two gigabytes long, as its 64-bit record says."""
    end = data.rfind(b"PK\x05\x06")
    record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 9, 9, 2 << 30, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    return data[:end] + record + locator + data[end:]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (ole("EncryptedPackage"), "spreadsheet_encrypted"),
        (ole("Workbook"), "file_is_old_spreadsheet"),
        (ole("Book"), "file_is_old_spreadsheet"),
        (ole("WordDocument"), "file_is_binary"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": b""}),
         "file_is_opendocument"),
        (zipped(xl__workbook_bin=b"", **{"xl/workbook.bin": b""}), "file_is_binary_workbook"),
        (zipped(word__document=b"<w/>"), "file_is_archive"),
        (zipped(people=b"phone\n"), "file_is_archive"),
        (b"PK\x03\x04" + bytes(100), "spreadsheet_broken"),
        (GOOD[:-300], "spreadsheet_broken"),
        (GOOD[:100] + bytes(50) + GOOD[150:], "spreadsheet_broken"),
        (encrypted(GOOD), "spreadsheet_encrypted"),
        (package({"a": sheet()}), "file_empty"),
        (package({}), "file_empty"),
        (package({"a": sheet(text_cell("A1", "phone"))}, states={"a": "hidden"}), "file_empty"),
        (with_sheet("<worksheet><sheetData><row>"), "spreadsheet_broken"),
        (with_sheet(sheet('<row r="5"></row>', '<row r="5"></row>')), "spreadsheet_broken"),
        (with_sheet(sheet('<row r="1048577"></row>')), "spreadsheet_broken"),
        (with_sheet(sheet(text_cell("XFE1", "x"))), "spreadsheet_broken"),
        (with_sheet(sheet(text_cell("B1", "x") + text_cell("A1", "x"))), "spreadsheet_broken"),
        (with_sheet(sheet('<c t="s"><v>7</v></c>')), "spreadsheet_broken"),
    ],
)  # fmt: skip
def test_a_package_that_is_no_workbook_is_refused_for_its_reason(data, code):
    assert refusal(data) == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (with_sheet(sheet("<c/>" * 20 * MEGABYTE)), "spreadsheet_too_large"),
        (package({"a": sheet()}, strings="<sst>" + "<si/>" * 12 * MEGABYTE), "spreadsheet_too_large"),
        (package({"a": sheet()}, others={"xl/styles.xml": bytes(40 * MEGABYTE)}), "spreadsheet_too_large"),
        (package({"a": sheet()}, others={"xl/workbook.xml": bytes(5 * MEGABYTE)}), "spreadsheet_too_large"),
        (with_directory(20_000), "spreadsheet_too_large"),
        (lying(GOOD), "spreadsheet_too_large"),
        (with_sheet('<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'), "spreadsheet_broken"),
        (with_sheet('<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>'), "spreadsheet_broken"),
        (with_sheet("<a>" * 2 * MEGABYTE), "spreadsheet_broken"),
        (with_sheet('<a b="' + "".join(map(str, range(MEGABYTE))) + '"/>'), "spreadsheet_broken"),
    ],
    ids=["sheet", "strings", "styles", "workbook", "parts", "directory", "entities", "outside", "nested", "tag"],
)
def test_a_bomb_is_refused_before_it_fills_memory(data, code):
    tracemalloc.start()
    try:
        assert refusal(data) == code
        assert tracemalloc.get_traced_memory()[1] < 12 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_table_that_would_not_end_is_refused_while_it_is_written(monkeypatch):
    """Few cells, far to the right in every row, are gigabytes of commas: the limit stands in for them here."""
    monkeypatch.setattr("dialer.prospect_file.spreadsheets._CSV_LIMIT", MEGABYTE)
    rows = (text_cell(f"XFD{number}", "x") for number in range(1, 200))
    table = io.BytesIO()
    with pytest.raises(FileRefused) as caught:
        write_csv(io.BytesIO(with_sheet(sheet(*rows))), table, {})
    assert caught.value.code == "spreadsheet_too_large"
    assert len(table.getvalue()) < 2 * MEGABYTE


def test_a_workbook_whose_parts_lie_before_its_beginning_is_refused():
    end = GOOD.rindex(b"PK\5\6")
    (start,) = struct.unpack("<L", GOOD[end + 16 : end + 20])
    moved = GOOD[: end + 16] + struct.pack("<L", start + 1) + GOOD[end + 20 :]
    with pytest.raises(FileRefused) as caught:
        write_csv(io.BytesIO(moved), io.BytesIO(), {})
    assert caught.value.code == "spreadsheet_broken"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_workbook_with_other_bytes_here_and_there_is_read_or_refused(data):
    broken = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(4, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FileRefused):
        write_csv(io.BytesIO(bytes(broken)), io.BytesIO(), {})


_TAGS = st.sampled_from(
    ["<row>", "</row>", '<row r="2">', '<c t="s">', "<c>", '<c r="C1" s="1">', "</c>", "<v>", "</v>", "1", "x", "<is>"]
    + ["</is>", "<t>", "</t>", "<rPh>", "</rPh>", "&lt;", "&#0;", "&x;", "<f/>", "<v/>", "]]>", "<!--", "-->", "9e999"]
)


@settings(max_examples=200, deadline=None)
@given(tags=st.lists(_TAGS, max_size=30))
def test_a_sheet_of_any_tags_is_read_or_refused(tags):
    text = f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(tags)}</sheetData></worksheet>'
    with contextlib.suppress(FileRefused):
        write_csv(io.BytesIO(package({"a": text}, strings="<sst><si><t>x</t></si></sst>")), io.BytesIO(), {})


def test_a_workbook_of_openpyxl_is_a_package():
    data = io.BytesIO()
    openpyxl.Workbook().save(data)
    assert is_package(data.getvalue()[:8])
    assert not is_package(b"phone,n")
