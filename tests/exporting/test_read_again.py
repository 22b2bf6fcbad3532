"""What is written is read again as it was, without a database in between."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings

from dialer import prospect_file
from dialer.domain.prospect_matching import DEFAULT_PRIORITY
from dialer.domain.prospect_rows import ProspectRow
from dialer.exporting.csv_files import CsvFile, column_names
from dialer.exporting.tables import PROSPECTS
from tests.exporting.crowds import CROWD, PHONES

OTHERS = [f"+44207946000{n}" for n in range(4)]


def stored(phone: str, facts: dict[str, Any]) -> dict[str, Any]:
    """A row of the database."""
    unknown = dict.fromkeys(
        ("held_reason", "next_due_at", "last_disposition", "last_outcome", "import_id", "import_row"), None
    )
    return {
        **unknown,
        "id": UUID(int=1),
        "phone": phone,
        "other_phones": OTHERS[: facts["others"]],
        "other_extensions": [None, "12", None, "345"][: facts["others"]],
        "extension": facts["extension"],
        "external_id": facts["external_id"],
        "name": facts["name"],
        "variables": facts["variables"],
        "zone_set": facts["zone"] or "America/New_York",
        "zone_source": "explicit" if facts["zone"] else "phone",
        "priority": DEFAULT_PRIORITY - facts["priority"],
        "state": "ready",
        "attempts": 0,
        "created_at": datetime(2026, 3, 1, tzinfo=UTC),
        "updated_at": datetime(2026, 3, 1, tzinfo=UTC),
    }


def read_again(content: bytes) -> Sequence[ProspectRow]:
    options = prospect_file.ReadOptions()
    shape = prospect_file.scan(io.BytesIO(content), options)
    stream = io.BytesIO(content)
    stream.seek(shape.start.offset)
    (chunk,) = prospect_file.read_chunks(stream, shape, options)
    assert not chunk.errors
    return chunk.rows


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(crowd=CROWD)
def test_a_reader_of_prospects_gives_everybody_back_as_they_were_written(crowd: list[dict[str, Any]]):
    names = {name: None for facts in crowd for name in facts["variables"]}
    made = CsvFile(PROSPECTS, column_names(names, PROSPECTS))
    rows = [PROSPECTS.facts(stored(phone, facts)) for phone, facts in zip(PHONES, crowd, strict=False)]
    read = read_again(b"".join((made.head(), made.add(rows), made.end())))
    assert [row.phone for row in read] == PHONES[: len(crowd)]
    for row, facts in zip(read, crowd, strict=True):
        assert repr(row.variables | facts["variables"]) == repr(row.variables)
        assert row.variables == facts["variables"]
        assert [line.phone for line in row.other_phones] == OTHERS[: facts["others"]]
        assert [line.extension for line in row.other_phones] == [None, "12", None, "345"][: facts["others"]]
        assert (row.extension, row.external_id, row.name) == (facts["extension"], facts["external_id"], facts["name"])
        assert (row.zone_set if row.zone_source == "explicit" else None) == facts["zone"]
        assert row.priority == facts["priority"]
