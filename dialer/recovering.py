"""After a restore of the database: ask the carrier for the calls that it has lost, before anybody is dialed again.

Everything is paused first. Then every carrier account is asked for its calls since the newest one that the database
knew when the restore was noticed, and each call that is missing is recorded as the attempt that it was. Only when all
accounts have answered and all is written does the restore count as recovered; until then every sweep and every
dispatch leg pauses again what is resumed. Run twice, it changes nothing the second time.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.carriers.base import CallNotFound, Carrier, CarrierCall, CarrierError
from dialer.domain.states import PausedReason
from dialer.domain.timing import Timing
from dialer.recovered_calls import Found, Listed, live_at_carrier, record
from dialer.sealing import SealBroken
from dialer.store import recoveries
from dialer.store.control import StateConflict, pause, resume
from dialer.store.database import Database, rows
from dialer.store.recoveries import PausedCampaign

#: Added to the gap at its beginning: a call is dialed up to a minute after its claim, and clocks differ.
MARGIN = timedelta(minutes=15)

Say = Callable[[str], None]


class CannotAsk(Exception):
    """Carrier accounts that did not answer, with the reason of each. Nothing was recorded."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{account}: {reason}" for account, reason in reasons.items()))
        self.reasons = dict(reasons)


class Carriers(Protocol):
    """The carrier of each account."""

    async def of(self, workspace_id: UUID, carrier_account_id: UUID) -> Carrier:
        """Raises LookupError for an unknown account, and SealBroken for a secret of another key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account at the carrier. Several workspaces may have it; ``ids`` are theirs."""

    sid: str
    label: str
    ids: tuple[UUID, ...]
    workspace_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """What was found at one account, by kind."""

    account: Account
    found: Mapping[Found, int]

    @property
    def at_carrier(self) -> int:
        return sum(self.found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a recovery did; ``recovered_at`` is None for one that was only tried."""

    since: datetime
    until: datetime
    accounts: Sequence[AccountReport]
    waiting: Sequence[PausedCampaign] = field(default_factory=tuple)
    """Campaigns that were paused because of the restore."""
    recovered_at: datetime | None = None


async def pause_everything(database: Database) -> list[UUID]:
    """Every campaign that calls or will: one at a time, under its lock, so that no gate that saw it running is under
    way afterwards. Returns those that were paused now.
    """
    async with database.transaction_over_all() as session:
        await recoveries.note_restore(session)
        campaigns = await recoveries.callable_campaigns(session)
    paused: list[UUID] = []
    for workspace_id, campaign_id in campaigns:
        try:
            async with database.transaction(workspace_id) as session:
                await pause(session, campaign_id, reason=PausedReason.DATABASE_RESTORED)
        except StateConflict:
            continue
        paused.append(campaign_id)
    return paused


async def recover(
    database: Database,
    carriers: Carriers,
    *,
    timing: Timing,
    since: datetime | None = None,
    skip: Collection[str] = (),
    dry_run: bool = False,
    say: Say = lambda _: None,
) -> Recovered:
    """Make the database know every call that the carriers have placed since ``since``; by default, in the gap.

    ``skip``: SIDs of accounts that are not asked. Raises CannotAsk, and then nothing is recorded.
    """
    if not dry_run:
        await pause_everything(database)
    async with database.transaction_over_all() as session:
        begins = since or await recoveries.gap_begins(session) - MARGIN
        accounts = [account for account in await _accounts(session) if account.sid not in skip]
        until = (await rows(session, "SELECT dialer_now() AS now"))[0].now
    listed = await _ask(database, carriers, accounts, begins, say)
    reports: list[AccountReport] = []
    async with _Writing(database, dry_run=dry_run) as writing:
        for account in accounts:
            found: Counter[Found] = Counter()
            for position, call in enumerate(listed[account]):
                if position % 100 == 0:
                    say(f"{account.label}: {position} of {len(listed[account])} calls")
                async with writing.transaction() as session:
                    found[await record(session, call, timing)] += 1
            reports.append(AccountReport(account=account, found=found))
        async with writing.transaction() as session:
            recovered_at = await recoveries.close_recoveries(session, begins, _facts(reports))
            waiting = await recoveries.paused_campaigns(session)
    return Recovered(
        since=begins,
        until=until,
        accounts=reports,
        waiting=waiting,
        recovered_at=None if dry_run else recovered_at,
    )


async def resume_all(database: Database, campaigns: Sequence[PausedCampaign]) -> list[PausedCampaign]:
    """Resume what waited for the recovery; those that were resumed."""
    resumed: list[PausedCampaign] = []
    for campaign in campaigns:
        try:
            async with database.transaction(campaign.workspace_id) as session:
                await resume(session, campaign.campaign_id)
        except (StateConflict, LookupError):
            continue
        resumed.append(campaign)
    return resumed


class _Writing:
    """A transaction for each call; or, when it is only tried, one for all that is rolled back in the end."""

    def __init__(self, database: Database, *, dry_run: bool) -> None:
        self._database = database
        self._dry_run = dry_run
        self._tried: AsyncSession | None = None

    async def __aenter__(self) -> "_Writing":
        if self._dry_run:
            self._tried = AsyncSession(self._database.engine, expire_on_commit=False)
            await rows(self._tried, "SELECT set_config('dialer.workspace', '*', true)")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tried is not None:
            await self._tried.rollback()
            await self._tried.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        if self._tried is not None:
            yield self._tried
            return
        async with self._database.transaction_over_all() as session:
            yield session


async def _accounts(session: AsyncSession) -> list[Account]:
    sql = """
        SELECT account_sid, base_url, min(label) AS label, array_agg(id ORDER BY id) AS ids,
            (array_agg(workspace_id ORDER BY id))[1] AS workspace_id
        FROM carrier_accounts GROUP BY account_sid, base_url ORDER BY account_sid, base_url"""
    return [
        Account(sid=row.account_sid, label=row.label, ids=tuple(row.ids), workspace_id=row.workspace_id)
        for row in await rows(session, sql)
    ]


async def _ask(
    database: Database, carriers: Carriers, accounts: Sequence[Account], since: datetime, say: Say
) -> dict[Account, list[Listed]]:
    """What each account lists, oldest first, and what became of calls that the database believes to go on."""
    listed: dict[Account, list[Listed]] = {}
    reasons: dict[str, str] = {}
    for account in accounts:
        say(f"asking {account.label} ({account.sid})")
        try:
            calls = await _ask_one(database, carriers, account, since)
        except (CarrierError, LookupError, SealBroken) as error:
            reasons[account.sid] = str(error)
            continue
        # Of the same second, the one that is listed later is the older one.
        placed = [
            Listed(accounts=account.ids, call=call, placed_at=call.created_at or call.started_at or since)
            for call in reversed(calls)
        ]
        listed[account] = sorted(placed, key=lambda each: each.placed_at)
    if reasons:
        raise CannotAsk(reasons)
    return listed


async def _ask_one(database: Database, carriers: Carriers, account: Account, since: datetime) -> list[CarrierCall]:
    carrier = await carriers.of(account.workspace_id, account.ids[0])
    calls = list(await carrier.placed_from(from_=None, since=since))
    async with database.transaction_over_all() as session:
        live = await live_at_carrier(session, account.ids)
    for carrier_call_id in live.keys() - {call.carrier_call_id for call in calls}:
        try:
            calls.append(await carrier.fetch(carrier_call_id))
        except CallNotFound:
            continue
    return calls


def _facts(reports: Sequence[AccountReport]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for report in reports:
        total.update({found.value: n for found, n in report.found.items()})
    return dict(total)
