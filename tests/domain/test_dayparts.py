"""Redials in another part of the day: the clocks of the people decide, across summer time and several zones."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.domain.calling_hours import ALWAYS, WEEKDAYS_9_TO_20, CallingHours, Window, clock_of
from dialer.domain.dayparts import AHEAD, Daypart, daypart_of, in_another_daypart
from dialer.domain.zones import ZoneSet

MARGIN = timedelta(seconds=30)
ROME = ZoneSet(("Europe/Rome",))
MORNINGS = CallingHours(windows=(Window(days=frozenset(range(7)), start=9 * 60, end=12 * 60),))


def rome(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=clock_of("Europe/Rome")).astimezone(UTC)


@pytest.mark.parametrize(
    ("clock", "part"),
    [
        ("00:00", Daypart.MORNING),
        ("11:59", Daypart.MORNING),
        ("12:00", Daypart.AFTERNOON),
        ("16:59", Daypart.AFTERNOON),
        ("17:00", Daypart.EVENING),
        ("23:59", Daypart.EVENING),
    ],
)
def test_the_clock_says_which_part_of_the_day_it_is(clock: str, part: Daypart) -> None:
    assert daypart_of(rome(f"2026-07-01T{clock}"), ROME) is part


@pytest.mark.parametrize(
    ("earliest", "tried", "expected"),
    [
        # tried in the morning: the same day's afternoon, not earlier than the delay says
        ("2026-07-01T11:00", ["2026-07-01T10:00"], "2026-07-01T12:00"),
        ("2026-07-01T14:30", ["2026-07-01T10:00"], "2026-07-01T14:30"),
        # morning and afternoon: the evening
        ("2026-07-02T10:00", ["2026-06-30T10:00", "2026-07-01T14:00"], "2026-07-02T17:00"),
        # the evening is over: the next morning
        ("2026-07-01T19:59:45", ["2026-06-30T13:00"], "2026-07-02T09:00"),
        # all were tried: the least often, and of those the first
        ("2026-07-01T10:00", ["2026-06-29T10:00", "2026-06-29T13:00", "2026-06-29T18:00"], "2026-07-01T10:00"),
        (
            "2026-07-01T10:00",
            ["2026-06-29T10:00", "2026-06-29T13:00", "2026-06-29T18:00", "2026-06-30T10:00", "2026-06-30T13:00"],
            "2026-07-01T17:00",
        ),
        # Friday's evening is over: Monday
        ("2026-07-03T20:30", ["2026-07-03T18:00"], "2026-07-06T09:00"),
        # the night before and after the clocks change
        ("2026-03-27T21:00", ["2026-03-27T18:00"], "2026-03-30T09:00"),
        ("2026-10-23T21:00", ["2026-10-23T18:00"], "2026-10-26T09:00"),
    ],
)
def test_a_redial_goes_where_the_fewest_were(earliest: str, tried: list[str], expected: str) -> None:
    found = in_another_daypart(rome(earliest), map(rome, tried), WEEKDAYS_9_TO_20, MARGIN, ROME)
    assert found == rome(expected)


def test_hours_that_leave_one_part_of_the_day_are_kept() -> None:
    found = in_another_daypart(rome("2026-07-01T15:00"), [rome("2026-07-01T10:00")], MORNINGS, MARGIN, ROME)
    assert found == rome("2026-07-02T09:00")


def test_without_a_zone_the_campaigns_clock_or_the_delay_counts() -> None:
    earliest = datetime(2026, 7, 1, 11, tzinfo=UTC)
    assert in_another_daypart(earliest, [earliest], ALWAYS, MARGIN, None) == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert in_another_daypart(earliest, [earliest], WEEKDAYS_9_TO_20, MARGIN, None) == earliest


def test_of_several_zones_the_one_in_the_middle_says_which_part_it_is() -> None:
    zones = ZoneSet(("America/Denver", "America/Los_Angeles", "America/New_York"))
    denver = datetime(2026, 7, 1, 18, 30, tzinfo=UTC)  # 11:30, 12:30, 14:30
    assert daypart_of(denver, zones) is Daypart.AFTERNOON


ZONES = st.sets(
    st.sampled_from(
        ("Europe/Rome", "America/New_York", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
    ),
    min_size=1,
    max_size=3,
).map(lambda names: ZoneSet(tuple(sorted(names))))
MOMENTS = st.integers(0, 2 * 365 * 24 * 3600).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n))


def _hours(days: frozenset[int], start: int, length: int) -> CallingHours:
    return CallingHours(windows=(Window(days=days, start=start, end=min(start + length, 1440)),))


HOURS = st.builds(
    _hours, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 20 * 60), st.integers(30, 24 * 60)
)


@settings(max_examples=40, deadline=None)
@given(earliest=MOMENTS, tried=st.lists(MOMENTS, max_size=6), hours=HOURS, zones=ZONES)
def test_it_is_never_sooner_than_the_delay_and_always_inside_the_hours(
    earliest: datetime, tried: list[datetime], hours: CallingHours, zones: ZoneSet
) -> None:
    found = in_another_daypart(earliest, tried, hours, MARGIN, zones)
    assert earliest <= found <= earliest + AHEAD
    assert hours.is_open_for(found, MARGIN, zones) or found == earliest


@settings(max_examples=40, deadline=None)
@given(earliest=MOMENTS, tried=st.lists(MOMENTS, max_size=6), zones=ZONES)
def test_where_every_hour_is_open_no_part_of_the_day_was_tried_less(
    earliest: datetime, tried: list[datetime], zones: ZoneSet
) -> None:
    everywhere = CallingHours(windows=(Window(days=frozenset(range(7)), start=0, end=1440),))
    found = in_another_daypart(earliest, tried, everywhere, MARGIN, zones)
    times = [sum(daypart_of(each, zones) is part for each in tried) for part in Daypart]
    assert sum(daypart_of(each, zones) is daypart_of(found, zones) for each in tried) == min(times)
    assert found < earliest + timedelta(days=1, hours=1)
