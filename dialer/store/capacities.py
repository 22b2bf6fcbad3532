"""What is in use of every limit that bears on a campaign, counted from rows, and who else wants something of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.slots import Capacity, NumberCapacity, Rate, SharedLimit
from dialer.store.breakers import ASKING
from dialer.store.database import rows
from dialer.store.shared_limits import MADE_TODAY
from dialer.store.shares import Standing, read_standing
from dialer.store.tables.base import LIVE


def _backlog(scope: str, scope_id: str) -> str:
    """How far a pace row lies ahead of now, in seconds."""
    return f"""(SELECT extract(epoch FROM next_at - dialer_now()) FROM pace
        WHERE scope = '{scope}' AND scope_id = {scope_id})::float8"""


_CAMPAIGN_USE = f"""
    SELECT (SELECT count(*) FROM calls WHERE campaign_id = :campaign AND {LIVE}) AS live,
        (SELECT count(*) FROM calls WHERE campaign_id = :campaign AND state = 'claimed') AS waiting,
        {_backlog("campaign", ":campaign")} AS backlog,
        (SELECT count(*) FROM calls WHERE workspace_id = :workspace AND {LIVE}) AS workspace_live,
        (SELECT count(*) FROM calls WHERE workspace_id = :workspace AND state = 'claimed') AS workspace_waiting,
        {_backlog("workspace", ":workspace")} AS workspace_backlog,
        w.max_concurrent AS workspace_max, w.calls_per_second AS workspace_rate
    FROM workspaces w WHERE w.id = :workspace"""

_NUMBER_USE = f"""
    SELECT n.id, n.phone, n.max_concurrent, n.calls_per_day, n.calls_per_second, n.carrier_account_id,
        (SELECT count(*) FROM calls WHERE phone_number_id = n.id AND {LIVE}) AS live,
        (SELECT count(*) FROM calls WHERE phone_number_id = n.id AND state = 'claimed') AS waiting,
        {_backlog("number", "n.id")} AS backlog,
        {MADE_TODAY} AS today
    FROM campaign_numbers cn JOIN phone_numbers n ON n.id = cn.phone_number_id
    WHERE cn.campaign_id = :campaign ORDER BY cn.position"""

_ACCOUNT_USE = f"""
    SELECT a.id, a.max_concurrent, a.calls_per_second,
        (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND {LIVE}) AS live,
        (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND state = 'claimed') AS waiting,
        {_backlog("account", "a.id")} AS backlog,
        {ASKING} AS asking, CASE WHEN b.open_until > dialer_now() THEN b.open_until END AS opens_at
    FROM carrier_accounts a LEFT JOIN backoffs b ON b.carrier_account_id = a.id WHERE a.id = ANY(:accounts)"""


async def read_capacity(session: AsyncSession, campaign: Row[Any], rules: CampaignRules) -> Capacity:
    """Count what is in use of every limit that bears on the campaign (id, workspace_id)."""
    capacity, _ = await read_capacity_and_standing(session, campaign, rules)
    return capacity


async def read_capacity_and_standing(
    session: AsyncSession, campaign: Row[Any], rules: CampaignRules
) -> tuple[Capacity, Standing]:
    """The same, and where the campaign stands among the others."""
    parameters = {"campaign": campaign.id, "workspace": campaign.workspace_id}
    head = (await rows(session, _CAMPAIGN_USE, parameters))[0]
    numbers = tuple(_number(row) for row in await rows(session, _NUMBER_USE, parameters))
    accounts = sorted({number.account_id for number in numbers})
    standing = await read_standing(session, campaign.workspace_id, campaign.id, accounts)
    wanted = {one.account_id for one in standing.contenders}
    capacity = Capacity(
        campaign_id=campaign.id,
        weight=rules.pace.weight,
        campaign_live=head.live,
        campaign_max_concurrent=rules.pace.max_concurrent,
        campaign_rate=_rate(rules.pace.calls_per_second, head.waiting, head.backlog),
        workspace=SharedLimit(
            live=head.workspace_live,
            max_concurrent=head.workspace_max,
            rate=_rate(head.workspace_rate, head.workspace_waiting, head.workspace_backlog),
        ),
        accounts=await _accounts(session, sorted({*accounts, *wanted})),
        numbers=numbers,
        count=standing.count,
        counts=standing.counts,
        contenders=standing.contenders,
    )
    return capacity, standing


async def _accounts(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, SharedLimit]:
    return {
        row.id: SharedLimit(
            live=row.live,
            max_concurrent=row.max_concurrent,
            rate=_rate(row.calls_per_second, row.waiting, row.backlog),
            asking=row.asking,
            opens_at=row.opens_at,
        )
        for row in await rows(session, _ACCOUNT_USE, {"accounts": list(ids)})
    }


def _number(row: Row[Any]) -> NumberCapacity:
    paced = row.calls_per_second is not None
    return NumberCapacity(
        number_id=row.id,
        phone=row.phone,
        account_id=row.carrier_account_id,
        live=row.live,
        max_concurrent=row.max_concurrent,
        calls_per_day=row.calls_per_day,
        calls_today=row.today,
        rate=_rate(row.calls_per_second, row.waiting, row.backlog) if paced else None,
    )


def _rate(per_second: float, waiting: int, backlog_s: float | None) -> Rate:
    return Rate(per_second=per_second, waiting=waiting, backlog_s=backlog_s or 0.0)
