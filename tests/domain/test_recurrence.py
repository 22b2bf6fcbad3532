from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dialer.domain.cron import BadCron, parse_cron
from dialer.domain.recurrence import Dial, Recurrence, recurrence_from_json

NEW_YORK = "America/New_York"


def recurring(*cron: str, zone: str = "Europe/Rome", **schedule: Any) -> Recurrence:
    return read({"time_zone": zone, "recurrence": {"cron": list(cron)}, **schedule})


def on_days(zone: str = "Europe/Rome", **calendar: Any) -> Recurrence:
    return read({"time_zone": zone, "recurrence": {"calendars": [calendar]}})


def read(schedule: Mapping[str, Any]) -> Recurrence:
    found = recurrence_from_json(schedule)
    assert found is not None
    return found


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def clocks(found: Recurrence, after: datetime, count: int) -> list[str]:
    return [f"{at.astimezone(ZoneInfo(found.zone)):%d %H:%M}" for at in found.next_runs(after, count)]


def test_nine_in_the_morning_stays_nine_when_the_clocks_change() -> None:
    daily = recurring("0 9 * * *")
    assert clocks(daily, utc(2027, 3, 26, 12), 3) == ["27 09:00", "28 09:00", "29 09:00"]
    assert daily.next_runs(utc(2027, 3, 26, 12), 3) == [utc(2027, 3, 27, 8), utc(2027, 3, 28, 7), utc(2027, 3, 29, 7)]
    assert clocks(daily, utc(2027, 10, 29, 12), 3) == ["30 09:00", "31 09:00", "01 09:00"]


def test_a_time_that_the_clock_skips_fires_once_as_much_later() -> None:
    night = recurring("30 2 * * *", zone=NEW_YORK)
    assert clocks(night, utc(2027, 3, 13), 3) == ["13 02:30", "14 03:30", "15 02:30"]


def test_a_time_that_the_clock_shows_twice_fires_the_first_time() -> None:
    night = recurring("30 1 * * *", zone=NEW_YORK)
    assert night.next_runs(utc(2027, 11, 7), 2) == [utc(2027, 11, 7, 5, 30), utc(2027, 11, 8, 6, 30)]


def test_what_else_fires_on_a_day_on_which_the_clock_changes_is_stray() -> None:
    night = recurring("30 1 * * *", zone=NEW_YORK)
    assert night.is_stray(utc(2027, 11, 7, 6, 30))
    assert not night.is_stray(utc(2027, 11, 7, 5, 30))
    assert not night.is_stray(utc(2027, 11, 8, 6, 31))
    assert not night.is_stray(utc(2027, 11, 7, 6, 30) + timedelta(seconds=17))


def test_the_runs_of_a_day_on_which_the_clock_changes_are_told_one_by_one() -> None:
    assert recurring("0 9 * * *", zone="Asia/Kolkata").moments_of_change(2027) == frozenset()
    assert recurring("0 9 * * mon", zone=NEW_YORK).moments_of_change(2027) == frozenset()
    spring, autumn = utc(2027, 3, 14, 7, 30), utc(2027, 11, 7, 7, 30)
    found = recurring("30 2 * * *", zone=NEW_YORK, end_at="2028-01-01T00:00:00Z").moments_of_change(2027)
    assert found == {spring, autumn}


def test_a_clock_that_moves_by_half_an_hour_is_followed() -> None:
    assert clocks(recurring("10 2 * * *", zone="Australia/Lord_Howe"), utc(2027, 10, 2), 2) == ["03 02:40", "04 02:10"]


def test_a_day_that_a_zone_left_out_has_its_run_on_the_next() -> None:
    found = recurring("0 9 * * *", zone="Pacific/Apia")
    assert clocks(found, utc(2011, 12, 29, 0), 4) == ["29 09:00", "31 09:00", "01 09:00", "02 09:00"]


def test_runs_lie_between_start_and_end() -> None:
    found = recurring("0 9 * * *", zone="UTC", start_at="2027-01-02T09:00:00Z", end_at="2027-01-04T09:00:00Z")
    assert found.next_runs(utc(2026, 1, 1), 9) == [utc(2027, 1, 2, 9), utc(2027, 1, 3, 9)]
    assert found.next_run(utc(2027, 1, 3, 9)) is None


def test_times_of_a_calendar_are_not_mixed() -> None:
    found = on_days(days=["mon", "thu"], at=["09:00", "13:30"])
    assert clocks(found, utc(2027, 2, 1), 4) == ["01 09:00", "01 13:30", "04 09:00", "04 13:30"]


def test_a_calendar_may_want_a_date_and_a_weekday() -> None:
    found = on_days(days=["fri"], days_of_month=[13], at=["09:00"])
    assert clocks(found, utc(2027, 1, 1), 1) == ["13 09:00"]
    assert found.next_run(utc(2027, 1, 1)) == utc(2027, 8, 13, 7)


def test_two_calendars_at_one_time_are_one_run() -> None:
    assert clocks(recurring("0 9 * * *", "0 9 * * mon"), utc(2027, 2, 1), 2) == ["01 09:00", "02 09:00"]


def test_the_runs_of_a_stretch_are_counted_from_behind_its_beginning_to_its_end() -> None:
    found = recurring("0 * * * *", zone="UTC")
    assert found.runs_between(utc(2027, 1, 1, 9), utc(2027, 1, 1, 11), most=9) == [
        utc(2027, 1, 1, 10),
        utc(2027, 1, 1, 11),
    ]


@pytest.mark.parametrize(
    ("cron", "code"),
    [("0 9 30 2 *", "never_fires"), ("*/14 * * * *", "too_often"), ("0,5 9 1 1 *", "too_often")],
)
def test_a_recurrence_that_cannot_work_says_why(cron: str, code: str) -> None:
    problem = recurring(cron).problem(utc(2027, 1, 1))
    assert problem is not None
    assert problem.code == code


@pytest.mark.parametrize("cron", ["0 9 29 2 *", "*/15 * * * *", "0 9 * * mon-fri"])
def test_a_recurrence_that_works_has_no_problem(cron: str) -> None:
    assert recurring(cron).problem(utc(2027, 1, 1)) is None


def test_a_recurrence_whose_first_run_lies_behind_the_end_never_fires() -> None:
    problem = recurring("0 9 1 * *", end_at="2027-01-31T00:00:00Z").problem(utc(2027, 1, 2))
    assert problem is not None
    assert (problem.code, problem.message) == ("never_fires", "It has no run before end_at")


@pytest.mark.parametrize("start_at", ["9998-12-30T12:00:00Z", "9999-06-01T00:00:00Z", "9999-12-31T23:00:00Z"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", NEW_YORK])
def test_where_calendars_end_nothing_fires_any_more(start_at: str, zone: str) -> None:
    yearly = recurring("0 22 1 1 *", zone=zone, start_at=start_at)
    assert yearly.next_runs(utc(2027, 1, 1), 3) == []
    problem = yearly.problem(utc(2027, 1, 1))
    assert problem is not None
    assert problem.code == "never_fires"


def test_what_is_left_out_has_defaults() -> None:
    found = recurring("0 9 * * *")
    assert (found.dial, found.catch_up) == (Dial.NEW, timedelta(hours=1))


@pytest.mark.parametrize(
    ("line", "minutes", "hours", "weekdays"),
    [
        ("0 9 * * mon-fri", {0}, {9}, {1, 2, 3, 4, 5}),
        ("*/20 8-10/2 * * SUN", {0, 20, 40}, {8, 10}, {0}),
        ("5/25 0 * * 6-7", {5, 30, 55}, {0}, {6, 0}),
        ("@hourly", {0}, set(range(24)), set(range(7))),
    ],
)
def test_cron_is_read_as_people_write_it(line: str, minutes: set[int], hours: set[int], weekdays: set[int]) -> None:
    found = parse_cron(line)
    assert (found.minutes, found.hours, found.days_of_week) == (minutes, hours, weekdays)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "0 9 * *",
        "0 9 * * * *",
        "60 9 * * *",
        "0 24 * * *",
        "0 9 0 * *",
        "0 9 * 13 *",
        "0 9 * * 8",
        "0 9 * * fri-mon",
        "*/0 * * * *",
        "0 9 13 * fri",
        "0 9 L * *",
        "0 9 * * mon#2",
        "@every 1h",
        "CRON_TZ=UTC 0 9 * * *",
        "٠ 9 * * *",
        "1/ * * * *",
        ", * * * *",
        "99999999999 * * * *",
    ],
)
def test_cron_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(BadCron):
        parse_cron(line)
