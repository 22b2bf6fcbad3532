"""What an edit does to calls in flight and to people who wait, in words and counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.campaign_versions import EffectOut
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.setting_changes import Difference
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.domain.timing import Timing
from dialer.store.edit_effects import InFlight, in_flight, spent_people, waiting_for_redial
from dialer.store.stats import tallies_of
from dialer.store.waiting import due_lanes, next_call_at, open_lanes

#: What a call is given when it is dialed and keeps until it ends.
_GIVEN_TO_CALLS = ("agent_id", "caller_numbers", "ring_timeout_s", "max_call_s", "answering_machine", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit as it was made: the campaign's status, its rules before and after, and every field that differs."""

    campaign_id: UUID
    status: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    changes: tuple[Difference, ...]
    removed: tuple[str, ...]

    def touches(self, *fields: str) -> bool:
        """True when one of these fields, or something in it, differs."""
        return any(
            change.field == name or change.field.startswith(f"{name}.") for change in self.changes for name in fields
        )


async def effects_of(session: AsyncSession, edit: Edit, now: datetime, timing: Timing) -> list[EffectOut]:
    """Everything worth saying, in the transaction that makes the edit. Empty where nothing is under way."""
    if not edit.changes:
        return []
    before, after = rules_from_json(edit.before), rules_from_json(edit.after)
    calls = await in_flight(session, edit.campaign_id, edit.removed)
    effects = list(_on_calls(edit, calls, before, after))
    effects += await _on_people(session, edit, before, after)
    effects += await _on_time(session, edit, after, now, timing)
    return effects


def missing_variable(name: str, people: int, *, at_least: bool) -> EffectOut:
    """So many people are called and have nothing to say for a variable of the new agent or message."""
    have = "person has" if people == 1 else "people have"
    message = f"{'at least ' if at_least else ''}{people} {have} no value for {{{{{name}}}}}, which is said to them"
    return EffectOut(code="missing_variables", message=message, count=people)


def _on_calls(edit: Edit, calls: InFlight, before: CampaignRules, after: CampaignRules) -> Iterator[EffectOut]:
    dialed, most = calls.live - calls.claimed, after.pace.max_concurrent
    given = [name for name in _GIVEN_TO_CALLS if edit.touches(name)]
    if dialed and given:
        keep = "call in flight keeps what it was" if dialed == 1 else "calls in flight keep what they were"
        message = f"{dialed} {keep} dialed with: {', '.join(given)}"
        yield EffectOut(code="calls_in_flight", message=message, count=dialed)
    if calls.claimed:
        are = "call was" if calls.claimed == 1 else "calls were"
        message = f"{calls.claimed} {are} not dialed yet: their people are called under the new settings"
        yield EffectOut(code="claimed_again", message=message, count=calls.claimed)
    if calls.on_removed:
        go = "call goes" if calls.on_removed == 1 else "calls go"
        message = f"{calls.on_removed} {go} on over caller numbers that no new call takes"
        yield EffectOut(code="numbers_removed", message=message, count=calls.on_removed)
    if dialed > most and most < before.pace.max_concurrent:
        message = f"{dialed} calls are live and finish; the next one begins when fewer than {most} are left"
        yield EffectOut(code="over_max_concurrent", message=message, count=dialed)


async def _on_people(session: AsyncSession, edit: Edit, before: CampaignRules, after: CampaignRules) -> list[EffectOut]:
    effects: list[EffectOut] = []
    most = after.redial.max_attempts
    if most < before.redial.max_attempts:
        spent = await spent_people(session, edit.campaign_id, most)
        have = "person has" if spent == 1 else "people have"
        message = f"{spent} {have} had {most} attempts or more, and become exhausted when they are due"
        effects.append(EffectOut(code="attempts_spent", message=message, count=spent))
    if edit.touches("redial.delays"):
        waiting = await waiting_for_redial(session, edit.campaign_id)
        wait = "person waits" if waiting == 1 else "people wait"
        message = f"{waiting} {wait} for a redial whose time was set before; it stays"
        effects.append(EffectOut(code="redial_times_kept", message=message, count=waiting))
    if edit.touches("redial.delays") or most > before.redial.max_attempts:
        tallies = await tallies_of(session, edit.campaign_id)
        exhausted = int(tallies.get("state", {}).get(ProspectState.EXHAUSTED, 0))
        message = f"{exhausted} {'person is' if exhausted == 1 else 'people are'} exhausted and stay so"
        effects.append(EffectOut(code="exhausted_stay", message=message, count=exhausted))
    return [effect for effect in effects if effect.count]


async def _on_time(
    session: AsyncSession, edit: Edit, after: CampaignRules, now: datetime, timing: Timing
) -> list[EffectOut]:
    if edit.status != CampaignStatus.RUNNING:
        return []
    effects: list[EffectOut] = []
    if edit.touches("schedule.start_at") and after.start_at is not None and after.start_at > now:
        message = "The campaign has begun: its start counts only for a resume after a pause, or for another launch"
        effects.append(EffectOut(code="has_begun", message=message, count=0))
    if edit.touches("calling_hours"):
        lanes = await due_lanes(session, edit.campaign_id)
        opens = next_call_at(lanes, after, now, timing)
        if lanes and not open_lanes(lanes, after, now, timing) and opens is not None and opens > now:
            message = f"Nobody may be called now; the next call may begin at {opens:%Y-%m-%dT%H:%M:%SZ}"
            effects.append(EffectOut(code="nobody_now", message=message, count=0))
    return effects
