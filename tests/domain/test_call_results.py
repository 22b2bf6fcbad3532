from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.call_results import CallEnded, moment

FIELDS = len(fields(CallEnded))
NUMBERS = ("caller_number", "talk_seconds")

JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())


def values_of(state: object = "ended", **changes: object) -> list[object]:
    return list(({field.name: None for field in fields(CallEnded)} | {"state": state} | changes).values())


@given(
    st.builds(
        CallEnded,
        state=st.text(),
        **{
            field.name: st.none() | (st.integers() if field.name in NUMBERS else st.text())
            for field in fields(CallEnded)
            if field.name != "state"
        },
    )
)
def test_a_packed_result_is_unpacked_as_it_was(ended: CallEnded) -> None:
    assert CallEnded.unpacked(ended.packed()) == ended


def test_a_packed_result_holds_its_values_alone_in_the_order_of_the_fields() -> None:
    ended = CallEnded(state="ended", disposition="busy", caller_number=3)
    assert ended.packed() == list(asdict(ended).values())


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["ended"],
        values_of() + [None],
        values_of(state=None),
        values_of(state=7),
        values_of(state=True),
        values_of(caller_number="12"),
        values_of(caller_number=True),
        values_of(talk_seconds=1.5),
        values_of(disposition=0),
        values_of(why=["busy"]),
        "x" * FIELDS,
        {str(number): number for number in range(FIELDS)},
    ],
    ids=repr,
)
def test_what_is_no_packed_result_is_refused(values: list[object]) -> None:
    with pytest.raises(ValueError, match=r"field|of its type"):
        CallEnded.unpacked(values)


@given(st.lists(JSON, min_size=FIELDS, max_size=FIELDS))
def test_any_list_is_unpacked_or_refused_and_nothing_else(values: list[object]) -> None:
    try:
        ended = CallEnded.unpacked(values)
    except ValueError:
        return
    assert ended.packed() == values


def test_moments_are_rfc_3339_in_utc_to_the_second() -> None:
    at = datetime(2026, 11, 21, 20, 15, 3, 999_999, tzinfo=UTC)
    assert moment(at) == "2026-11-21T20:15:03Z"
    assert moment(at.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "2026-11-21T20:15:03Z"
    assert moment(None) is None
