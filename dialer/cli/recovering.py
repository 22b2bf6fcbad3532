"""What ``dialer recover`` does."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from dialer.carrier_accounts import CarrierAccounts
from dialer.recovered_calls import Found
from dialer.recovering import CannotAsk, Recovered, pause_everything, recover, resume_all
from dialer.sealing import Seal
from dialer.settings import Settings, WrongEnvironment, temporal_connection
from dialer.stack.home import read_json
from dialer.store.database import Database
from dialer.store.recoveries import PausedCampaign
from dialer.terminal import errors, output

NUDGE_S = 5.0
_COLUMNS = {
    Found.KNOWN: "known",
    Found.ADOPTED: "adopted",
    Found.RECOVERED: "recovered",
    Found.AMBIGUOUS: "ambiguous",
    Found.WITHOUT_CAMPAIGN: "no campaign",
    Found.NOT_OURS: "not ours",
}
_QUESTION = "This pauses every campaign until it is done. Go on?"


class Unready(Exception):
    """What is needed to begin is missing; the message says what."""


def recover_home(
    home: Path, since: datetime | None, skip: Sequence[str], *, dry_run: bool, resume: bool, yes: bool, begin: bool
) -> int:
    """Recovers the database that the stack of ``home`` or the environment names; the exit code."""
    try:
        settings = _settings(home)
        if begin:
            return asyncio.run(_begin(settings))
        if not (dry_run or yes) and not typer.confirm(_QUESTION):
            return 1
        return asyncio.run(_recover(settings, since, skip, dry_run=dry_run, resume=resume))
    except CannotAsk as error:
        for account, reason in error.reasons.items():
            errors().print(f"carrier account {account} cannot be asked: {reason}", markup=False, style="red")
        errors().print(
            "Nothing is recorded, and everything stays paused. Mend it and run this again; --skip leaves out an "
            "account that is gone: people whom it has called since the backup may then be called again."
        )
    except Unready as error:
        errors().print(str(error), markup=False, style="red")
    except (SQLAlchemyError, OSError) as error:
        errors().print(f"the database failed ({type(error).__name__}); run this again", style="red")
    return 1


async def _begin(settings: Settings) -> int:
    database = Database(settings.database_url, clock_offset=settings.clock_offset, pool_size=1)
    try:
        paused = await pause_everything(database)
    finally:
        await database.close()
    output().print(f"{len(paused)} campaigns are paused until `dialer recover` has asked the carrier.")
    return 0


async def _recover(
    settings: Settings, since: datetime | None, skip: Sequence[str], *, dry_run: bool, resume: bool
) -> int:
    database = Database(settings.database_url, clock_offset=settings.clock_offset, pool_size=2)
    carriers = CarrierAccounts(database, Seal(settings.secret_key), settings)
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    try:
        with errors().status("") as status:
            done = await recover(
                database,
                carriers,
                timing=settings.timing,
                since=since,
                skip=skip,
                dry_run=dry_run,
                say=lambda text: status.update(text),
            )
        resumed = await resume_all(database, done.waiting) if resume and not dry_run else None
    finally:
        await carriers.close()
        await database.close()
    _show(done, resumed)
    if resumed and not await _nudge(resumed):
        output().print("Temporal could not be told; the next sweep wakes them, within a minute.")
    return 0


async def _nudge(campaigns: Sequence[PausedCampaign]) -> bool:
    """Wake the campaigns' workflows. False when Temporal does not answer."""
    try:
        async with asyncio.timeout(NUDGE_S):
            client = await Client.connect(**temporal_connection())
            for campaign in campaigns:
                await client.get_workflow_handle(f"campaign-{campaign.campaign_id}").signal("nudge")
    except (RPCError, RuntimeError, TimeoutError):
        return False
    return True


def _show(done: Recovered, resumed: Sequence[PausedCampaign] | None) -> None:
    table = Table("account", "at the carrier", *_COLUMNS.values())
    for report in done.accounts:
        counts = [str(report.found.get(kind, 0)) for kind in _COLUMNS]
        table.add_row(f"{report.account.label} {report.account.sid}", str(report.at_carrier), *counts)
    out = output()
    out.print(table)
    gap = f"between {done.since:%Y-%m-%d %H:%M:%S} and {done.until:%Y-%m-%d %H:%M:%S} UTC"
    out.print(
        f"The carrier was asked for its calls {gap}. What else was done in that time is not at the carrier: opt-outs, "
        "suppressions, imports, edits, pauses and stops since the backup have to be made again, best before resuming.",
        highlight=False,
    )
    if done.recovered_at is None:
        out.print("This was a dry run: nothing is changed.")
    elif resumed is not None:
        out.print(f"{len(resumed)} campaigns are resumed.")
    elif done.waiting:
        out.print("These campaigns wait; `dialer recover --resume --yes`, or resume them one by one:")
        for campaign in done.waiting:
            out.print(f"  {campaign.campaign_id}  {campaign.name}", markup=False, highlight=False)


def _settings(home: Path) -> Settings:
    """Of the environment; where it is silent, of the stack that runs in ``home``. Raises Unready."""
    described: dict[str, Any] = read_json(home / "stack.json") or {}
    secrets: dict[str, Any] = read_json(home / "secrets.json") or {}
    known = {
        "DIALER_DATABASE_URL": described.get("database_url"),
        "DIALER_SECRET_KEY": secrets.get("secret_key") if described else None,
        "DIALER_CLOCK": described.get("clock"),
        "TEMPORAL_ADDRESS": described.get("temporal_address"),
    }
    for name, value in known.items():
        if value and not os.environ.get(name):
            os.environ[name] = value
    try:
        return Settings.from_env()
    except WrongEnvironment as error:
        nowhere = "" if described else f"no stack runs in {home}, and "
        raise Unready(f"{nowhere}the environment does not say enough: {error}") from None
