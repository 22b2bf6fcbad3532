"""Why a campaign cannot be launched, whoever wants it: a person, or a batch whose time has come."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.field_errors import FieldError
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet
from dialer.store import campaign_rows, catalog
from dialer.store.missing_variables import count_missing, needed_variables
from dialer.store.tables import Agent


async def reasons_against(
    session: AsyncSession, row: Mapping[str, Any], *, now: datetime, timing: Timing, callback_url: str | None
) -> list[FieldError]:
    """What stands in the way of calling anybody of this campaign, apart from what the agent says about people."""
    rules = rules_from_json(row["settings"])
    problem = await agent_problem(session, row["agent_id"])
    reasons = [] if problem is None else [problem]
    if not row["caller_numbers"]:
        reasons.append(_reason("caller_numbers", "no_caller_number", "The campaign has no caller number"))
    if rules.end_at is not None and rules.end_at <= now:
        reasons.append(_reason("schedule.end_at", "in_the_past", "end_at has passed"))
    zone_sets = await campaign_rows.lane_zone_sets(session, row["id"])
    importing = await campaign_rows.running_imports(session, row["id"])
    if not zone_sets and not rules.keep_open and not importing and rules.recurrence is None:
        reasons.append(_reason("prospects", "no_prospects", "The campaign has nobody to call"))
    known = any(zone_sets) or rules.hours.zone != PROSPECT_ZONE
    if known and not importing and not opens_for_some(rules, zone_sets, now, timing):
        reasons.append(never_opens())
    if callback_url is None:
        reasons.append(no_public_url())
    return reasons


async def reasons_of_missing(session: AsyncSession, row: Mapping[str, Any]) -> list[FieldError]:
    """What the agent says and some ready people of the campaign have no value for."""
    names = await needed_variables(session, row["id"])
    return [
        missing_variable(each.name, each.people, at_least=each.at_least)
        for each in await count_missing(session, row["id"], names)
    ]


def missing_variable(name: str, people: int, *, at_least: bool) -> FieldError:
    """``people`` have no value for what the agent says."""
    many = f"{'at least ' if at_least else ''}{people:,}"
    return FieldError(
        field=f"prospects.variables.{name}",
        code="missing_variables",
        message=f"{many} {'person has' if people == 1 else 'people have'} no {{{{{name}}}}}; "
        f"add it, give the agent's text a default such as {{{{{name}|…}}}}, or launch with ignore_missing_variables",
    )


async def agent_problem(session: AsyncSession, agent_id: UUID) -> FieldError | None:
    """Why this agent cannot be used, or None."""
    agent = await catalog.read(session, Agent, agent_id)
    if agent is None or agent["archived_at"] is not None:
        return _reason("agent_id", "unknown_agent", "There is no such agent")
    if not agent["active"]:
        return _reason("agent_id", "agent_inactive", "The agent is not active")
    return None


def never_opens() -> FieldError:
    return _reason(
        "calling_hours.windows",
        "never_opens",
        "No calling window opens between start_at and end_at, or within 14 days",
    )


def no_public_url() -> FieldError:
    """Nobody would tell us how a call ends."""
    return _reason(
        "public_url",
        "no_public_url",
        "The carrier must reach this installation: set DIALER_PUBLIC_URL to a public https:// address",
    )


def opens(rules: CampaignRules, zones: ZoneSet | None, now: datetime, timing: Timing) -> bool:
    """True when somebody in these zones may be called before ``end_at``."""
    begin = max(now, rules.start_at or now).astimezone(UTC)
    opening = rules.hours.next_open(begin, timedelta(seconds=timing.window_margin_s), zones)
    return opening is not None and (rules.end_at is None or opening < rules.end_at)


def opens_for_some(rules: CampaignRules, zone_sets: Sequence[str], now: datetime, timing: Timing) -> bool:
    """True when at least one of these zone sets (as texts, empty where none is known) may be called before the end."""
    zones = [None] if rules.hours.zone != PROSPECT_ZONE else [ZoneSet.parse(key) for key in zone_sets if key]
    return any(opens(rules, each, now, timing) for each in zones)


def _reason(field: str, code: str, message: str) -> FieldError:
    return FieldError(field=field, code=code, message=message)
