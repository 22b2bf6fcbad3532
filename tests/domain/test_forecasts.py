"""How many people would be called in which hour."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.calling_hours import ALWAYS, WEEKDAYS_9_TO_20
from dialer.domain.campaign_rules import CampaignRules, Pace
from dialer.domain.forecasts import HORIZON, first_calls

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)  # 07:00 in New York, 12:00 in London
PACE = Pace(max_concurrent=10, calls_per_second=1.0)  # ten slots of a minute each: 600 calls an hour
RULES = CampaignRules(hours=WEEKDAYS_9_TO_20, pace=PACE)


def in_hours(people: dict[str, int], waiting: dict[str, int] | None = None, rules: CampaignRules = RULES) -> list[int]:
    """Calls by hours after MONDAY, up to the last one with any."""
    found = {int((hour - MONDAY) / timedelta(hours=1)): n for hour, n in _forecast(people, waiting, rules).hours}
    return [found.get(hour, 0) for hour in range(max(found, default=-1) + 1)]


def _forecast(people: dict[str, int], waiting: dict[str, int] | None = None, rules: CampaignRules = RULES):
    return first_calls(people, waiting or {}, rules, MONDAY)


def test_concurrency_or_pace_whichever_is_less_limits_an_hour():
    assert in_hours({"Europe/London": 1000}) == [600, 400]
    slow = CampaignRules(hours=WEEKDAYS_9_TO_20, pace=Pace(max_concurrent=100, calls_per_second=0.1))
    assert in_hours({"Europe/London": 1000}, rules=slow) == [360, 360, 280]
    assert _forecast({}, rules=slow).calls_per_hour == 360


def test_people_are_called_once_the_hours_of_all_their_zones_are_open():
    assert in_hours({"America/New_York": 10}) == [0, 0, 10]
    assert in_hours({"America/Los_Angeles|America/New_York": 10}) == [0, 0, 0, 0, 0, 10]


def test_open_zones_share_the_hour_in_proportion_and_leave_nothing_unused():
    assert in_hours({"Europe/London": 900, "Europe/Paris": 300}) == [600, 600]


def test_whoever_waits_already_is_called_first():
    assert in_hours({"Europe/London": 100}, {"Europe/London": 600}) == [0, 100]


def test_nobody_is_called_before_the_campaign_starts_or_after_it_ends():
    rules = CampaignRules(
        hours=WEEKDAYS_9_TO_20,
        pace=PACE,
        start_at=MONDAY + timedelta(hours=1),
        end_at=MONDAY + timedelta(hours=2, minutes=30),
    )
    assert in_hours({"Europe/London": 2000}, rules=rules) == [0, 600, 300]
    assert _forecast({"Europe/London": 2000}, rules=rules).later == 1100


def test_who_has_no_zone_is_called_only_where_the_campaign_goes_by_a_clock_of_its_own():
    assert _forecast({"": 5}).later == 5
    assert in_hours({"": 5}, rules=CampaignRules(hours=ALWAYS, pace=PACE)) == [5]


def test_a_start_within_a_quarter_has_the_rest_of_it():
    late = first_calls({"Europe/London": 1000}, {}, RULES, MONDAY + timedelta(minutes=52, seconds=30))
    assert [n for _, n in late.hours] == [75, 600, 325]


@given(
    st.dictionaries(st.sampled_from(["", "Europe/London", "America/New_York", "Asia/Kathmandu"]), st.integers(0, 9000)),
    st.dictionaries(st.sampled_from(["Europe/London", "America/New_York"]), st.integers(0, 5000)),
    st.integers(1, 50),
    st.floats(0.05, 20),
    st.integers(0, 10_000),
)
def test_everybody_new_is_called_or_called_later_and_no_hour_has_too_many(
    people: dict[str, int], waiting: dict[str, int], slots: int, pace: float, minute: int
):
    rules = CampaignRules(hours=WEEKDAYS_9_TO_20, pace=Pace(max_concurrent=slots, calls_per_second=pace))
    now = MONDAY + timedelta(minutes=minute)
    found = first_calls(people, waiting, rules, now)
    assert sum(n for _, n in found.hours) + found.later == sum(people.values())
    assert all(0 < n <= found.calls_per_hour + 1 for _, n in found.hours)
    assert all(now - timedelta(hours=1) < hour < now + HORIZON for hour, _ in found.hours)
