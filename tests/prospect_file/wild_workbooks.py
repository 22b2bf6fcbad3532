"""Workbooks as people have them, and as they are made to do harm."""

import io
import zipfile

from tests.prospect_file.workbooks import package, sheet, text_cell


def dated() -> bytes:
    """``s`` names a style: 1 a date, 2 five digits at least."""
    header = "".join(text_cell(f"{'ABCD'[n]}2", name) for n, name in enumerate(("Phone", "Name", "Since", "Zip")))
    return package(
        {
            "People": sheet(
                f'<row r="2">{header}</row>',
                f'<row r="3"><c r="A3"><v>442079460123</v></c>{text_cell("B3", "Ann")}'
                '<c r="C3" s="1"><v>46348</v></c><c r="D3" s="2"><v>2134</v></c></row>',
                f'<row r="5"><c r="A5"><v>4.42079460124E+11</v></c>{text_cell("B5", "Bob" + chr(10) + "Lee")}</row>',
                f'<row r="6"><c r="A6"><v>4.42079460125E+18</v></c>{text_cell("B6", "Eve")}</row>',
            )
        }
    )


def with_cover() -> bytes:
    people = sheet(
        text_cell("A1", "Phone") + text_cell("B1", "Name"), text_cell("A2", "+12025550123") + text_cell("B2", "Ann")
    )
    secret = sheet(text_cell("A1", "Phone"), text_cell("A2", "+12025550199"))
    cover = sheet(text_cell("B2", "Contacts of the spring fair"))
    return package({"Cover": cover, "Secret": secret, "People": people}, states={"Secret": "hidden"})


def bomb() -> bytes:
    return package({"People": sheet("<c/>" * (5 << 20))})


def old() -> bytes:
    return _ole("Workbook")


def encrypted() -> bytes:
    return _ole("EncryptedPackage")


def open_document() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("mimetype"), "application/vnd.oasis.opendocument.spreadsheet")
        zipped.writestr(zipfile.ZipInfo("content.xml"), "<office/>")
    return data.getvalue()


def _ole(stream: str) -> bytes:
    """The head of Microsoft's container and, in its directory, the name of a stream."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le").ljust(512, b"\0")
