"""Who is next where several campaigns want more than there is."""

import heapq
from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer.domain.shares import Allotment, Contender, allot, starting_count

ACCOUNT, SECOND = UUID(int=1), UUID(int=2)
PLENTY = 10_000


def campaign(
    name: int, *, weight: float = 1.0, wants: int = PLENTY, count: float = 0.0, at: UUID = ACCOUNT
) -> Contender:
    return Contender(
        campaign_id=UUID(int=100 + name),
        account_id=at,
        weight=weight,
        on_account=count,
        in_workspace=count,
        wants=wants,
    )


def shared(free: int, *contenders: Contender) -> dict[int, int]:
    """What each would take, by name."""
    return {one.campaign_id.int - 100: _allot(one, free, contenders).mine.get(ACCOUNT, 0) for one in contenders}


def _allot(one: Contender, free: int, contenders: tuple[Contender, ...]) -> Allotment:
    return allot(one.campaign_id, PLENTY, {ACCOUNT: free}, contenders)


def test_what_is_free_is_shared_by_weight() -> None:
    assert shared(111, campaign(0, weight=1), campaign(1, weight=10), campaign(2, weight=100)) == {0: 1, 1: 10, 2: 100}


def test_what_one_does_not_want_goes_to_the_others() -> None:
    assert shared(30, campaign(0, wants=2), campaign(1), campaign(2)) == {0: 2, 1: 14, 2: 14}
    assert shared(30, campaign(0, wants=0), campaign(1)) == {0: 0, 1: 30}


def test_one_slot_goes_to_whoever_has_had_least() -> None:
    assert shared(1, campaign(0, count=2.0), campaign(1, count=1.0), campaign(2, count=3.0)) == {0: 0, 1: 1, 2: 0}


def test_of_two_who_have_had_the_same_the_heavier_is_first() -> None:
    assert shared(1, campaign(0), campaign(1, weight=2)) == {0: 0, 1: 1}


def test_the_others_are_named_in_their_order() -> None:
    late, first, second = campaign(0, count=9.0), campaign(1, count=1.0), campaign(2, count=1.5)
    found = allot(late.campaign_id, PLENTY, {ACCOUNT: 2}, [late, first, second])
    assert found.others == (first.campaign_id, second.campaign_id)
    assert found.behind == pytest.approx(8.0 + 7.5)


def test_those_at_ones_own_accounts_are_named_first() -> None:
    """Counts at two accounts say nothing about each other; who waits at the other one hears of it from those there."""
    me, near = campaign(0, count=9.0), campaign(1, count=8.0)
    far = [campaign(2 + n, at=SECOND) for n in range(3)]
    found = allot(me.campaign_id, PLENTY, {ACCOUNT: 1, SECOND: 3}, [me, *far, near])
    assert found.others[0] == near.campaign_id
    assert set(found.others) == {near.campaign_id, *(each.campaign_id for each in far)}


def test_a_campaign_has_one_count_in_the_workspace_for_all_of_its_accounts() -> None:
    both = [campaign(0), campaign(0, at=SECOND)]
    other = campaign(1)
    free = {ACCOUNT: 100, SECOND: 100}
    found = allot(both[0].campaign_id, 10, free, [*both, other])
    assert found.scarce
    assert sum(found.mine.values()) == 5


def test_nobody_saves_up_what_they_did_not_want() -> None:
    assert starting_count(3.0, False, 50.0) == 50.0
    assert starting_count(60.0, False, 50.0) == 60.0
    assert starting_count(3.0, True, 50.0) == 3.0


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 40),
    st.lists(
        st.builds(
            campaign,
            st.integers(0, 5),
            weight=st.sampled_from([0.01, 1.0, 7.0, 1000.0]),
            wants=st.integers(0, 20),
            count=st.floats(0, 100),
            at=st.sampled_from([ACCOUNT, SECOND]),
        ),
        max_size=8,
        unique_by=lambda one: (one.campaign_id, one.account_id),
    ),
)
def test_everybody_agrees_and_nothing_that_somebody_wants_is_left_over(
    workspace: int, first: int, second: int, contenders: list[Contender]
) -> None:
    free = {ACCOUNT: first, SECOND: second}
    # A campaign has one count in the workspace.
    known = {one.campaign_id: one.in_workspace for one in contenders}
    contenders = [replace(one, in_workspace=known[one.campaign_id]) for one in contenders]
    taken: Counter[UUID] = Counter()
    for name in known:
        found = allot(name, workspace, free, contenders)
        taken.update(found.mine)
        for account, given_ in found.mine.items():
            wants = sum(o.wants for o in contenders if (o.campaign_id, o.account_id) == (name, account))
            assert 0 < given_ <= wants
    usable = sum(
        min(free[account], sum(one.wants for one in contenders if one.account_id == account)) for account in free
    )
    assert taken.total() == min(workspace, usable)
    assert all(taken[account] <= free[account] for account in free)


@dataclass(kw_only=True)
class Served:
    """One campaign in a row of single slots."""

    contender: Contender
    calls: int = 0


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.sampled_from([1.0, 2.0, 10.0, 100.0]), st.integers(1, 30)), min_size=2, max_size=6),
    st.integers(1, 7),
)
def test_after_any_number_of_calls_nobody_is_more_than_one_call_short(
    campaigns: list[tuple[float, int]], at_once: int
) -> None:
    """Whatever is free at once, and in whatever order they come to take it: the shares follow the weights."""
    known = {
        one.campaign_id: Served(contender=one)
        for one in (campaign(n, weight=weight) for n, (weight, _) in enumerate(campaigns))
    }
    for _ in range(50):
        everybody = [served.contender for served in known.values()]
        for key, served in known.items():
            mine = allot(key, PLENTY, {ACCOUNT: at_once}, everybody).mine.get(ACCOUNT, 0)
            served.calls += mine
            count = served.contender.on_account + mine / served.contender.weight
            served.contender = replace(served.contender, on_account=count)
    total = sum(served.calls for served in known.values())
    assert total == 50 * at_once
    weights = sum(served.contender.weight for served in known.values())
    for served in known.values():
        fair = total * served.contender.weight / weights
        assert served.calls > fair - len(known)
        assert served.calls < fair + len(known)


def test_two_hundred_campaigns_on_fifty_slots_have_their_shares() -> None:
    """Short calls and long ones, and whoever's call has ended asks first, as they do."""
    dice = Random(7)
    town = {
        one.campaign_id: Served(contender=one) for one in (campaign(n, weight=(1, 3, 10)[n % 3]) for n in range(200))
    }
    ends = [(0.0, n, next(iter(town))) for n in range(50)]
    while ends[0][0] < 250:
        at, slot, asking = heapq.heappop(ends)
        everybody = [served.contender for served in town.values()]
        found = allot(asking, PLENTY, {ACCOUNT: 1}, everybody)
        taker = asking if found.mine else found.others[0]
        served = town[taker]
        served.calls += 1
        count = served.contender.on_account + 1 / served.contender.weight
        served.contender = replace(served.contender, on_account=count)
        heapq.heappush(ends, (at + dice.choice((2.0, 20.0)), slot, taker))
    total = sum(served.calls for served in town.values())
    weights = sum(served.contender.weight for served in town.values())
    for served in town.values():
        fair = total * served.contender.weight / weights
        assert abs(served.calls - fair) <= max(0.1 * fair, 2)
    assert total > 1000
