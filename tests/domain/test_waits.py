"""What people wait for, in words that need no explanation."""

from datetime import UTC, datetime

import pytest

from dialer.domain.waits import Counted, clock, for_a_slot, for_hours, for_their_time, held, share

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def test_people_outside_their_hours_are_told_when_the_next_window_opens():
    opens = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
    wait = for_hours(Counted(n=1204), opens, ["America/New_York"], datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
    assert wait.text == "1,204 people wait for their calling hours: the next window opens 09:00 America/New_York"
    assert (wait.reason, wait.count, wait.until, wait.time_zone) == ("window", 1204, opens, "America/New_York")


def test_of_several_clocks_the_one_that_opens_last_is_told():
    opens = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
    zones = ["America/Chicago", "America/Los_Angeles", "America/New_York"]
    assert for_hours(Counted(n=2), opens, zones, opens).text.endswith("opens 09:00 America/Los_Angeles")


@pytest.mark.parametrize(
    ("people", "text"),
    [
        (Counted(n=1), "1 person waits for a redial at 14:05 UTC"),
        (Counted(n=37), "37 people wait for a redial, the first at 14:05 UTC"),
        (Counted(n=2000, exact=False), "at least 2,000 people wait for a redial, the first at 14:05 UTC"),
    ],
)
def test_people_who_are_called_again_are_told_with_the_first_time(people: Counted, text: str):
    until = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
    assert for_their_time(people, until, "UTC", NOW).text == text


def test_a_full_campaign_says_how_many_slots_are_taken():
    assert for_a_slot(Counted(n=5), 10, 10).text == "5 people wait for a slot: 10 of 10 are taken"


def test_held_people_are_told_with_what_is_missing():
    assert held(Counted(n=12), ["zone_unresolved"]).text == "12 held: no time zone"
    assert held(Counted(n=3), ["never_open", "some_reason"]).text == (
        "3 held: no calling hours within 14 days or some reason"
    )


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 11, 24, 8, 0, tzinfo=UTC), "09:00 Europe/Paris"),
        (datetime(2026, 11, 25, 8, 0, tzinfo=UTC), "Wed 09:00 Europe/Paris"),
        (datetime(2026, 12, 1, 8, 0, tzinfo=UTC), "2026-12-01 09:00 Europe/Paris"),
    ],
)
def test_another_day_is_told_with_its_name_or_its_date(moment: datetime, told: str):
    assert clock(moment, "Europe/Paris", NOW) == told


def test_one_group_that_was_not_counted_to_its_end_is_what_the_others_leave_over():
    groups = [Counted(n=2000, exact=False), Counted(n=37), Counted(n=0)]
    assert share(1_000_037, groups) == [Counted(n=1_000_000), Counted(n=37), Counted(n=0)]


def test_two_such_groups_stay_at_least_so_many():
    groups = [Counted(n=2000, exact=False), Counted(n=2000, exact=False), Counted(n=3)]
    assert share(1_000_000, groups) == groups
