"""How many calls a campaign may claim now, and from which caller numbers.

A slot *is* a live call, so every figure here is a count of rows taken under the limits' locks. Not more than one
second's worth of calls may wait for their turn, so that a change of mind (pause, edit, opt-out) finds few of them.
What several campaigns want of one account, or of the workspace, is shared by weight (``shares``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dialer.domain.shares import Allotment, Contender, allot

#: Between two looks of a leg that nobody wakes: the shortest and the longest.
SOONEST_LOOK_S = 0.05
LATEST_LOOK_S = 2.0
LATEST_LOOK_AT_OWN_PACE_S = 1.0
#: Where more campaigns than this wait for one limit, they are told whose turn it is and need not look. Each does so,
#: in case it was not heard, but the more rarely the more they are, so that all together look no more often.
CROWD = 20
LATEST_LOOK_IN_A_CROWD_S = 60.0


class Blocked(StrEnum):
    """What keeps a campaign from claiming anybody now."""

    SLOTS = "slots"
    DAY = "day"
    """Its caller numbers have made all calls that they may make in 24 hours."""
    PACE = "pace"
    SHARE = "share"
    """There is room, and it is the others' turn."""
    CARRIER = "carrier"
    """No account that it may use answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One limit in calls per second: ``waiting`` calls have no turn yet, and its pace row lies ``backlog_s`` ahead."""

    per_second: float
    waiting: int = 0
    backlog_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLimit:
    """An account's or the workspace's limit. ``asking`` is None while the carrier answers.

    Else it is how many calls may be made to find out whether it answers again: one or none. ``opens_at`` is until when
    nobody may, None once somebody may.
    """

    live: int
    max_concurrent: int
    rate: Rate
    asking: int | None = None
    opens_at: datetime | None = None

    def free(self, turn_s: float) -> int:
        """Calls that may be claimed now, by everybody together."""
        free = max(0, min(self.max_concurrent - self.live, turns_left(self.rate, turn_s)))
        return free if self.asking is None else min(free, self.asking)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCapacity:
    """One caller number of the campaign. ``None`` limits nothing."""

    number_id: UUID
    phone: str
    account_id: UUID
    live: int
    max_concurrent: int | None
    calls_per_day: int | None
    calls_today: int
    rate: Rate | None

    def slots(self) -> int:
        """Free ones, by concurrency and by the day."""
        limits = [
            limit - used
            for limit, used in ((self.max_concurrent, self.live), (self.calls_per_day, self.calls_today))
            if limit is not None
        ]
        return max(0, min(limits, default=10**9))

    @property
    def is_spent(self) -> bool:
        """True when it has made all calls that it may make in 24 hours."""
        return self.calls_per_day is not None and self.calls_today >= self.calls_per_day

    def turns(self, turn_s: float) -> int:
        return turns_left(self.rate, turn_s) if self.rate is not None else 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What limits one claim. ``accounts`` are those of the numbers, and others at which somebody wants to call.

    ``counts`` are the campaign's own at its accounts, by account, and ``count`` that in the workspace; ``contenders``
    are the other campaigns.
    """

    campaign_id: UUID
    weight: float
    campaign_live: int
    campaign_max_concurrent: int
    campaign_rate: Rate
    workspace: SharedLimit
    accounts: Mapping[UUID, SharedLimit]
    numbers: Sequence[NumberCapacity]
    count: float = 0.0
    counts: Mapping[UUID, float]
    contenders: Sequence[Contender] = ()

    def own_turns(self, turn_s: float) -> int:
        """What the campaign's own pace allows."""
        return turns_left(self.campaign_rate, turn_s)

    def own_room(self, turn_s: float) -> int:
        """What the campaign's own limits allow."""
        slots = self.campaign_max_concurrent - self.campaign_live
        return max(0, min(slots, self.own_turns(turn_s)))

    def shared_room(self, turn_s: float) -> int:
        """What workspace and accounts have free for everybody together."""
        mine = {number.account_id for number in self.numbers}
        return min(self.workspace.free(turn_s), sum(self.accounts[account].free(turn_s) for account in mine))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One caller number per call that may be claimed; when there is none, what is in the way.

    ``retry_s``: look again after this, when nobody wakes the campaign before. ``wants``: what it could have claimed
    besides, by account, had it been left room. ``others`` are campaigns that may claim now.
    """

    numbers: tuple[NumberCapacity, ...]
    blocked: Blocked | None
    retry_s: float | None
    wants: Mapping[UUID, int]
    others: tuple[UUID, ...] = ()
    scarce: bool = False
    """The campaigns share the workspace, which leaves less than its accounts."""
    paced: bool = False
    """The campaign's own pace allows nobody."""


def room(capacity: Capacity, turn_s: float, due: int) -> Room:
    """What may be claimed now when ``due`` people are due, spread over the caller numbers, the least busy first."""
    own = min(capacity.own_room(turn_s), due)
    free = {number.number_id: min(number.slots(), number.turns(turn_s)) for number in capacity.numbers}
    accounts = {number.account_id for number in capacity.numbers}
    demand = {
        account: 0
        if capacity.accounts[account].opens_at is not None
        else min(own, sum(free[n.number_id] for n in capacity.numbers if n.account_id == account))
        for account in accounts
    }
    shares = _allot(capacity, turn_s, demand)
    chosen = _spread(capacity.numbers, free, shares.mine, min(own, capacity.workspace.free(turn_s)))
    taken = {account: sum(1 for n in chosen if n.account_id == account) for account in accounts}
    left = own - len(chosen)
    wants = {account: min(left, demand[account] - taken[account]) for account in accounts}
    blocked = None if chosen or not due else _blocked(capacity, turn_s)
    # Who wants nothing of what is shared, since limits of its own are in the way, is told by nobody.
    crowd = _crowd(capacity, scarce=shares.scarce) if any(wants.values()) else 0.0
    return Room(
        numbers=chosen,
        blocked=blocked,
        retry_s=None if blocked is None else _retry_s(capacity, turn_s, blocked, shares.behind, crowd),
        wants=wants,
        others=shares.others,
        scarce=shares.scarce,
        paced=capacity.own_turns(turn_s) <= 0,
    )


def turns_left(rate: Rate, turn_s: float) -> int:
    """How many more calls may be claimed and wait for their turn: what fits into ``turn_s`` seconds, less who waits.

    A rate so slow that nothing fits admits one call at a time, once its turn is near.
    """
    fits = math.floor((turn_s - max(rate.backlog_s, 0.0)) * rate.per_second + 1e-9) - rate.waiting
    slow = rate.waiting == 0 and rate.backlog_s < turn_s / 2
    return max(fits, 1 if slow else 0)


def _allot(capacity: Capacity, turn_s: float, demand: Mapping[UUID, int]) -> Allotment:
    mine = [
        Contender(
            campaign_id=capacity.campaign_id,
            account_id=account,
            weight=capacity.weight,
            on_account=capacity.counts.get(account, 0.0),
            in_workspace=capacity.count,
            wants=wants,
        )
        for account, wants in demand.items()
    ]
    free = {account: limit.free(turn_s) for account, limit in capacity.accounts.items()}
    return allot(capacity.campaign_id, capacity.workspace.free(turn_s), free, [*mine, *capacity.contenders])


def _spread(
    numbers: Sequence[NumberCapacity], free: Mapping[UUID, int], on_account: Mapping[UUID, int], most: int
) -> tuple[NumberCapacity, ...]:
    left, accounts = dict(free), dict(on_account)
    busy = {number.number_id: number.live for number in numbers}
    chosen: list[NumberCapacity] = []
    while len(chosen) < most:
        able = [n for n in numbers if left[n.number_id] > 0 and accounts.get(n.account_id, 0) > 0]
        if not able:
            break
        best = min(able, key=lambda number: busy[number.number_id])
        chosen.append(best)
        busy[best.number_id] += 1
        left[best.number_id] -= 1
        accounts[best.account_id] -= 1
    return tuple(chosen)


def _blocked(capacity: Capacity, turn_s: float) -> Blocked:
    limits = [(number, capacity.accounts[number.account_id]) for number in capacity.numbers]
    if limits and all(account.asking == 0 for _, account in limits):
        return Blocked.CARRIER
    slots = min(
        capacity.campaign_max_concurrent - capacity.campaign_live,
        capacity.workspace.max_concurrent - capacity.workspace.live,
    )
    able = [(n, a) for n, a in limits if n.slots() > 0 and a.max_concurrent > a.live]
    if slots <= 0 or not able:
        spent = bool(limits) and all(number.is_spent for number, _ in limits)
        return Blocked.DAY if slots > 0 and spent else Blocked.SLOTS
    own_pace = capacity.own_turns(turn_s) <= 0
    paced = own_pace or turns_left(capacity.workspace.rate, turn_s) <= 0
    turns = any(n.turns(turn_s) > 0 and turns_left(a.rate, turn_s) > 0 for n, a in able)
    return Blocked.PACE if paced or not turns else Blocked.SHARE


def _crowd(capacity: Capacity, *, scarce: bool) -> float:
    """How many others wait for what the campaign waits for, in crowds."""
    mine = {number.account_id for number in capacity.numbers}
    return len({one.campaign_id for one in capacity.contenders if scarce or one.account_id in mine}) / CROWD


def _retry_s(capacity: Capacity, turn_s: float, blocked: Blocked, behind: float, crowd: float) -> float | None:
    """None: a slot that becomes free, or the carrier, decides when."""
    if blocked not in (Blocked.PACE, Blocked.SHARE):
        return None
    if capacity.own_turns(turn_s) <= 0:
        wait_s = 0.5 / capacity.campaign_rate.per_second
        return max(SOONEST_LOOK_S, min(wait_s, LATEST_LOOK_AT_OWN_PACE_S))
    rates = [capacity.workspace.rate.per_second]
    rates += [
        min(capacity.accounts[n.account_id].rate.per_second, n.rate.per_second if n.rate is not None else math.inf)
        for n in capacity.numbers
    ]
    if crowd > 1:
        return min((2 * crowd - 1) * LATEST_LOOK_S, LATEST_LOOK_IN_A_CROWD_S)
    return max(SOONEST_LOOK_S, min((behind + 0.5) / min(rates), LATEST_LOOK_S))
