"""What is left of a run: the carrier's ledger, the database, the journal; as one JSON file when something is wrong."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from tests.chaos.homes import ChaosHome
from tests.chaos.journal import Journal

Row = dict[str, Any]

_PEOPLE = "SELECT * FROM prospects WHERE campaign_id NOT IN (SELECT id FROM campaigns WHERE name = 'Never launched')"
_TABLES: tuple[tuple[str, LiteralString], ...] = (
    ("campaigns", "SELECT * FROM campaigns"),
    ("campaign_numbers", "SELECT * FROM campaign_numbers"),
    ("carrier_accounts", "SELECT id, max_concurrent, calls_per_second FROM carrier_accounts"),
    ("phone_numbers", "SELECT * FROM phone_numbers"),
    ("workspaces", "SELECT * FROM workspaces"),
    ("prospects", _PEOPLE),
    ("calls", "SELECT * FROM calls ORDER BY number"),
    ("call_events", "SELECT * FROM call_events ORDER BY received_at"),
    ("suppressions", "SELECT * FROM suppressions"),
    ("changes", "SELECT * FROM changes ORDER BY at"),
    ("imports", "SELECT * FROM imports"),
    ("tallies", "SELECT * FROM tallies"),
    ("pace", "SELECT * FROM pace"),
)


def read_calls(home: ChaosHome) -> list[Row]:
    """Every call of ours; ``ended_seen_at`` is when we came to know of the end, which may lie after the end itself."""
    return _rows(
        home,
        """SELECT c.*, (SELECT min(e.received_at) FROM call_events e WHERE e.call_id = c.id
            AND e.status IN ('completed', 'busy', 'failed', 'no_answer', 'canceled')) AS ended_seen_at
        FROM calls c ORDER BY number""",
    )


def read_prospects(home: ChaosHome) -> list[Row]:
    """Everybody except the people of the campaign that is never launched."""
    return _rows(home, _PEOPLE)


def count_stored(home: ChaosHome) -> tuple[int, int]:
    """Rows, and different phones, of the campaign that is never launched."""
    found = _rows(
        home,
        """SELECT count(*) AS n, count(DISTINCT phone) AS phones FROM prospects
        WHERE campaign_id IN (SELECT id FROM campaigns WHERE name = 'Never launched')""",
    )
    return found[0]["n"], found[0]["phones"]


def write_evidence(home: ChaosHome, journal: Journal, ledger: list[Row], result: Row) -> Path:
    """All of it in ``evidence.json`` beside the home; everybody in it is fictional."""
    tables = {name: _rows(home, sql) for name, sql in _TABLES}
    file = home.path.parent / "evidence.json"
    content = {"result": result, "journal": journal.as_json(), "ledger": ledger, "tables": tables}
    file.write_text(json.dumps(content, indent=1, default=_plain))
    return file


def moment(text: str | None) -> float | None:
    """A time of the ledger in seconds since the epoch, on the clock of the stack."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _rows(home: ChaosHome, sql: LiteralString) -> list[Row]:
    with psycopg.connect(home.admin_url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql).fetchall()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
