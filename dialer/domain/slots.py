"""How many calls a campaign may claim now, and from which caller numbers.

A slot *is* a live call, so every figure here is a count of rows taken under the limits' locks. Not more than one
second's worth of calls may wait for their turn, so that a change of mind (pause, edit, opt-out) finds few of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One limit in calls per second: ``waiting`` calls have no turn yet, and its pace row lies ``backlog_s`` ahead."""

    per_second: float
    waiting: int = 0
    backlog_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCapacity:
    """One caller number and its account. ``None`` limits nothing.

    ``account_share`` is this campaign's weight among the campaigns that want to call over the account now (0–1].
    """

    number_id: UUID
    phone: str
    account_id: UUID
    live: int
    max_concurrent: int | None
    calls_per_day: int | None
    calls_today: int
    rate: Rate | None
    account_live: int
    account_max_concurrent: int
    account_rate: Rate
    account_share: float
    campaign_live_on_account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What limits one claim."""

    campaign_live: int
    campaign_max_concurrent: int
    campaign_rate: Rate
    workspace_live: int
    workspace_max_concurrent: int
    workspace_rate: Rate
    numbers: Sequence[NumberCapacity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One caller number per call that may be claimed; ``paced`` is True when only the pace stands in the way."""

    numbers: tuple[NumberCapacity, ...]
    paced: bool


def room(capacity: Capacity, turn_s: float) -> Room:
    """Spread the free slots evenly over the caller numbers, the least busy first."""
    slots = min(
        capacity.campaign_max_concurrent - capacity.campaign_live,
        capacity.workspace_max_concurrent - capacity.workspace_live,
    )
    turns = min(turns_left(rate, turn_s) for rate in (capacity.campaign_rate, capacity.workspace_rate))
    free = {number.number_id: _free(number) for number in capacity.numbers}
    number_turns = {number.number_id: _turns_on_number(number, turn_s) for number in capacity.numbers}
    accounts = {number.account_id: _free_on_account(number) for number in capacity.numbers}
    account_turns = {number.account_id: _turns_on_account(number, turn_s) for number in capacity.numbers}
    busy = {number.number_id: number.live for number in capacity.numbers}
    chosen: list[NumberCapacity] = []
    while len(chosen) < min(slots, turns):
        able = [
            number
            for number in capacity.numbers
            if min(free[number.number_id], accounts[number.account_id]) > 0
            and min(number_turns[number.number_id], account_turns[number.account_id]) > 0
        ]
        if not able:
            break
        best = min(able, key=lambda number: busy[number.number_id])
        chosen.append(best)
        busy[best.number_id] += 1
        for left, key in ((free, best.number_id), (number_turns, best.number_id)):
            left[key] -= 1
        for left, key in ((accounts, best.account_id), (account_turns, best.account_id)):
            left[key] -= 1
    has_slots = slots > 0 and any(min(free[n.number_id], accounts[n.account_id]) > 0 for n in capacity.numbers)
    return Room(numbers=tuple(chosen), paced=not chosen and has_slots)


def turns_left(rate: Rate, turn_s: float) -> int:
    """How many more calls may be claimed and wait for their turn: what fits into ``turn_s`` seconds, less who waits.

    A rate so slow that nothing fits admits one call at a time, once its turn is near.
    """
    fits = math.floor((turn_s - max(rate.backlog_s, 0.0)) * rate.per_second + 1e-9) - rate.waiting
    slow = rate.waiting == 0 and rate.backlog_s < turn_s / 2
    return max(fits, 1 if slow else 0)


def _free(number: NumberCapacity) -> int:
    limits = [
        limit - used
        for limit, used in ((number.max_concurrent, number.live), (number.calls_per_day, number.calls_today))
        if limit is not None
    ]
    return min(limits, default=10**9)


def _free_on_account(number: NumberCapacity) -> int:
    """The account's free slots, and no more than the campaign's share while others want to call."""
    free = number.account_max_concurrent - number.account_live
    if number.account_share >= 1:
        return free
    share = math.ceil(number.account_max_concurrent * number.account_share)
    return min(free, share - number.campaign_live_on_account)


def _turns_on_number(number: NumberCapacity, turn_s: float) -> int:
    return turns_left(number.rate, turn_s) if number.rate is not None else 10**9


def _turns_on_account(number: NumberCapacity, turn_s: float) -> int:
    allowed = turns_left(number.account_rate, turn_s)
    if number.account_share >= 1:
        return allowed
    return min(allowed, math.ceil(number.account_rate.per_second * turn_s * number.account_share))
