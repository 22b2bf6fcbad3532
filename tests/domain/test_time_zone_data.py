"""Calling hours are judged by the data that we pin, whatever data the machine has."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import reset_tzpath

import pytest
import tzdata

from dialer.domain.calling_hours import clock_of

ROOT = Path(__file__).parents[2]
SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_machine_with_other_data_changes_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Its Rome is a copy of Tokyo."""
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Rome").write_bytes(_packaged("Asia/Tokyo"))
    clock_of.cache_clear()
    request.addfinalizer(reset_tzpath)
    reset_tzpath(to=[str(tmp_path)])
    assert SUMMER.astimezone(clock_of("Europe/Rome")).hour == 14


def test_only_what_is_shown_to_people_takes_the_machines_data() -> None:
    sources = [
        path for folder in ("api", "activities", "workflows", "dialer") for path in (ROOT / folder).rglob("*.py")
    ]
    by_name = {path.relative_to(ROOT).as_posix() for path in sources if "ZoneInfo(" in path.read_text()}
    assert by_name <= {"dialer/demo/waiting.py"}


def _packaged(zone: str) -> bytes:
    return (Path(tzdata.__file__).parent / "zoneinfo" / zone).read_bytes()
