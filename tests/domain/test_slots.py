from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.domain.shares import Contender
from dialer.domain.slots import Blocked, Capacity, NumberCapacity, Rate, SharedLimit, room, turns_left

TURN_S = 1.0
ME, OTHER = UUID(int=7), UUID(int=8)
A, B = UUID(int=1), UUID(int=2)
EVERYBODY = 1000
IDLE = SharedLimit(live=0, max_concurrent=1000, rate=Rate(per_second=1000.0))
FULL = replace(IDLE, max_concurrent=1, live=1)


def number(position: int = 0, **facts: object) -> NumberCapacity:
    """An idle number of account A without limits of its own."""
    idle = NumberCapacity(
        number_id=UUID(int=100 + position),
        phone=f"+1650555010{position}",
        account_id=A,
        live=0,
        max_concurrent=None,
        calls_per_day=None,
        calls_today=0,
        rate=None,
    )
    return replace(idle, **facts)


def capacity(
    numbers: Sequence[NumberCapacity], accounts: Mapping[UUID, SharedLimit] | None = None, **facts: object
) -> Capacity:
    idle = Capacity(
        campaign_id=ME,
        weight=1.0,
        campaign_live=0,
        campaign_max_concurrent=1000,
        campaign_rate=Rate(per_second=1000.0),
        workspace=IDLE,
        accounts={A: IDLE, B: IDLE, **(accounts or {})},
        numbers=numbers,
        counts={A: 0.0, B: 0.0},
    )
    return replace(idle, **facts)


def account(**facts: object) -> dict[UUID, SharedLimit]:
    return {A: replace(IDLE, **facts)}


def claimed(
    numbers: Sequence[NumberCapacity], accounts: Mapping[UUID, SharedLimit] | None = None, **facts: object
) -> int:
    return len(room(capacity(numbers, accounts, **facts), TURN_S, EVERYBODY).numbers)


def contender(wants: int, *, count: float = 0.0, weight: float = 1.0, at: UUID = A) -> Contender:
    return Contender(campaign_id=OTHER, account_id=at, weight=weight, on_account=count, in_workspace=count, wants=wants)


def test_the_smallest_limit_counts() -> None:
    assert claimed([number()], campaign_max_concurrent=7, campaign_live=2) == 5
    assert claimed([number()], workspace=replace(IDLE, max_concurrent=4, live=1)) == 3
    assert claimed([number()], account(max_concurrent=6, live=4)) == 2
    assert claimed([number(max_concurrent=3, live=1)]) == 2
    assert claimed([number(calls_per_day=50, calls_today=49)]) == 1


def test_no_more_is_claimed_than_people_are_due() -> None:
    assert len(room(capacity([number()]), TURN_S, 3).numbers) == 3
    nobody = room(capacity([number()]), TURN_S, 0)
    assert (nobody.numbers, nobody.blocked, nobody.wants) == ((), None, {A: 0})


def test_a_limit_that_was_lowered_below_what_is_in_use_allows_nothing() -> None:
    assert claimed([number()], campaign_max_concurrent=3, campaign_live=9) == 0
    assert claimed([number(max_concurrent=1, live=4)]) == 0


def test_calls_are_spread_over_the_least_busy_numbers() -> None:
    busy, idle = number(0, live=3), number(1)
    found = room(capacity([busy, idle], campaign_max_concurrent=5), TURN_S, EVERYBODY)
    assert Counter(chosen.number_id for chosen in found.numbers) == {idle.number_id: 4, busy.number_id: 1}


def test_a_number_at_its_limit_leaves_the_calls_to_the_others() -> None:
    full, free = number(0, max_concurrent=1, live=1), number(1)
    found = room(capacity([full, free], campaign_max_concurrent=4), TURN_S, EVERYBODY)
    assert {chosen.number_id for chosen in found.numbers} == {free.number_id}
    assert len(found.numbers) == 4


def test_an_account_at_its_limit_leaves_the_calls_to_another() -> None:
    numbers = [number(0), number(1, account_id=B)]
    found = room(capacity(numbers, {A: FULL}), TURN_S, EVERYBODY)
    assert {chosen.account_id for chosen in found.numbers} == {B}


def test_campaigns_that_share_an_account_get_what_is_free_by_weight() -> None:
    thirty = account(max_concurrent=30)
    assert claimed([number()], thirty, contenders=[contender(99, weight=2.0)]) == 10
    assert claimed([number()], thirty, contenders=[contender(99, weight=2.0)], weight=4.0) == 20


def test_what_another_campaign_had_before_makes_room() -> None:
    assert claimed([number()], account(max_concurrent=10), contenders=[contender(99, count=4.0)]) == 7
    assert claimed([number()], account(max_concurrent=3), contenders=[contender(99, count=4.0)]) == 3


def test_what_nobody_else_wants_is_not_left_unused() -> None:
    assert claimed([number()], account(max_concurrent=30), contenders=[contender(2)]) == 28
    assert claimed([number()], account(max_concurrent=30), contenders=[contender(99, at=B)]) == 30


def test_a_campaign_that_is_not_next_says_what_it_wants_and_who_is() -> None:
    found = room(capacity([number()], account(max_concurrent=1), contenders=[contender(1)], counts={A: 5.0}), TURN_S, 9)
    assert (found.numbers, found.blocked, found.wants, found.others) == ((), Blocked.SHARE, {A: 9}, (OTHER,))


def test_a_full_account_is_waited_for_and_an_own_limit_is_not() -> None:
    assert room(capacity([number()], {A: FULL}), TURN_S, 9).wants == {A: 9}
    assert room(capacity([number()], campaign_max_concurrent=0), TURN_S, 9).wants == {A: 0}
    assert room(capacity([number(max_concurrent=0)]), TURN_S, 9).wants == {A: 0}


def test_campaigns_of_different_accounts_share_the_workspace() -> None:
    ten = replace(IDLE, max_concurrent=10)
    found = room(capacity([number()], workspace=ten, contenders=[contender(99, at=B)]), TURN_S, 99)
    assert (len(found.numbers), found.scarce, found.wants) == (5, True, {A: 94})
    first = room(capacity([number()], workspace=ten, contenders=[contender(99, at=B, count=-20.0)]), TURN_S, 99)
    assert (len(first.numbers), first.blocked) == (0, Blocked.SHARE)


def test_nobody_waits_in_the_workspace_for_somebody_whose_account_is_full() -> None:
    ten = replace(IDLE, max_concurrent=10)
    first = contender(99, at=B, count=-20.0)
    assert claimed([number()], {B: FULL}, workspace=ten, contenders=[first]) == 10


def test_no_more_than_a_seconds_worth_of_calls_waits_for_its_turn() -> None:
    assert claimed([number()], campaign_rate=Rate(per_second=5.0)) == 5
    assert claimed([number()], campaign_rate=Rate(per_second=5.0, waiting=3)) == 2
    assert claimed([number()], campaign_rate=Rate(per_second=5.0, backlog_s=0.6)) == 2
    assert claimed([number()], account(rate=Rate(per_second=4.0, waiting=3))) == 1
    assert claimed([number(rate=Rate(per_second=2.0))]) == 2
    assert claimed([number()], workspace=replace(IDLE, rate=Rate(per_second=6.0, waiting=4))) == 2


def test_a_pace_below_one_call_per_second_still_calls() -> None:
    assert turns_left(Rate(per_second=0.1, waiting=0, backlog_s=0.0), TURN_S) == 1
    assert turns_left(Rate(per_second=0.1, waiting=1, backlog_s=0.0), TURN_S) == 0
    assert turns_left(Rate(per_second=0.1, waiting=0, backlog_s=9.0), TURN_S) == 0


def test_a_turn_long_past_is_no_credit() -> None:
    assert turns_left(Rate(per_second=5.0, waiting=0, backlog_s=-3600.0), TURN_S) == 5


def test_what_only_the_pace_holds_back_is_told_apart_from_missing_slots() -> None:
    paced = room(capacity([number()], campaign_rate=Rate(per_second=5.0, waiting=5)), TURN_S, 9)
    full = room(capacity([number()], campaign_max_concurrent=1, campaign_live=1), TURN_S, 9)
    busy = Rate(per_second=1000.0, waiting=9999)
    both = room(capacity([number(max_concurrent=1, live=1)], campaign_rate=busy), TURN_S, 9)
    assert [found.blocked for found in (paced, full, both)] == [Blocked.PACE, Blocked.SLOTS, Blocked.SLOTS]
    assert (paced.retry_s, full.retry_s) == (0.1, None)


def test_numbers_that_have_made_their_calls_of_a_day_are_told_apart_from_missing_slots() -> None:
    spent = number(calls_per_day=5, calls_today=5)
    found = [
        room(capacity([spent]), TURN_S, 9),
        room(capacity([spent, number(1, max_concurrent=1, live=1)]), TURN_S, 9),
        room(capacity([spent], campaign_max_concurrent=1, campaign_live=1), TURN_S, 9),
    ]
    assert [each.blocked for each in found] == [Blocked.DAY, Blocked.SLOTS, Blocked.SLOTS]
    assert claimed([spent, number(1)]) > 0


def test_who_is_far_behind_looks_again_later() -> None:
    slow = account(rate=Rate(per_second=2.0, waiting=2))
    alone = room(capacity([number()], slow), TURN_S, 9)
    behind = room(capacity([number()], slow, contenders=[contender(9, weight=3.0)], counts={A: 1.0}), TURN_S, 9)
    assert (alone.retry_s, behind.retry_s) == (0.25, 1.75)


def test_an_account_that_does_not_answer_is_left_alone_until_one_call_asks() -> None:
    later = datetime(2026, 11, 24, tzinfo=UTC)
    closed = room(capacity([number()], account(asking=0, opens_at=later)), TURN_S, 9)
    assert (closed.numbers, closed.blocked, closed.wants) == ((), Blocked.CARRIER, {A: 0})
    assert claimed([number()], account(asking=1)) == 1
    assert room(capacity([number()], account(asking=0)), TURN_S, 9).blocked is Blocked.CARRIER
    assert claimed([number(), number(1, account_id=B)], account(asking=0, opens_at=later)) == 1000


def test_without_caller_numbers_nothing_is_claimed() -> None:
    assert room(capacity([]), TURN_S, 9).numbers == ()


UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
counts = st.integers(0, 30)
rates = st.floats(0.01, 50)
backlogs = st.floats(-100, 3)
paces = st.builds(Rate, per_second=rates, waiting=counts, backlog_s=backlogs)
weights = st.sampled_from([0.01, 1.0, 3.0, 100.0])
limits = st.builds(SharedLimit, live=counts, max_concurrent=counts, rate=paces, asking=st.none() | st.integers(0, 1))
contenders = st.builds(
    Contender,
    campaign_id=st.sampled_from([OTHER, UUID(int=9)]),
    account_id=st.sampled_from([A, B]),
    weight=weights,
    on_account=counts,
    in_workspace=counts,
    wants=counts,
)


@st.composite
def capacities(draw: st.DrawFn) -> Capacity:
    """Some numbers on two accounts, and others who want to call."""
    numbers = [
        number(
            position,
            account_id=draw(st.sampled_from([A, B])),
            live=draw(counts),
            max_concurrent=draw(st.none() | counts),
            calls_per_day=draw(st.none() | counts),
            calls_today=draw(counts),
            rate=draw(st.none() | paces),
        )
        for position in range(draw(st.integers(0, 4)))
    ]
    return capacity(
        numbers,
        {A: draw(limits), B: draw(limits)},
        weight=draw(weights),
        campaign_live=draw(counts),
        campaign_max_concurrent=draw(counts),
        campaign_rate=draw(paces),
        workspace=draw(limits.map(lambda limit: replace(limit, asking=None))),
        contenders=draw(st.lists(contenders, max_size=4, unique_by=lambda one: (one.campaign_id, one.account_id))),
        count=draw(counts),
        counts={A: draw(counts), B: draw(counts)},
    )


@UNHURRIED
@given(capacities(), counts)
def test_no_limit_is_ever_exceeded(limits: Capacity, due: int) -> None:
    chosen = room(limits, TURN_S, due).numbers
    if not chosen:
        return
    assert len(chosen) <= due
    assert limits.campaign_live + len(chosen) <= limits.campaign_max_concurrent
    assert limits.workspace.live + len(chosen) <= limits.workspace.max_concurrent
    by_number = Counter(number.number_id for number in chosen)
    by_account = Counter(number.account_id for number in chosen)
    for one in chosen:
        mine, account = by_number[one.number_id], by_account[one.account_id]
        limit = limits.accounts[one.account_id]
        assert one.max_concurrent is None or one.live + mine <= one.max_concurrent
        assert one.calls_per_day is None or one.calls_today + mine <= one.calls_per_day
        assert limit.live + account <= limit.max_concurrent
        assert limit.asking is None or account <= limit.asking


def worth(rate: Rate) -> float:
    """A turn's worth of calls, or one."""
    return max(1, rate.per_second * TURN_S + 1e-6 - rate.waiting)


@UNHURRIED
@given(capacities())
def test_the_undialed_never_exceed_a_turns_worth_or_one(limits: Capacity) -> None:
    chosen = room(limits, TURN_S, EVERYBODY).numbers
    assert len(chosen) <= min(worth(limits.campaign_rate), worth(limits.workspace.rate))
    for number_id, count in Counter(number.number_id for number in chosen).items():
        rate = next(number for number in chosen if number.number_id == number_id).rate
        assert rate is None or count <= worth(rate)
    for account, count in Counter(number.account_id for number in chosen).items():
        assert count <= worth(limits.accounts[account].rate)


@UNHURRIED
@given(capacities(), st.integers(1, 30))
def test_whoever_is_alone_claims_whatever_every_limit_leaves(limits: Capacity, due: int) -> None:
    alone = replace(limits, contenders=())
    most = min(alone.own_room(TURN_S), alone.workspace.free(TURN_S), due)
    on_accounts = sum(
        min(
            limit.free(TURN_S),
            sum(min(n.slots(), n.turns(TURN_S)) for n in alone.numbers if n.account_id == account),
        )
        for account, limit in alone.accounts.items()
    )
    assert len(room(alone, TURN_S, due).numbers) == min(most, on_accounts)


@UNHURRIED
@given(capacities(), st.integers(1, 30))
def test_whoever_claims_nobody_is_told_why_and_when_to_look_again(limits: Capacity, due: int) -> None:
    found = room(limits, TURN_S, due)
    assert (found.blocked is None) == bool(found.numbers)
    if found.blocked in (Blocked.PACE, Blocked.SHARE):
        assert found.retry_s is not None
        assert 0 < found.retry_s <= 2
    assert all(wants >= 0 for wants in found.wants.values())


def test_in_a_crowd_everybody_looks_less_often_and_all_together_no_more() -> None:
    full = account(rate=Rate(per_second=2.0, waiting=2))

    def looks_a_second(campaigns: int) -> float:
        others = [replace(contender(1), campaign_id=UUID(int=1000 + n)) for n in range(campaigns - 1)]
        last = room(capacity([number()], full, contenders=others, counts={A: 1.0}), TURN_S, 9)
        assert last.retry_s is not None
        return campaigns / last.retry_s

    assert looks_a_second(21) == 10.5
    assert looks_a_second(61) < looks_a_second(41) < looks_a_second(21)
    assert looks_a_second(201) < 2.5 * looks_a_second(21), "no later than a minute, whatever the crowd"


def test_whoever_a_crowd_does_not_tell_looks_as_often_as_without_one() -> None:
    crowd = [replace(contender(1), campaign_id=UUID(int=1000 + n)) for n in range(150)]
    full = account(rate=Rate(per_second=2.0, waiting=2))
    own_limit = number(rate=Rate(per_second=1.0, waiting=1))
    held = room(
        capacity([own_limit], account(rate=Rate(per_second=50.0)), contenders=crowd, counts={A: 1.0}), TURN_S, 9
    )
    assert held.blocked is Blocked.PACE
    assert not any(held.wants.values())
    assert held.retry_s is not None
    assert held.retry_s <= 2, "its own caller number is in the way, and nobody knows of that"
    elsewhere = [replace(one, account_id=B) for one in crowd]
    waiting = room(capacity([number()], full, contenders=elsewhere, counts={A: 1.0}), TURN_S, 9)
    assert waiting.retry_s is not None
    assert waiting.retry_s <= 2, "the others wait for another account"
