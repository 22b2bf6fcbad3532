"""How many calls a campaign may claim now, and from which caller numbers.

A slot *is* a live call, so every figure here is a count of rows taken under the limits' locks. Not more than one
second's worth of calls may wait for their turn, so that a change of mind (pause, edit, opt-out) finds few of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCapacity:
    """One caller number and its account. ``None`` limits nothing. ``*_backlog_s``: how far its pace row lies ahead.

    ``account_share`` is this campaign's weight among the campaigns that want to call over the account now (0–1].
    """

    number_id: UUID
    phone: str
    account_id: UUID
    live: int
    max_concurrent: int | None
    calls_per_day: int | None
    calls_today: int
    account_live: int
    account_max_concurrent: int
    account_calls_per_second: float
    account_waiting: int
    account_backlog_s: float
    account_share: float
    campaign_live_on_account: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What limits one claim."""

    campaign_live: int
    campaign_max_concurrent: int
    campaign_calls_per_second: float
    campaign_waiting: int
    campaign_backlog_s: float
    workspace_live: int
    workspace_max_concurrent: int
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
    turns = undialed_allowed(
        capacity.campaign_calls_per_second, capacity.campaign_waiting, capacity.campaign_backlog_s, turn_s
    )
    free = {number.number_id: _free(number) for number in capacity.numbers}
    accounts = {number.account_id: _free_on_account(number) for number in capacity.numbers}
    account_turns = {number.account_id: _turns_on_account(number, turn_s) for number in capacity.numbers}
    busy = {number.number_id: number.live for number in capacity.numbers}
    chosen: list[NumberCapacity] = []
    while len(chosen) < min(slots, turns):
        able = [
            number
            for number in capacity.numbers
            if free[number.number_id] > 0 and accounts[number.account_id] > 0 and account_turns[number.account_id] > 0
        ]
        if not able:
            break
        best = min(able, key=lambda number: busy[number.number_id])
        chosen.append(best)
        busy[best.number_id] += 1
        free[best.number_id] -= 1
        accounts[best.account_id] -= 1
        account_turns[best.account_id] -= 1
    has_slots = slots > 0 and any(
        free[number.number_id] > 0 and accounts[number.account_id] > 0 for number in capacity.numbers
    )
    return Room(numbers=tuple(chosen), paced=not chosen and has_slots)


def undialed_allowed(calls_per_second: float, waiting: int, backlog_s: float, turn_s: float) -> int:
    """How many more calls may wait for their turn, when ``waiting`` do already."""
    fits = math.floor((turn_s - max(backlog_s, 0.0)) * calls_per_second + 1e-9) - waiting
    slow = waiting == 0 and backlog_s < turn_s / 2
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


def _turns_on_account(number: NumberCapacity, turn_s: float) -> int:
    rate = number.account_calls_per_second
    allowed = undialed_allowed(rate, number.account_waiting, number.account_backlog_s, turn_s)
    return allowed if number.account_share >= 1 else min(allowed, math.ceil(rate * turn_s * number.account_share))
