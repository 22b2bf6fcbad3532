"""May this person be called now? Every gate with its reason, the same ones that a claim and the gate look at."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api.operations.errors import NotFound
from api.operations.services import Services
from api.schemas.prospects import ExplainOut, Gate
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.gate_checks import GateCheck, first_closed
from dialer.domain.slots import SharedLimit
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet
from dialer.store import prospect_reads
from dialer.store.campaign_rows import campaign_row
from dialer.store.capacities import read_capacity


async def explain_prospect(services: Services, actor: Actor, prospect_id: UUID) -> ExplainOut:
    timing = services.settings.timing
    async with services.database.transaction(actor.workspace_id) as session:
        facts = await prospect_reads.facts_for_explain(session, prospect_id)
        if facts is None:
            raise NotFound("prospect")
        rules = rules_from_json(facts["settings"])
        campaign = await campaign_row(session, facts["campaign_id"])
        capacity = await read_capacity(session, campaign, rules)
    starts_at = _starts_at(facts, rules)
    zones = ZoneSet.parse(facts["zone_set"]) if facts["zone_set"] else None
    accounts = [capacity.accounts[number.account_id] for number in capacity.numbers]
    full = capacity.campaign_live >= capacity.campaign_max_concurrent
    full = full or capacity.workspace.live >= capacity.workspace.max_concurrent
    full = full or all(
        number.slots() == 0 or account.live >= account.max_concurrent
        for number, account in zip(capacity.numbers, accounts, strict=True)
    )
    paced = capacity.campaign_rate.backlog_s > timing.turn_s
    checks = [
        _status(facts, rules, starts_at),
        *_window(rules, zones, facts, timing),
        _check("suppression", not facts["suppressed"], "not on the do-not-call list", "on the do-not-call list"),
        _check("caps", not full, "below every limit", "every slot of campaign, workspace, account or numbers is taken"),
        _carrier(accounts)
        or _check("pace", not paced, "the pace allows it", "the campaign's pace is used up for the moment"),
        GateCheck(name="budget", passed=True, why="no budget is set"),
        _attempts(facts, rules),
    ]
    begin = max(facts["now"], facts["next_due_at"] or facts["now"], starts_at or facts["now"])
    opening = rules.hours.next_open(begin, timedelta(seconds=timing.window_margin_s), zones)
    return explained(checks, opening)


def explained(checks: Sequence[GateCheck], opening: datetime | None) -> ExplainOut:
    """The gates as clients read them; ``opening`` counts when every closed gate opens by itself at a known time."""
    blocking = first_closed(checks)
    knowable = all(check.passed or check.next_eligible_at is not None for check in checks)
    return ExplainOut(
        callable=blocking is None,
        blocked_by=None if blocking is None else blocking.name,
        next_eligible_at=opening if knowable else None,
        gates=[gate_out(check) for check in checks],
    )


def gate_out(check: GateCheck) -> Gate:
    return Gate.model_validate(
        {"name": check.name, "pass": check.passed, "why": check.why, "next_eligible_at": check.next_eligible_at}
    )


def _starts_at(facts: Mapping[str, Any], rules: CampaignRules) -> datetime | None:
    """When a campaign that waits begins; None for one that has begun, or begins when somebody says so."""
    if facts["campaign_status"] != CampaignStatus.SCHEDULED:
        return None
    return rules.start_at if rules.recurrence is None else rules.recurrence.next_run(facts["now"])


def _status(facts: Mapping[str, Any], rules: CampaignRules, starts_at: datetime | None) -> GateCheck:
    now: datetime = facts["now"]
    if facts["campaign_status"] != CampaignStatus.RUNNING:
        reason = f" ({facts['paused_reason']})" if facts["paused_reason"] else ""
        why = f"the campaign is {facts['campaign_status']}{reason}"
        return GateCheck(name="status", passed=False, why=why, next_eligible_at=starts_at)
    if rules.end_at is not None and now >= rules.end_at:
        return GateCheck(name="status", passed=False, why="the campaign's end has passed")
    if facts["in_call"] or facts["state"] == ProspectState.IN_CALL:
        return GateCheck(name="status", passed=False, why="this person is in a call")
    if facts["state"] != ProspectState.READY:
        reason = f" ({facts['held_reason']})" if facts["held_reason"] else ""
        return GateCheck(name="status", passed=False, why=f"the prospect is {facts['state']}{reason}")
    if facts["next_due_at"] > now:
        what = "the callback they asked for" if facts["callback_at"] is not None else "the next call"
        return GateCheck(
            name="status",
            passed=False,
            why=f"{what} is due later{_where(facts)}",
            next_eligible_at=facts["next_due_at"],
        )
    if facts["callback_at"] is not None:
        return GateCheck(name="status", passed=True, why=f"they asked to be called now{_where(facts)}")
    return GateCheck(name="status", passed=True, why=f"due now in a running campaign{_where(facts)}")


def _where(facts: Mapping[str, Any]) -> str:
    """Which phone is called next, for somebody with several; by place, as it may be read aloud."""
    phones = 1 + len(facts["other_phones"])
    return f", on phone {facts['phone_at'] + 1} of {phones}" if phones > 1 else ""


def _window(
    rules: CampaignRules, zones: ZoneSet | None, facts: Mapping[str, Any], timing: Timing
) -> tuple[GateCheck, GateCheck]:
    now: datetime = facts["now"]
    margin = timedelta(seconds=timing.window_margin_s)
    used = rules.hours.zones_for(zones)
    if used is None:
        why = "no time zone is known for this person"
        return (
            GateCheck(name="window", passed=False, why=why),
            GateCheck(name="zone", passed=False, why=why),
        )
    whose = "the person's" if rules.hours.zone == PROSPECT_ZONE else "the campaign's"
    zone = GateCheck(name="zone", passed=True, why=f"{whose} clock: {', '.join(used.names)}")
    if rules.hours.is_open_for(now, margin, zones):
        return GateCheck(name="window", passed=True, why="inside calling hours"), zone
    opening = rules.hours.next_open(now, margin, zones)
    why = "outside calling hours" if opening is not None else "no calling window opens within 14 days"
    return GateCheck(name="window", passed=False, why=why, next_eligible_at=opening), zone


def _carrier(accounts: Sequence[SharedLimit]) -> GateCheck | None:
    """Closed while no account of the campaign answers; None when one does."""
    if not accounts or any(account.asking is None for account in accounts):
        return None
    opens = [account.opens_at for account in accounts if account.opens_at is not None]
    why = "the carrier does not answer; one call at a time finds out whether it does again"
    return GateCheck(name="pace", passed=False, why=why, next_eligible_at=min(opens, default=None))


def _attempts(facts: Mapping[str, Any], rules: CampaignRules) -> GateCheck:
    made, most = facts["attempts"], facts["allowance"] or rules.redial.max_attempts
    if facts["callback_at"] is not None:
        return GateCheck(name="attempts", passed=True, why=f"{made} of {most} attempts made, and a callback asked for")
    return GateCheck(name="attempts", passed=made < most, why=f"{made} of {most} attempts made")


def _check(name: str, passed: bool, why: str, why_not: str) -> GateCheck:
    return GateCheck(name=name, passed=passed, why=why if passed else why_not)
