import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.slots import Capacity, NumberCapacity, Rate, Room, room, turns_left

TURN_S = 1.0
A, B = UUID(int=1), UUID(int=2)


def number(position: int = 0, **facts: object) -> NumberCapacity:
    """An idle number of an idle account without limits that matter."""
    idle = NumberCapacity(
        number_id=UUID(int=100 + position),
        phone=f"+1650555010{position}",
        account_id=A,
        live=0,
        max_concurrent=None,
        calls_per_day=None,
        calls_today=0,
        account_live=0,
        account_max_concurrent=1000,
        account_rate=Rate(per_second=1000.0),
        rate=None,
        account_share=1.0,
        campaign_live_on_account=0,
    )
    return replace(idle, **facts)


def capacity(numbers: Sequence[NumberCapacity], **facts: object) -> Capacity:
    idle = Capacity(
        campaign_live=0,
        campaign_max_concurrent=1000,
        campaign_rate=Rate(per_second=1000.0),
        workspace_rate=Rate(per_second=1000.0),
        workspace_live=0,
        workspace_max_concurrent=1000,
        numbers=numbers,
    )
    return replace(idle, **facts)


def claimed(numbers: Sequence[NumberCapacity], **facts: object) -> int:
    return len(room(capacity(numbers, **facts), TURN_S).numbers)


def test_the_smallest_limit_counts() -> None:
    assert claimed([number()], campaign_max_concurrent=7, campaign_live=2) == 5
    assert claimed([number()], workspace_max_concurrent=4, workspace_live=1) == 3
    assert claimed([number(account_max_concurrent=6, account_live=4)]) == 2
    assert claimed([number(max_concurrent=3, live=1)]) == 2
    assert claimed([number(calls_per_day=50, calls_today=49)]) == 1


def test_a_limit_that_was_lowered_below_what_is_in_use_allows_nothing() -> None:
    assert claimed([number()], campaign_max_concurrent=3, campaign_live=9) == 0
    assert claimed([number(max_concurrent=1, live=4)]) == 0


def test_calls_are_spread_over_the_least_busy_numbers() -> None:
    busy, idle = number(0, live=3), number(1)
    found = room(capacity([busy, idle], campaign_max_concurrent=5), TURN_S)
    assert Counter(chosen.number_id for chosen in found.numbers) == {idle.number_id: 4, busy.number_id: 1}


def test_a_number_at_its_limit_leaves_the_calls_to_the_others() -> None:
    full, free = number(0, max_concurrent=1, live=1), number(1)
    found = room(capacity([full, free], campaign_max_concurrent=4), TURN_S)
    assert {chosen.number_id for chosen in found.numbers} == {free.number_id}
    assert len(found.numbers) == 4


def test_an_account_at_its_limit_leaves_the_calls_to_another() -> None:
    full = number(0, account_max_concurrent=1, account_live=1)
    free = number(1, account_id=B)
    assert {chosen.account_id for chosen in room(capacity([full, free]), TURN_S).numbers} == {B}


def test_campaigns_that_share_an_account_get_its_slots_by_weight() -> None:
    third = number(account_max_concurrent=30, account_share=1 / 3)
    assert claimed([third]) == 10
    assert claimed([replace(third, campaign_live_on_account=8, account_live=8)]) == 2
    assert claimed([replace(third, campaign_live_on_account=10, account_live=10)]) == 0


def test_a_share_is_never_less_than_one_slot() -> None:
    assert claimed([number(account_max_concurrent=2, account_share=0.01)]) == 1


def test_a_share_does_not_reach_into_slots_that_are_taken() -> None:
    assert claimed([number(account_max_concurrent=30, account_share=0.5, account_live=28)]) == 2


def test_campaigns_that_share_an_account_get_its_turns_by_weight() -> None:
    assert claimed([number(account_rate=Rate(per_second=10.0), account_share=0.25)]) == 3


def test_no_more_than_a_seconds_worth_of_calls_waits_for_its_turn() -> None:
    assert claimed([number()], campaign_rate=Rate(per_second=5.0)) == 5
    assert claimed([number()], campaign_rate=Rate(per_second=5.0, waiting=3)) == 2
    assert claimed([number()], campaign_rate=Rate(per_second=5.0, backlog_s=0.6)) == 2
    assert claimed([number(account_rate=Rate(per_second=4.0, waiting=3))]) == 1
    assert claimed([number(rate=Rate(per_second=2.0))]) == 2
    assert claimed([number()], workspace_rate=Rate(per_second=6.0, waiting=4)) == 2


def test_a_pace_below_one_call_per_second_still_calls() -> None:
    assert turns_left(Rate(per_second=0.1, waiting=0, backlog_s=0.0), TURN_S) == 1
    assert turns_left(Rate(per_second=0.1, waiting=1, backlog_s=0.0), TURN_S) == 0
    assert turns_left(Rate(per_second=0.1, waiting=0, backlog_s=9.0), TURN_S) == 0


def test_a_turn_long_past_is_no_credit() -> None:
    assert turns_left(Rate(per_second=5.0, waiting=0, backlog_s=-3600.0), TURN_S) == 5


def test_what_only_the_pace_holds_back_is_told_apart_from_missing_slots() -> None:
    paced = room(capacity([number()], campaign_rate=Rate(per_second=5.0, waiting=5)), TURN_S)
    full = room(capacity([number()], campaign_max_concurrent=1, campaign_live=1), TURN_S)
    both = room(
        capacity([number(max_concurrent=1, live=1)], campaign_rate=Rate(per_second=1000.0, waiting=9999)), TURN_S
    )
    assert (paced.numbers, paced.paced) == ((), True)
    assert full == both == Room(numbers=(), paced=False)


def test_without_caller_numbers_nothing_is_claimed() -> None:
    assert room(capacity([]), TURN_S) == Room(numbers=(), paced=False)


counts = st.integers(0, 30)
rates = st.floats(0.01, 50)
backlogs = st.floats(-100, 3)
paces = st.builds(Rate, per_second=rates, waiting=counts, backlog_s=backlogs)


@st.composite
def capacities(draw: st.DrawFn) -> Capacity:
    """Some numbers on two accounts; what belongs to an account is the same for all of its numbers."""
    accounts = {
        account: {
            "account_id": account,
            "account_live": draw(counts),
            "account_max_concurrent": draw(counts),
            "account_rate": draw(paces),
            "account_share": draw(st.sampled_from([1.0, 0.5, 1 / 3, 0.1])),
            "campaign_live_on_account": draw(counts),
        }
        for account in (A, B)
    }
    numbers = [
        number(
            position,
            live=draw(counts),
            max_concurrent=draw(st.none() | counts),
            calls_per_day=draw(st.none() | counts),
            calls_today=draw(counts),
            rate=draw(st.none() | paces),
            **accounts[draw(st.sampled_from([A, B]))],
        )
        for position in range(draw(st.integers(0, 4)))
    ]
    return capacity(
        numbers,
        campaign_live=draw(counts),
        campaign_max_concurrent=draw(counts),
        campaign_rate=draw(paces),
        workspace_rate=draw(paces),
        workspace_live=draw(counts),
        workspace_max_concurrent=draw(counts),
    )


@given(capacities())
def test_no_limit_is_ever_exceeded(limits: Capacity) -> None:
    chosen = room(limits, TURN_S).numbers
    if not chosen:
        return
    assert limits.campaign_live + len(chosen) <= limits.campaign_max_concurrent
    assert limits.workspace_live + len(chosen) <= limits.workspace_max_concurrent
    by_number = Counter(number.number_id for number in chosen)
    by_account = Counter(number.account_id for number in chosen)
    for one in chosen:
        mine, account = by_number[one.number_id], by_account[one.account_id]
        assert one.max_concurrent is None or one.live + mine <= one.max_concurrent
        assert one.calls_per_day is None or one.calls_today + mine <= one.calls_per_day
        assert one.account_live + account <= one.account_max_concurrent
        if one.account_share < 1:
            share = math.ceil(one.account_max_concurrent * one.account_share)
            assert one.campaign_live_on_account + account <= share


def worth(rate: Rate) -> float:
    """A turn's worth of calls, or one."""
    return max(1, rate.per_second * TURN_S + 1e-6 - rate.waiting)


@given(capacities())
def test_the_undialed_never_exceed_a_turns_worth_or_one(limits: Capacity) -> None:
    chosen = room(limits, TURN_S).numbers
    assert len(chosen) <= min(worth(limits.campaign_rate), worth(limits.workspace_rate))
    for number_id, count in Counter(number.number_id for number in chosen).items():
        rate = next(number for number in chosen if number.number_id == number_id).rate
        assert rate is None or count <= worth(rate)
    for account, count in Counter(number.account_id for number in chosen).items():
        one = next(number for number in chosen if number.account_id == account)
        assert count <= worth(one.account_rate)


@given(capacities())
def test_calls_are_claimed_whenever_every_limit_leaves_room(limits: Capacity) -> None:
    found = room(limits, TURN_S)
    if found.paced:
        assert not found.numbers
    if not found.numbers and not found.paced:
        slots = min(
            limits.campaign_max_concurrent - limits.campaign_live,
            limits.workspace_max_concurrent - limits.workspace_live,
        )
        assert slots <= 0 or all(full(one) for one in limits.numbers)


def full(one: NumberCapacity) -> bool:
    """The number or its account has no free slot for this campaign."""
    return (
        (one.max_concurrent is not None and one.live >= one.max_concurrent)
        or (one.calls_per_day is not None and one.calls_today >= one.calls_per_day)
        or one.account_live >= one.account_max_concurrent
        or (
            one.account_share < 1
            and one.campaign_live_on_account >= math.ceil(one.account_max_concurrent * one.account_share)
        )
    )
