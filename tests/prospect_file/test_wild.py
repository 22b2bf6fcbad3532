"""Every file of ``wild/`` is read as the JSON beside it says."""

import io
import json
from pathlib import Path

import pytest

from dialer.prospect_file import FileRefused, ReadOptions, is_package, judge_beginning, write_csv
from tests.prospect_file.files import read
from tests.prospect_file.make_wild import WILD, files

EXPECTED = sorted(WILD.glob("*.json"))


@pytest.mark.parametrize("beside", EXPECTED, ids=[path.stem for path in EXPECTED])
def test_a_wild_file_is_read_as_expected(beside: Path):
    expected = json.loads(beside.read_text("utf-8"))
    options = expected["options"]
    data = (WILD / expected["file"]).read_bytes()
    try:
        if is_package(data):
            table = io.BytesIO()
            write_csv(io.BytesIO(data), table, options.get("mapping", {}))
            data = table.getvalue()
        shape, rows, errors = read(data, **options)
        # As if each were only the beginning of what is read: it must not be refused either.
        judge_beginning(data, ReadOptions(**options), whole=True)
        judge_beginning(data[: len(data) * 9 // 10], ReadOptions(**options), whole=False)
    except FileRefused as refused:
        found = {"refused": refused.code}
    else:
        found = {
            "encoding": shape.encoding,
            "delimiter": shape.delimiter,
            "mapping": shape.mapping,
            "rows": [[row.row, row.phone, row.name] for row in rows],
            "errors": [[error.row, error.column, error.code] for error in errors],
        }
    told = {name: expected[name] for name in expected.keys() - {"file", "about", "options"}}
    assert found == told


def test_there_are_thirty_wild_files_and_they_are_what_their_script_writes():
    assert len(EXPECTED) >= 30
    assert {path.name: path.read_bytes() for path in WILD.iterdir()} == files()
