"""Everything that the judge looks at, read in one snapshot, so that no row is compared with a later one."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.judging.evidence import (
    CallbackRecord,
    CallRecord,
    CampaignRecord,
    Change,
    Evidence,
    ImportRecord,
    NumberRecord,
    ProspectRecord,
    RequeueRecord,
)
from dialer.domain.states import CallState, CampaignStatus, ImportStatus, ProspectState
from dialer.store.database import ALL_WORKSPACES, Database, one, rows

#: The moment of the snapshot by the product's clock, never later than what it shows.
_NOW = "SELECT now() + (dialer_now() - clock_timestamp()) AS now"
_SAME_OF_CALL = (
    *("id", "workspace_id", "campaign_id", "prospect_id", "contact_id", "carrier_account_id", "phone_number_id"),
    *("from_phone", "to_phone", "claimed_at", "settings_version", "zone_set", "carrier_call_id", "gated_at"),
    *("dialed_at", "answered_at", "ended_at", "deadline_at", "late_at", "amd_due_at", "cancel_reason", "error_code"),
    *("ringing_at", "talk_seconds", "cost", "next_due_at", "requeue_id", "callback_id"),
)
_SAME_OF_PROSPECT = (
    *("id", "campaign_id", "attempts", "updated_at", "phone", "zone_set", "zone_source", "next_due_at", "import_id"),
    *("import_row", "requeue_id", "attempts_base", "allowance"),
)
_REQUEUE = ("id", "campaign_id", "created_at", "requeued", "attempts", "not_before")
_CALLBACK = ("id", "prospect_id", "created_at", "due_at")
_SAME_OF_CAMPAIGN = ("id", "workspace_id", "settings_version", "settings", "completed_at")
_SAME_OF_IMPORT = ("id", "campaign_id", "rows_read", "created", "updated", "skipped", "failed", "rows_total")
_CHANGE = ("subject", "subject_id", "workspace_id", "at", "settled_at", "facts")
_CALLS = f"SELECT {', '.join(_SAME_OF_CALL)}, state, direction, channel, disposition, outcome, next_state FROM calls"
_PROSPECTS = f"SELECT {', '.join(_SAME_OF_PROSPECT)}, state FROM prospects"
_CAMPAIGNS = f"SELECT {', '.join(_SAME_OF_CAMPAIGN)}, status FROM campaigns"
_IMPORTS = f"""SELECT {", ".join(_SAME_OF_IMPORT)}, status FROM (
    SELECT * FROM imports WHERE NOT coalesce(CAST(options ->> 'dry_run' AS boolean), false)) AS imports"""
_CHANGES = f"SELECT {', '.join(_CHANGE)} FROM changes"
_AT_ONCE = 5000


class NotASnapshot(Exception):
    """The transaction would see what was committed while it reads."""


@asynccontextmanager
async def snapshot(database: Database) -> AsyncGenerator[AsyncSession]:
    """A transaction over all workspaces that sees one moment, and writes nothing."""
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        await session.execute(text("SET TRANSACTION READ ONLY"))
        await session.execute(text("SELECT set_config('dialer.workspace', :all, true)"), {"all": ALL_WORKSPACES})
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            await session.execute(text(f"SET LOCAL {limit} = '30min'"))  # a million rows take longer than a request
        yield session


async def find_campaign(session: AsyncSession, reference: str) -> UUID:
    """The campaign with this id or slug, in any workspace. Raises LookupError when there is none, or more than one."""
    found = await rows(session, "SELECT id FROM campaigns WHERE id::text = :r OR slug = :r LIMIT 2", {"r": reference})
    if len(found) != 1:
        raise LookupError(f"there is no campaign {reference}" if not found else f"{reference} is several: give an id")
    return found[0].id


async def read_evidence(session: AsyncSession, *, campaign_id: UUID | None = None) -> Evidence:
    """The evidence of one campaign, or of everything, without the carrier's records.

    ``session`` is one of ``snapshot``. With a campaign, the other calls under the same limits are read too, since they
    count. Raises LookupError when there is no such campaign, NotASnapshot.
    """
    isolation = await one(session, "SHOW transaction_isolation")
    if isolation is None or isolation[0] != "repeatable read":
        raise NotASnapshot
    now = await one(session, _NOW)
    assert now is not None
    evidence = Evidence(now=now.now, judged=None if campaign_id is None else frozenset({campaign_id}))
    if campaign_id is None:
        return await _read(session, evidence, {}, where="", numbers="")
    campaign = await one(session, "SELECT workspace_id FROM campaigns WHERE id = :id", {"id": campaign_id})
    if campaign is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    # A number, as its account, may serve several workspaces: whose call a carrier's record is, all of them can tell.
    numbers = """WHERE n.phone IN (
        SELECT m.phone FROM campaign_numbers c JOIN phone_numbers m ON m.id = c.phone_number_id
            WHERE c.campaign_id = :id
        UNION SELECT m.phone FROM calls c JOIN phone_numbers m ON m.id = c.phone_number_id WHERE c.campaign_id = :id)"""
    where = f"""WHERE workspace_id = :workspace OR phone_number_id IN (SELECT n.id FROM phone_numbers n {numbers})"""
    parameters = {"id": campaign_id, "workspace": campaign.workspace_id}
    return await _read(session, evidence, parameters, where=where, numbers=numbers)


async def _read(
    session: AsyncSession, evidence: Evidence, parameters: Mapping[str, Any], *, where: str, numbers: str
) -> Evidence:
    of_campaign = "WHERE campaign_id = :id" if where else ""
    subjects = "WHERE workspace_id = :workspace" if where else ""
    tallies = await _tallies(session, of_campaign, parameters)
    found = await rows(session, f"{_CAMPAIGNS} {'WHERE id = :id' if where else ''}", parameters)
    imports = await rows(session, f"{_IMPORTS} {of_campaign}", parameters)
    requeues = await rows(session, f"SELECT {', '.join(_REQUEUE)} FROM requeues {of_campaign}", parameters)
    asked = _stream(session, f"SELECT {', '.join(_CALLBACK)} FROM callback_requests {of_campaign}", parameters)
    return replace(
        evidence,
        calls=tuple([_call(row) async for row in _stream(session, f"{_CALLS} {where}", parameters)]),
        prospects=tuple([_prospect(row) async for row in _stream(session, f"{_PROSPECTS} {of_campaign}", parameters)]),
        campaigns=tuple(_campaign(row, tallies.get(row.id, {})) for row in found),
        imports=tuple(_import(row) for row in imports),
        numbers=await _numbers(session, numbers, parameters),
        requeues=tuple(RequeueRecord(**_named(row, _REQUEUE)) for row in requeues),
        callbacks=tuple([CallbackRecord(**_named(row, _CALLBACK)) async for row in asked]),
        changes=tuple([_change(row) async for row in _stream(session, f"{_CHANGES} {subjects}", parameters)]),
    )


async def _stream(session: AsyncSession, sql: str, parameters: Mapping[str, Any]) -> AsyncGenerator[Row[Any]]:
    """Row by row, so that a million of them are in memory once."""
    result = await session.stream(text(sql), dict(parameters), execution_options={"yield_per": _AT_ONCE})
    async for row in result:
        yield row


async def _tallies(
    session: AsyncSession, where: str, parameters: Mapping[str, Any]
) -> dict[UUID, dict[tuple[str, str], Decimal]]:
    sql = f"SELECT campaign_id, kind, key, sum(n) AS n FROM tallies {where} GROUP BY 1, 2, 3"
    found: dict[UUID, dict[tuple[str, str], Decimal]] = defaultdict(dict)
    for row in await rows(session, sql, parameters):
        found[row.campaign_id][row.kind, row.key] = row.n
    return found


async def _numbers(session: AsyncSession, where: str, parameters: Mapping[str, Any]) -> tuple[NumberRecord, ...]:
    sql = f"""SELECT n.id, n.workspace_id, n.carrier_account_id, n.phone, a.account_sid
              FROM phone_numbers n JOIN carrier_accounts a ON a.id = n.carrier_account_id {where}"""
    columns = ("id", "workspace_id", "carrier_account_id", "phone", "account_sid")
    return tuple(NumberRecord(**_named(row, columns)) for row in await rows(session, sql, parameters))


def _call(row: Row[Any]) -> CallRecord:
    return CallRecord(
        **_named(row, _SAME_OF_CALL),
        state=CallState(row.state),
        outbound=row.direction == "outbound" and row.channel == "phone",
        inbound=row.direction == "inbound",
        disposition=Disposition(row.disposition) if row.disposition is not None else None,
        outcome=Outcome(row.outcome) if row.outcome is not None else None,
        next_state=ProspectState(row.next_state) if row.next_state is not None else None,
    )


def _prospect(row: Row[Any]) -> ProspectRecord:
    return ProspectRecord(**_named(row, _SAME_OF_PROSPECT), state=ProspectState(row.state))


def _campaign(row: Row[Any], tallies: Mapping[tuple[str, str], Decimal]) -> CampaignRecord:
    same = _named(row, _SAME_OF_CAMPAIGN)
    return CampaignRecord(**same, status=CampaignStatus(row.status), tallies=tallies)


def _import(row: Row[Any]) -> ImportRecord:
    return ImportRecord(**_named(row, _SAME_OF_IMPORT), status=ImportStatus(row.status))


def _change(row: Row[Any]) -> Change:
    return Change(**_named(row, _CHANGE))


def _named(row: Row[Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
