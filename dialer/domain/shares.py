"""Fair shares: which campaign is next where several want more calls than an account or a workspace leaves room for.

Every campaign has a count at each limit: the calls that it has begun there, divided by its weight. Whoever has the
least is next, so that calls begun follow the weights, however small a share is and however long calls last. Nobody
saves up: a campaign that wanted nothing for a while goes on where those are who want something now.

https://en.wikipedia.org/wiki/Start-time_fair_queueing
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One campaign at one account: it could begin ``wants`` calls there now, if the others left room.

    ``on_account`` and ``in_workspace`` are its counts there.
    """

    campaign_id: UUID
    account_id: UUID
    weight: float
    on_account: float
    in_workspace: float
    wants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """How many of the free calls are this campaign's, by account; who of the others may begin one now.

    ``behind`` estimates how many calls of others come before this campaign's next one.
    """

    mine: Mapping[UUID, int]
    others: tuple[UUID, ...]
    behind: float
    scarce: bool
    """The workspace leaves less than its accounts: campaigns share the workspace, and not each account."""


def allot(
    me: UUID, workspace_free: int, account_free: Mapping[UUID, int], contenders: Sequence[Contender]
) -> Allotment:
    """Share out what is free now.

    Each account is shared by the counts on it. Only when the workspace leaves less than its accounts, the counts in
    the workspace decide for all of them, so that nobody waits at one limit for somebody who waits for them at another.
    """
    wanting = [one for one in contenders if one.wants > 0]
    usable = {
        account: min(max(free, 0), sum(one.wants for one in wanting if one.account_id == account))
        for account, free in account_free.items()
    }
    total = sum(usable.values())
    scarce = max(workspace_free, 0) < total
    tag_of = _in_workspace if scarce else _on_account
    given = _serve(wanting, usable, min(max(workspace_free, 0), total), tag_of)
    mine = {account: n for (campaign, account), n in given.items() if campaign == me}
    # First those at the accounts of this campaign: whoever calls over others is told by the campaigns there.
    near = {one.account_id for one in contenders if one.campaign_id == me}
    order = sorted(given, key=lambda each: each[1] not in near)
    others = tuple(dict.fromkeys(campaign for campaign, _ in order if campaign != me))
    return Allotment(mine=mine, others=others, behind=_behind(me, wanting, tag_of), scarce=scarce)


def starting_count(own: float, waits: bool, others: float) -> float:
    """From where a campaign counts on: from its ``own`` count while it ``waits``, else from no less than the others'.

    ``others`` is the least count of those who want something, or the highest of all when nobody does.
    """
    return own if waits else max(own, others)


def _on_account(one: Contender) -> float:
    return one.on_account


def _in_workspace(one: Contender) -> float:
    return one.in_workspace


def _serve(
    wanting: Sequence[Contender], usable: Mapping[UUID, int], total: int, tag_of: Callable[[Contender], float]
) -> dict[tuple[UUID, UUID], int]:
    """Give out ``total`` calls one by one; by (campaign, account), in the order of each one's first.

    In the workspace a campaign has one count for all of its accounts; on accounts one for each.
    """
    shared = tag_of is _in_workspace
    tags: dict[tuple[UUID, ...], float] = {}
    queue: list[tuple[float, float, UUID, UUID, int]] = []
    left = dict(usable)
    wants = [one.wants for one in wanting]

    def enter(place: int) -> None:
        one = wanting[place]
        tag = tags.setdefault(_key(one, shared), tag_of(one))
        heapq.heappush(queue, (tag, tag + 1 / one.weight, one.campaign_id, one.account_id, place))

    for place in range(len(wanting)):
        enter(place)
    given: dict[tuple[UUID, UUID], int] = {}
    while queue and total > 0:
        tag, _, campaign, account, place = heapq.heappop(queue)
        if not wants[place] or not left.get(account, 0):
            continue
        key = _key(wanting[place], shared)
        if tag == tags[key]:
            given[campaign, account] = given.get((campaign, account), 0) + 1
            tags[key] = tag + 1 / wanting[place].weight
            wants[place] -= 1
            left[account] -= 1
            total -= 1
        enter(place)
    return given


def _key(one: Contender, shared: bool) -> tuple[UUID, ...]:
    return (one.campaign_id,) if shared else (one.campaign_id, one.account_id)


def _behind(me: UUID, wanting: Sequence[Contender], tag_of: Callable[[Contender], float]) -> float:
    """Others are served until their counts have passed this campaign's; at its best account."""
    found = [
        sum(
            max(0.0, (tag_of(own) - tag_of(one)) * one.weight)
            for one in wanting
            if one.campaign_id != me and (tag_of is _in_workspace or one.account_id == own.account_id)
        )
        for own in wanting
        if own.campaign_id == me
    ]
    return min(found, default=0.0)
