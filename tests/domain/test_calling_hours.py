from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialer.domain.calling_hours import (
    ALWAYS,
    DAYS,
    MINUTES_PER_DAY,
    WEEKDAYS_9_TO_20,
    CallingHours,
    Window,
    clock_of,
    format_clock,
    holiday_calendar,
    hours_from_json,
    hours_to_json,
    parse_clock,
)
from dialer.domain.zones import ZoneSet

EVERY_DAY = frozenset(range(7))
NO_MARGIN = timedelta(0)
MARGIN = timedelta(seconds=30)
NEW_YORK = "America/New_York"
LONDON = "Europe/London"
LORD_HOWE = "Australia/Lord_Howe"


def hours(start: str, end: str, days: str = "mon tue wed thu fri sat sun", **more: str) -> CallingHours:
    window = Window(
        days=frozenset(DAYS.index(day) for day in days.split()), start=parse_clock(start), end=parse_clock(end)
    )
    return CallingHours(windows=(window,), **more)


def local(zone: str, text: str, fold: int = 0) -> datetime:
    """The moment at which a clock in ``zone`` reads ``text``; ``fold`` 1 is the second time."""
    return datetime.fromisoformat(text).replace(tzinfo=clock_of(zone), fold=fold).astimezone(UTC)


def is_open(rules: CallingHours, zone: str, text: str) -> bool:
    return rules.is_open(local(zone, text), ZoneSet.of([zone]))


def opens(rules: CallingHours, now: datetime, *zones: str, margin: timedelta = MARGIN) -> datetime | None:
    return rules.next_open(now, margin, ZoneSet.of(zones))


def test_a_window_is_closed_at_its_end_and_open_at_its_start() -> None:
    nine_to_eight = hours("09:00", "20:00")
    assert [is_open(nine_to_eight, NEW_YORK, f"2026-03-04T{clock}") for clock in ("08:59:59", "09:00:00")] == [
        False,
        True,
    ]
    assert [is_open(nine_to_eight, NEW_YORK, f"2026-03-04T{clock}") for clock in ("19:59:59", "20:00:00")] == [
        True,
        False,
    ]


def test_a_window_that_crosses_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    friday_night = hours("22:00", "02:00", "fri")
    assert is_open(friday_night, LONDON, "2026-03-06T23:00")
    assert is_open(friday_night, LONDON, "2026-03-07T01:59")
    assert not is_open(friday_night, LONDON, "2026-03-07T02:00")
    assert not is_open(friday_night, LONDON, "2026-03-07T23:00")
    assert not is_open(friday_night, LONDON, "2026-03-06T01:00")


def test_a_whole_day_is_open_to_its_last_second_and_no_further() -> None:
    monday = hours("00:00", "24:00", "mon")
    assert not is_open(monday, LONDON, "2026-03-01T23:59:59")
    assert is_open(monday, LONDON, "2026-03-02T00:00:00")
    assert is_open(monday, LONDON, "2026-03-02T23:59:59")
    assert not is_open(monday, LONDON, "2026-03-03T00:00:00")


def test_nobody_is_called_on_a_holiday() -> None:
    independence = hours("09:00", "20:00", holidays="US")
    assert not is_open(independence, NEW_YORK, "2028-07-04T12:00")
    assert is_open(independence, NEW_YORK, "2028-07-05T12:00")
    assert opens(independence, local(NEW_YORK, "2028-07-03T20:00"), NEW_YORK) == local(NEW_YORK, "2028-07-05T09:00")


def test_the_night_before_a_holiday_stays_open_and_the_holidays_own_night_stays_closed() -> None:
    nights = hours("22:00", "02:00", holidays="US")
    assert is_open(nights, NEW_YORK, "2028-07-04T01:00")
    assert not is_open(nights, NEW_YORK, "2028-07-04T23:00")
    assert not is_open(nights, NEW_YORK, "2028-07-05T01:00")


def test_a_states_own_holidays_count_when_the_state_is_named() -> None:
    cesar_chavez = "2026-03-31T12:00"
    assert is_open(hours("09:00", "20:00", holidays="US"), "America/Los_Angeles", cesar_chavez)
    assert not is_open(hours("09:00", "20:00", holidays="US-CA"), "America/Los_Angeles", cesar_chavez)


@pytest.mark.parametrize("code", ["XX", "US-XX", ""])
def test_a_holiday_calendar_that_does_not_exist_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="no holiday calendar"):
        holiday_calendar(code)


def test_a_person_who_may_be_in_several_zones_is_called_only_while_all_are_open() -> None:
    coast_to_coast = ZoneSet.of([NEW_YORK, "America/Chicago", "America/Los_Angeles"])
    nine_to_eight = hours("09:00", "20:00")
    expected = {"11:59": False, "12:00": True, "19:59": True, "20:00": False}
    found = {clock: nine_to_eight.is_open(local(NEW_YORK, f"2026-05-06T{clock}"), coast_to_coast) for clock in expected}
    assert found == expected


def test_zones_that_are_never_open_together_never_open() -> None:
    apart = (NEW_YORK, "Asia/Tokyo")
    assert opens(hours("09:00", "17:00"), local(NEW_YORK, "2026-05-06T12:00"), *apart) is None


def test_a_fixed_zone_decides_whatever_the_persons_zone_is() -> None:
    paris = hours("09:00", "20:00", zone="Europe/Paris")
    noon = local("Europe/Paris", "2026-05-06T12:00")
    assert paris.is_open(noon, ZoneSet.of(["Asia/Tokyo"]))
    assert paris.is_open(noon, None)
    assert not paris.is_open(noon + timedelta(hours=8), ZoneSet.of([NEW_YORK]))


def test_a_person_without_a_known_zone_is_never_called() -> None:
    always = hours("00:00", "24:00")
    now = datetime(2026, 5, 6, 12, tzinfo=UTC)
    assert not always.is_open(now, None)
    assert not always.is_open_for(now, MARGIN, None)
    assert always.next_open(now, MARGIN, None) is None


@pytest.mark.parametrize(
    "name", ["Nowhere/Land", "Europe", "", "UTC/x", "../__init__.py", "zone.tab", "Europe/London\0", "x" * 5000]
)
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no IANA time zone"):
        clock_of(name)


def test_a_call_needs_the_window_to_stay_open_while_it_rings() -> None:
    nine_to_eight = hours("09:00", "20:00")
    zones = ZoneSet.of([LONDON])
    late = local(LONDON, "2026-05-06T19:59:30")
    assert nine_to_eight.is_open_for(late - timedelta(seconds=1), MARGIN, zones)
    assert nine_to_eight.is_open(late, zones)
    assert not nine_to_eight.is_open_for(late, MARGIN, zones)
    assert nine_to_eight.next_open(late, MARGIN, zones) == local(LONDON, "2026-05-07T09:00")


def test_a_window_too_short_for_the_margin_never_opens() -> None:
    assert (
        opens(hours("09:00", "09:01"), local(LONDON, "2026-05-06T12:00"), LONDON, margin=timedelta(minutes=2)) is None
    )


def test_hours_without_windows_never_open() -> None:
    assert opens(CallingHours(windows=()), datetime(2026, 5, 6, tzinfo=UTC), LONDON) is None


def test_what_is_open_now_opens_now() -> None:
    now = local(LONDON, "2026-05-06T12:34:56")
    assert opens(WEEKDAYS_9_TO_20, now, LONDON) == now
    assert ALWAYS.next_open(now, MARGIN, None) == now


def test_a_weekend_is_waited_out() -> None:
    assert opens(WEEKDAYS_9_TO_20, local(LONDON, "2026-05-08T20:00"), LONDON) == local(LONDON, "2026-05-11T09:00")


def test_a_start_that_the_spring_gap_swallows_opens_when_the_clock_jumps_past_it() -> None:
    gap = hours("02:30", "20:00")
    now = local(NEW_YORK, "2026-03-08T01:00")
    opened = opens(gap, now, NEW_YORK)
    assert opened == local(NEW_YORK, "2026-03-08T03:00")
    assert opened == now + timedelta(hours=1)


def test_a_window_inside_the_spring_gap_waits_for_the_next_day() -> None:
    gone = hours("02:00", "03:00")
    assert opens(gone, local(NEW_YORK, "2026-03-08T01:00"), NEW_YORK) == local(NEW_YORK, "2026-03-09T02:00")


def test_a_window_in_the_hour_that_comes_twice_opens_twice() -> None:
    twice = hours("01:00", "01:30")
    first = local(NEW_YORK, "2026-11-01T01:00")
    assert opens(twice, first - timedelta(hours=1), NEW_YORK) == first
    between = first + timedelta(minutes=30)
    assert not twice.is_open(between, ZoneSet.of([NEW_YORK]))
    assert opens(twice, between, NEW_YORK) == local(NEW_YORK, "2026-11-01T01:00", fold=1) == first + timedelta(hours=1)


def test_a_clock_that_is_put_back_into_a_window_opens_it_again() -> None:
    early = hours("00:30", "01:15")
    closed = local(NEW_YORK, "2026-11-01T01:15")
    assert opens(early, closed, NEW_YORK) == local(NEW_YORK, "2026-11-01T01:00", fold=1)


def test_lord_howe_moves_its_clocks_by_half_an_hour() -> None:
    forward = hours("02:15", "20:00")
    before = local(LORD_HOWE, "2026-10-04T01:45")
    assert opens(forward, before, LORD_HOWE) == local(LORD_HOWE, "2026-10-04T02:30") == before + timedelta(minutes=15)
    back = hours("01:30", "01:45")
    first = local(LORD_HOWE, "2026-04-05T01:30")
    assert opens(back, first + timedelta(minutes=15), LORD_HOWE) == first + timedelta(minutes=30)


def test_a_midnight_that_does_not_exist_opens_its_day_one_hour_later() -> None:
    sunday = hours("00:00", "24:00", "sun")
    late_saturday = local("America/Santiago", "2026-09-05T23:00")
    assert opens(sunday, late_saturday, "America/Santiago") == local("America/Santiago", "2026-09-06T01:00")


def test_clock_times_are_read_and_written() -> None:
    assert [parse_clock(text) for text in ("00:00", "09:05", "24:00")] == [0, 545, MINUTES_PER_DAY]
    assert [format_clock(minute) for minute in (0, 545, MINUTES_PER_DAY)] == ["00:00", "09:05", "24:00"]


@pytest.mark.parametrize("text", ["", "9:00", "09:60", "24:01", "25:00", "-1:00", "09-00", "0900", "09:00:00", "٠٩:٠٠"])
def test_what_is_no_clock_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time of day"):
        parse_clock(text)


windows = st.builds(
    Window,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.integers(0, MINUTES_PER_DAY - 1),
    end=st.integers(1, MINUTES_PER_DAY),
)
rules = st.builds(
    CallingHours,
    windows=st.lists(windows, min_size=1, max_size=3).map(tuple),
    holidays=st.sampled_from([None, None, "US", "DE-BY"]),
)
ODD_ZONES = (
    *(NEW_YORK, LONDON, LORD_HOWE, "America/Santiago", "America/Havana", "Asia/Kolkata", "Africa/Casablanca"),
    *("Antarctica/Troll", "Asia/Beirut", "Pacific/Apia", "America/St_Johns", "UTC"),
)
zone_sets = st.lists(st.sampled_from(ODD_ZONES), min_size=1, max_size=3).map(ZoneSet.of)
#: Many of them in the weeks in which clocks change.
moments = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)),  # noqa: DTZ001 (hypothesis wants them naive)
    st.datetimes(datetime(2026, 3, 6), datetime(2026, 4, 6)),  # noqa: DTZ001
    st.datetimes(datetime(2026, 10, 3), datetime(2026, 11, 2)),  # noqa: DTZ001
).map(lambda at: at.replace(tzinfo=UTC))


@given(rules)
def test_hours_survive_their_json(given_rules: CallingHours) -> None:
    assert hours_from_json(hours_to_json(given_rules)) == given_rules


def naively_open(given_rules: CallingHours, now: datetime, zones: ZoneSet) -> bool:
    """The same by another way: every window of yesterday and today as two readings of the wall clock."""

    def in_zone(name: str) -> bool:
        reading = now.astimezone(clock_of(name)).replace(tzinfo=None)
        days = (reading.date() - timedelta(days=1), reading.date())
        return any(begins(day, w) <= reading < ends(day, w) for day in days for w in given_rules.windows if on(day, w))

    def on(day: date, window: Window) -> bool:
        calendar = {} if given_rules.holidays is None else holiday_calendar(given_rules.holidays)
        return day.weekday() in window.days and day not in calendar

    def begins(day: date, window: Window) -> datetime:
        return datetime.combine(day, time()) + timedelta(minutes=window.start)

    def ends(day: date, window: Window) -> datetime:
        end = datetime.combine(day, time()) + timedelta(minutes=window.end)
        return end if end > begins(day, window) else end + timedelta(days=1)

    return all(in_zone(name) for name in zones.names)


@settings(deadline=None, max_examples=200)
@given(rules, moments, zone_sets)
def test_open_is_what_a_naive_reading_of_the_wall_clock_says(
    given_rules: CallingHours, now: datetime, zones: ZoneSet
) -> None:
    assert given_rules.is_open(now, zones) == naively_open(given_rules, now, zones)


@settings(deadline=None, max_examples=50)
@given(rules, moments, zone_sets, st.sampled_from([NO_MARGIN, MARGIN, timedelta(seconds=90)]))
@example(hours("02:30", "20:00"), local(NEW_YORK, "2026-03-08T01:59"), ZoneSet.of([NEW_YORK]), MARGIN)
@example(hours("00:30", "01:15"), local(NEW_YORK, "2026-11-01T01:20"), ZoneSet.of([NEW_YORK]), MARGIN)
@example(hours("23:30", "23:50"), local("America/Havana", "2026-10-31T23:55"), ZoneSet.of(["America/Havana"]), MARGIN)
def test_the_next_opening_is_open_and_no_earlier_minute_is(
    given_rules: CallingHours, now: datetime, zones: ZoneSet, margin: timedelta
) -> None:
    opened = given_rules.next_open(now, margin, zones)
    assert opened is None or (opened >= now and given_rules.is_open_for(opened, margin, zones))
    looked_until = min(opened or now + timedelta(days=14), now + timedelta(days=3))
    at = now
    while at < looked_until:
        assert not given_rules.is_open_for(at, margin, zones), f"open at {at}, and next_open says {opened}"
        at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
