from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.durations import format_duration, parse_duration


@given(st.integers(min_value=0, max_value=400 * 86400))
def test_whole_seconds_survive_the_round_trip(seconds: int) -> None:
    delay = timedelta(seconds=seconds)
    assert parse_duration(format_duration(delay)) == delay


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("PT0S", timedelta(0)),
        ("PT15M", timedelta(minutes=15)),
        ("P1DT12H", timedelta(days=1, hours=12)),
        ("P2W", timedelta(weeks=2)),
        ("PT1.5S", timedelta(seconds=1.5)),
        ("PT90M", timedelta(minutes=90)),
    ],
)
def test_a_duration_is_read_as_iso_8601_means_it(text: str, delay: timedelta) -> None:
    assert parse_duration(text) == delay


@pytest.mark.parametrize(
    ("delay", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(days=1), "P1D"),
        (timedelta(days=1, seconds=5), "P1DT5S"),
    ],
)
def test_a_duration_is_written_in_its_shortest_form(delay: timedelta, text: str) -> None:
    assert format_duration(delay) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "15M", "PT15", "P15M", "P1Y", "P1M", "-PT5M", "PT-5M", "+PT5M", "pt5m", " PT5M", "PT5M\n"),
        *("PT5M PT5M", "P1DT", "PT1,5S", "PT.5S", "PT1.5H", "PT٥M", "PT5H5H", "T5M", "15"),
        "P99999999999D",
        "PT" + "9" * 400 + "S",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is"):
        parse_duration(text)
