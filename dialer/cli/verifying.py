"""What ``dialer verify`` does: reads our rows and the carrier's own log, asks the judge, and tells the verdict."""

import asyncio
import gc
import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from dialer.carrier_accounts import CarrierAccounts
from dialer.carrier_ledgers import LedgerUnreadable, list_at_carrier, read_ledger
from dialer.carriers.base import CarrierError
from dialer.clock import parse_offset
from dialer.domain.judging.evidence import Evidence
from dialer.domain.judging.judge import RULES, CannotJudge, judge
from dialer.domain.judging.verdicts import RuleResult, Tolerances, Verdict
from dialer.sealing import Seal, SealBroken
from dialer.settings import Settings, WrongEnvironment, timing_from
from dialer.stack.home import read_json
from dialer.store.database import Database
from dialer.store.evidence import find_campaign, read_evidence, snapshot
from dialer.terminal import errors, output

CLEAN, VIOLATED, CANNOT_JUDGE = 0, 1, 2
_READING = ("reading the database", "reading the carrier's log")

Tell = Callable[[str], None]


class Unverifiable(Exception):
    """What is needed for a verdict is missing; the message says what."""


def verify_home(
    home: Path, *, campaign: str | None, carrier_log: str | None, as_json: bool, nobody_deleted: bool
) -> int:
    """Judges, tells and returns the exit code."""
    with _bar(errors()) as tell:
        try:
            verdict = _verdict(campaign, carrier_log, home, tell, nobody_deleted=nobody_deleted)
        except (Unverifiable, LedgerUnreadable, CannotJudge, LookupError) as error:
            return _refuse(str(error))
        except (CarrierError, SealBroken) as error:
            return _refuse(f"the carrier's list cannot be read: {error}")
        except (SQLAlchemyError, OSError) as error:
            return _refuse(f"the database cannot be read ({type(error).__name__})")
        except (ValueError, TypeError, AssertionError) as error:
            # Rows that this version does not understand are no broken promise, and no kept one.
            return _refuse(f"the evidence cannot be understood ({type(error).__name__})")
    if as_json:
        output().out(json.dumps(_as_json(verdict), indent=2))
    else:
        show(output(), verdict)
    return exit_code(verdict)


def exit_code(verdict: Verdict) -> int:
    """1 for a broken promise; 2 when none was found but some rule could not be looked at."""
    if verdict.violations:
        return VIOLATED
    return CLEAN if verdict.clean else CANNOT_JUDGE


def _refuse(message: str) -> int:
    errors().print(f"cannot judge: {message}", markup=False)
    return CANNOT_JUDGE


def _verdict(campaign: str | None, carrier_log: str | None, home: Path, tell: Tell, *, nobody_deleted: bool) -> Verdict:
    described: Mapping[str, Any] = read_json(home / "stack.json") or {}
    evidence = asyncio.run(_evidence(campaign, carrier_log, home, described, tell))
    coarse = any(record.resolution_s for record in evidence.carrier or ())
    try:
        timing = timing_from(os.environ)
    except WrongEnvironment as error:
        raise Unverifiable(str(error)) from None
    # A carrier elsewhere has a clock of its own; the simulator reads ours.
    tolerances = Tolerances(timing=timing, clock_s=1.0 if coarse else 0.0, deletions=not nobody_deleted)
    gc.freeze()  # millions of records that live to the end need not be looked through for garbage again and again
    return judge(evidence, tolerances, tell=tell)


async def _evidence(
    campaign: str | None, carrier_log: str | None, home: Path, described: Mapping[str, Any], tell: Tell
) -> Evidence:
    """Our rows first: what the carrier accepts after their moment is left out."""
    tell(_READING[0])
    url = os.environ.get("DIALER_DATABASE_URL") or described.get("database_url")
    if not url:
        raise Unverifiable(f"no stack runs in {home} and DIALER_DATABASE_URL is not set")
    database = Database(url, clock_offset=_clock_offset(described), pool_size=1)
    try:
        async with snapshot(database) as session:
            campaign_id = None if campaign is None else await find_campaign(session, campaign)
            evidence = await read_evidence(session, campaign_id=campaign_id)
        tell(_READING[1])
        if carrier_log is not None:
            return evidence.with_carrier(await asyncio.to_thread(read_ledger, carrier_log))
        if simulator := described.get("simulator_url"):
            try:
                return evidence.with_carrier(await asyncio.to_thread(read_ledger, simulator))
            except LedgerUnreadable:
                pass  # something else that speaks Twilio's API: its list is all there is
        return await _listed(database, evidence, home, url)
    finally:
        await database.close()


async def _listed(database: Database, evidence: Evidence, home: Path, url: str) -> Evidence:
    """With what the carrier accounts list; without a key to their secrets, as it is."""
    secrets: Mapping[str, Any] = read_json(home / "secrets.json") or {}
    key = os.environ.get("DIALER_SECRET_KEY") or secrets.get("secret_key")
    if not key:
        return evidence
    os.environ.setdefault("DIALER_DATABASE_URL", url)
    try:
        accounts = CarrierAccounts(database, Seal(key), Settings.from_env())
    except WrongEnvironment as error:
        raise Unverifiable(str(error)) from None
    except ValueError as error:  # a key that is none
        raise Unverifiable(f"the environment cannot be read ({type(error).__name__})") from None
    try:
        return evidence.with_carrier(await list_at_carrier(accounts, evidence))
    finally:
        await accounts.close()


def _clock_offset(described: Mapping[str, Any]) -> timedelta:
    text = os.environ.get("DIALER_CLOCK") or described.get("clock") or "PT0S"
    try:
        return parse_offset(text, datetime.now(UTC))
    except ValueError as error:
        raise Unverifiable(f"DIALER_CLOCK: {error}") from None


@contextmanager
def _bar(console: Console) -> Generator[Tell]:
    """One step for each thing to read and each rule to look at; nothing where nobody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(_READING) + len(RULES))

        def tell(step: str) -> None:
            progress.update(task, description=step.replace("_", " "), advance=1)

        yield tell


def _as_json(verdict: Verdict) -> dict[str, Any]:
    def rule(result: RuleResult) -> dict[str, Any]:
        return {
            "rule": result.rule,
            "checked": result.checked,
            "violations": len(result.violations),
            "not_decidable": result.not_decidable,
            "not_judged": result.not_judged,
            "rows_only": result.rows_only,
        }

    late = [
        {
            "call": str(late.call_id),
            "carrier_call": late.carrier_call_id,
            "surfaced_at": late.surfaced_at.isoformat(),
            "ended_at": late.ended_at.isoformat(),
        }
        for late in verdict.late
    ]
    return {
        "clean": verdict.clean,
        "rules": [rule(result) for result in verdict.rules],
        "violations": [asdict(violation) for violation in verdict.violations],
        "late": late,
        "counts": asdict(verdict.counts),
    }


def show(console: Console, verdict: Verdict) -> None:
    console.print(_table(verdict))
    counts = verdict.counts
    people = ", ".join(f"{n} {state}" for state, n in sorted(counts.prospects.items())) or "none"
    console.print(
        f"{counts.calls} calls ({counts.deferred} never dialed, {counts.unknown} ended unknown, {counts.late} late), "
        f"{counts.carrier_calls} at the carrier; prospects: {people}"
    )
    for late in verdict.late:
        console.print(f"late: call {late.call_id} ({late.carrier_call_id}) was hung up in time", soft_wrap=True)
    for violation in verdict.violations:
        ids = ", ".join(f"{kind} {value}" for kind, value in violation.ids.items())
        line = Text.assemble((violation.rule, "bold red"), f": {violation.text} [{ids}]")
        console.print(line, soft_wrap=True)
    if verdict.not_judged:
        rules = ", ".join(verdict.not_judged)
        console.print(f"not judged, for want of the carrier's log (--carrier-log): {rules}", style="yellow")
    if verdict.clean:
        console.print("every promise was kept", style="green")


def _table(verdict: Verdict) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("rule", no_wrap=True)
    for name in ("checked", "violations", "not decidable"):
        table.add_column(name, justify="right")
    table.add_column("")
    for result in verdict.rules:
        checked = str(result.checked) if result.not_judged is None else "-"
        violations = Text(str(len(result.violations)), style="bold red" if result.violations else "green")
        table.add_row(
            result.rule,
            checked,
            violations if result.not_judged is None else "-",
            str(result.not_decidable or ""),
            Text(_remark(result), style="yellow"),
        )
    return table


def _remark(result: RuleResult) -> str:
    if result.not_judged is not None:
        return f"not judged: {result.not_judged}"
    if result.rows_only:
        return "by our rows only"
    return "" if result.checked else "checked nothing"
