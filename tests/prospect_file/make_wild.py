"""Writes the files of ``wild/`` with what is expected of them: ``python -m tests.prospect_file.make_wild``.

The expectations are written by hand, here. Of a file that is read: its encoding and delimiter, the mapping of field to
header, each good row as ``[row, phone, name]``, each error as ``[row, column, code]``; of another the code of its
refusal. ``options`` are what the uploader says. Every number lies in a range reserved for fiction.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.prospect_file.wild_cases import Case, all_cases

WILD = Path(__file__).parent / "wild"


def expectation(case: Case) -> dict[str, Any]:
    """What stands in the JSON beside the file."""
    shared: dict[str, Any] = {"file": case.name, "about": case.about, "options": case.options}
    if case.refused:
        return {**shared, "refused": case.refused}
    return {
        **shared,
        "encoding": case.encoding,
        "delimiter": case.delimiter,
        "mapping": case.mapping,
        "rows": [list(row) for row in case.rows],
        "errors": [list(error) for error in case.errors],
    }


def files() -> dict[str, bytes]:
    """Every file of the folder by name."""
    made: dict[str, bytes] = {}
    for case in all_cases():
        made[case.name] = case.data
        told = json.dumps(expectation(case), ensure_ascii=False, indent=1) + "\n"
        made[case.name.rpartition(".")[0] + ".json"] = told.encode()
    return made


def main() -> int:
    WILD.mkdir(exist_ok=True)
    for name, data in files().items():
        (WILD / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
