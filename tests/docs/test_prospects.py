"""What docs/prospects.md says of its example and of refused files is what the reader does."""

import io
import re
from pathlib import Path

from dialer.prospect_file import ReadOptions, read_chunks, scan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "prospects.md").read_text("utf-8")
EXAMPLE = re.compile(r"<!-- example:start -->\n```csv\n(.*?)```\n(.*?)<!-- example:end -->", re.DOTALL)


def test_the_example_becomes_what_the_page_says() -> None:
    found = EXAMPLE.search(PAGE)
    assert found is not None
    data = found[1].encode()
    options = ReadOptions(default_region="GB")
    shape = scan(io.BytesIO(data), options)
    [chunk] = read_chunks(io.BytesIO(data[shape.start.offset :]), shape, options)
    became = {row.row: f"{row.phone}, {row.name}" for row in chunk.rows}
    became |= {error.row: f"`{error.code}`" for error in chunk.errors}
    promised = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[2].split("\n") if "|" in line]
    assert {int(row): what for row, what, _ in promised[2:]} == became


def test_every_refusal_is_named_and_every_named_refusal_exists() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "dialer" / "prospect_file").glob("*.py"))
    codes = set(re.findall(r'"((?:file|header|mapping|encoding|spreadsheet)_[a-z_]+)"', sources))
    codes -= {"file_is_spreadsheet"}  # only where nobody has turned the workbook into CSV before
    named = set(re.findall(r"`((?:file|header|mapping|encoding|spreadsheet)_[a-z_]+)`", PAGE))
    assert named == codes
