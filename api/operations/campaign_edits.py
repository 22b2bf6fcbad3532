"""Changes of a campaign that may be running: merged, checked against what is in flight, in force for every later gate.

An edit is one transaction under the campaign's lock, so that no gate sees half of it. Once it has answered, no call is
dialed under the settings before: calls that were let through have left, and the others are claimed again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.campaign_settings import (
    agent_problem,
    dialed_once,
    document_of,
    never_opens,
    number_problems,
    opens_for_some,
    schedule_problems,
    settings_of,
    start_problems,
    versioned,
)
from api.operations.campaigns import LIVE_STATUSES, campaign_out, find_campaign, slug_taken
from api.operations.edit_effects import Edit, effects_of, missing_variable
from api.operations.errors import Conflict, FieldError, Invalid
from api.operations.prospect_variables import missing_of
from api.operations.recurrences import removal_problems
from api.operations.schedules import mirror_schedule, recurs
from api.operations.services import Services
from api.operations.validation import merged, validated
from api.operations.waking import wake_campaign
from api.schemas.campaign_versions import CampaignChanged, EffectOut
from api.schemas.campaigns import CampaignIn, CampaignPatch
from dialer.domain.actors import Actor
from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.setting_changes import differences
from dialer.domain.states import CampaignStatus
from dialer.store import campaign_rows, catalog, setting_versions
from dialer.store.campaign_ends import hold_unknown_zones, reopen_held
from dialer.store.edit_effects import undecided_before
from dialer.store.locks import hold_campaign
from dialer.store.turns import change_rate

#: Between two looks for calls that may still leave under the settings before.
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: the whole document, and which of its fields were given and so must be right today."""

    document: Mapping[str, Any]
    given: Collection[str]
    restored_from: int | None = None


async def change_campaign(
    services: Services, actor: Actor, reference: str, patch: CampaignPatch, expected: Collection[int] | None = None
) -> CampaignChanged:
    """Merge a patch. Everything but slug and metadata makes a new ``settings_version``.

    ``expected`` are the versions that it may be applied to, any when None. Raises NotFound; Invalid naming the fields;
    Conflict for another version or a slug that is taken.
    """
    given = {name: value for name, value in patch.given().items() if name != "expected_version"}

    async def wish(_: AsyncSession, row: Mapping[str, Any]) -> Wish:
        return Wish(document=merged(document_of(row), given), given=given.keys())

    return await edit_campaign(services, actor, reference, wish, expected)


async def edit_campaign(
    services: Services,
    actor: Actor,
    reference: str,
    wish_of: Callable[[AsyncSession, Mapping[str, Any]], Awaitable[Wish]],
    expected: Collection[int] | None,
) -> CampaignChanged:
    """Make what ``wish_of`` says of the locked campaign true, and answer once it is in force."""
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            campaign_id = (await find_campaign(session, reference))["id"]
            await hold_campaign(session, campaign_id)
            row = await find_campaign(session, str(campaign_id), lock=True)
            _refuse_unexpected(row, expected)
            effects = await _edit(services, actor, session, row, await wish_of(session, row))
            after = await find_campaign(session, str(campaign_id))
    except IntegrityError as error:
        raise slug_taken(error) from None
    version = after["settings_version"]
    if version != row["settings_version"] and row["status"] in LIVE_STATUSES:
        await wake_campaign(services, actor.workspace_id, campaign_id, always=True)
    if recurs(row["settings"]) or recurs(after["settings"]):
        renamed = after["name"] != row["name"]
        await mirror_schedule(services, actor.workspace_id, campaign_id, renamed=renamed)
    if version != row["settings_version"] and row["status"] == CampaignStatus.RUNNING:
        await _in_force(services, actor, campaign_id, version)
    if row["status"] in LIVE_STATUSES and _says_something_else(row, after):
        effects += await _left_out(services, actor, campaign_id)
    return CampaignChanged(**campaign_out(services, after).model_dump(), effects=effects)


def _says_something_else(row: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    before, now = row["settings"].get("voicemail"), after["settings"].get("voicemail")
    return row["agent_id"] != after["agent_id"] or before != now


async def _left_out(services: Services, actor: Actor, campaign_id: UUID) -> list[EffectOut]:
    """A launch would refuse it. Counted after the edit: everybody who is ready is looked at, and no gate waits."""
    async with services.database.transaction(actor.workspace_id) as session:
        missing = await missing_of(session, {"id": campaign_id})
    return [missing_variable(each.name, each.people, at_least=each.at_least) for each in missing]


def _refuse_unexpected(row: Mapping[str, Any], expected: Collection[int] | None) -> None:
    current = row["settings_version"]
    if expected is not None and current not in expected:
        raise Conflict(
            f"The campaign was changed meanwhile: it is at version {current}.",
            code="version_changed",
            current_status=row["status"],
            extra={"current_version": current},
        )


async def _edit(
    services: Services, actor: Actor, session: AsyncSession, row: dict[str, Any], wish: Wish
) -> list[EffectOut]:
    wanted = validated(CampaignIn, wish.document)
    settings, phones = settings_of(wanted), wanted.caller_numbers
    if phones is None:
        phones = await catalog.numbers_of_agent(session, wanted.agent_id)
    problems = await _problems(services, session, row, wish, wanted, settings)
    numbers, misnumbered = await number_problems(session, phones) if "caller_numbers" in wish.given else (None, [])
    if "caller_numbers" in wish.given and row["status"] in LIVE_STATUSES and not phones:
        misnumbered = [_wrong("caller_numbers", "no_caller_number", "A campaign that may call needs a caller number")]
    if problems or misnumbered:
        raise Invalid([*problems, *misnumbered])
    after = {**settings, "name": wanted.name, "agent_id": str(wanted.agent_id), "caller_numbers": phones}
    changes = differences(versioned(document_of(row)), after)
    if numbers is not None and phones != row["caller_numbers"]:
        await campaign_rows.set_numbers(session, row["workspace_id"], row["id"], numbers)
    await campaign_rows.change(
        session,
        row["id"],
        name=wanted.name,
        slug=wanted.slug,
        agent_id=wanted.agent_id,
        settings=settings,
        metadata=wanted.metadata,
        new_version=bool(changes),
    )
    if not changes:
        return []
    await setting_versions.note(session, row["id"], created_by=actor.principal, restored_from=wish.restored_from)
    await _follow(session, row, settings)
    edit = Edit(
        campaign_id=row["id"],
        status=row["status"],
        before=row["settings"],
        after=settings,
        changes=tuple(changes),
        removed=tuple(phone for phone in row["caller_numbers"] if phone not in phones),
    )
    return await effects_of(session, edit, services.now(), services.settings.timing)


async def _problems(
    services: Services,
    session: AsyncSession,
    row: Mapping[str, Any],
    wish: Wish,
    wanted: CampaignIn,
    settings: Mapping[str, Any],
) -> list[FieldError]:
    """What cannot be known from the document alone, of the fields that were given."""
    problems: list[FieldError] = []
    if "agent_id" in wish.given and (problem := await agent_problem(session, wanted.agent_id)):
        problems.append(problem)
    if row["batch_id"] is not None:
        problems += dialed_once(settings)
    timing = {"schedule", "calling_hours", *(("keep_open",) if recurs(settings) else ())}
    if not timing & set(wish.given):
        return problems
    mistimed = schedule_problems(settings, services.now(), services.settings.timing)
    if not mistimed and row["status"] in LIVE_STATUSES:
        mistimed = [] if await _somebody_left(services, session, row["id"], settings) else [never_opens()]
    if wish.restored_from is None or row["status"] == CampaignStatus.SCHEDULED:
        # That of an earlier version has passed in its time, and matters only where it would begin the campaign now.
        mistimed = [*start_problems(settings, services.now(), row["settings"]), *mistimed]
    return [*problems, *mistimed, *removal_problems(row, settings)]


def _wrong(field: str, code: str, message: str) -> FieldError:
    return FieldError(field=field, code=code, message=message)


async def _somebody_left(
    services: Services, session: AsyncSession, campaign_id: UUID, settings: Mapping[str, Any]
) -> bool:
    """False when there are people to call, and these settings would let none of them be called any more."""
    zone_sets = await campaign_rows.lane_zone_sets(session, campaign_id)
    if not zone_sets or await campaign_rows.running_imports(session, campaign_id):
        return True
    rules = rules_from_json(settings)
    return rules.keep_open or opens_for_some(rules, zone_sets, services.now(), services.settings.timing)


async def _follow(session: AsyncSession, row: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """What is kept beside the settings and depends on them."""
    rates = [rules_from_json(each).pace.calls_per_second for each in (row["settings"], settings)]
    if rates[0] != rates[1]:
        await change_rate(session, row["id"], *rates)
    if settings["calling_hours"] == row["settings"]["calling_hours"]:
        return
    was_fixed, is_fixed = (each["calling_hours"]["zone"] != PROSPECT_ZONE for each in (row["settings"], settings))
    if was_fixed and not is_fixed:
        await hold_unknown_zones(session, row["id"])
    await reopen_held(session, row["id"], fixed_zone=is_fixed)


async def _in_force(services: Services, actor: Actor, campaign_id: UUID, version: int) -> None:
    """Wait until every request that was let through before has left, no longer than one may wait for its turn."""
    age = services.settings.timing.gate_age_s
    loop = asyncio.get_running_loop()
    deadline = loop.time() + age + 1.0
    while loop.time() < deadline:
        async with services.database.transaction(actor.workspace_id) as session:
            if await undecided_before(session, campaign_id, version, age) == 0:
                return
        await asyncio.sleep(_LOOK_S)
