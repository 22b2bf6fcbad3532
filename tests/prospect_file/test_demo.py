"""The demonstration's own file."""

import io
import runpy
import zoneinfo
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from tests.prospect_file.files import read

DEMO = resources.files("dialer.demo").joinpath("prospects.csv")


def test_the_demo_has_three_hundred_rows_of_which_a_few_are_bad_and_one_is_double():
    _, rows, errors = read(DEMO.read_bytes())
    assert len(rows) + len(errors) == 300
    assert len({error.code for error in errors}) == 7
    assert len(rows) - len({row.phone for row in rows}) == 1
    assert all(row.zone_set for row in rows)


def test_the_demo_is_what_its_script_writes():
    script = Path(__file__).parents[2] / "scripts" / "make_demo_csv.py"
    out = io.StringIO()
    runpy.run_path(str(script))["main"](out)
    assert out.getvalue() == DEMO.read_text("utf-8")


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_at_any_hour_some_people_of_the_demo_may_be_called_and_some_wait(month):
    _, rows, _ = read(DEMO.read_bytes())
    for hour in range(24):
        now = datetime(2026, month, 15, hour, tzinfo=UTC)
        callable_now = sum(
            all(9 <= now.astimezone(zoneinfo.ZoneInfo(zone)).hour < 20 for zone in row.zone_set.split("|"))
            for row in rows
        )
        assert 30 <= callable_now <= 250
