from datetime import UTC, datetime

import pytest

from dialer.domain.restores import Mark

AT = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 9, 30, 0, 123457, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "seen", "behind"),
    [
        (Mark(), Mark(), False),
        (Mark(newest_call=7), Mark(), False),
        (Mark(newest_call=7), Mark(newest_call=7), False),
        (Mark(newest_call=6), Mark(newest_call=7), True),
        (Mark(), Mark(newest_call=7), True),
        # Recovered since: what was seen before says nothing any more.
        (Mark(newest_call=3, recovered_at=AT), Mark(newest_call=7), False),
        (Mark(newest_call=3, recovered_at=LATER), Mark(newest_call=7, recovered_at=AT), False),
        # Restored once more: to a moment after the recovery, before it, or before any.
        (Mark(newest_call=3, recovered_at=AT), Mark(newest_call=7, recovered_at=AT), True),
        (Mark(newest_call=9, recovered_at=AT), Mark(newest_call=7, recovered_at=LATER), True),
        (Mark(newest_call=7), Mark(newest_call=7, recovered_at=AT), True),
    ],
)
def test_a_database_has_gone_backwards_when_calls_or_a_recovery_are_missing(
    now: Mark, seen: Mark, behind: bool
) -> None:
    assert now.is_behind(seen) is behind
    assert now.later(seen) == (seen if behind else now)


@pytest.mark.parametrize("mark", [Mark(), Mark(newest_call=7), Mark(newest_call=7, recovered_at=AT)])
def test_a_mark_survives_a_heartbeat(mark: Mark) -> None:
    assert Mark.unpacked(mark.packed()) == mark


@pytest.mark.parametrize("details", [[], [None, None], ["junk"], [{"newest_call": 7}], [1, 2]])
def test_details_of_another_version_mean_no_mark(details: list[object]) -> None:
    assert Mark.unpacked(details) == Mark()
