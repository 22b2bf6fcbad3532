"""From what a client sends to what is stored, and what cannot be known from the document alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.errors import FieldError, Invalid
from api.operations.recurrences import recurrence_problems
from api.schemas.campaigns import CampaignRulesIn
from dialer.domain.batch_times import has_passed
from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet
from dialer.store import catalog
from dialer.store.launch_checks import agent_problem as agent_problem
from dialer.store.launch_checks import never_opens, opens
from dialer.store.launch_checks import no_public_url as no_public_url
from dialer.store.launch_checks import opens_for_some as opens_for_some

SETTINGS = frozenset(CampaignRulesIn.model_fields)
#: Fields of a campaign that decide nothing about calls and make no new version.
_UNVERSIONED = frozenset({"slug", "metadata"})
#: Every whole hour of offset from UTC that people live in: what opens in none of them opens nowhere.
_EVERYWHERE = tuple(ZoneSet((f"Etc/GMT{-hours:+d}",)) for hours in range(-12, 15))


def settings_of(given: CampaignRulesIn) -> dict[str, Any]:
    """What is stored of a campaign's rules: complete and in one spelling."""
    return given.model_dump(mode="json", include=set(SETTINGS))


def document_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored campaign as the document that a client would send."""
    return {
        **{key: value for key, value in row["settings"].items() if key in SETTINGS},
        "name": row["name"],
        "slug": row["slug"],
        "agent_id": str(row["agent_id"]),
        "caller_numbers": row["caller_numbers"],
        "metadata": row["metadata"],
    }


def versioned(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a document is part of a version: all that decides about calls."""
    return {name: value for name, value in document.items() if name not in _UNVERSIONED}


async def number_problems(session: AsyncSession, phones: Sequence[str]) -> tuple[list[UUID], list[FieldError]]:
    """The ids of caller numbers, and what is wrong with those that this workspace has not or that are given twice."""
    owned = await catalog.owned_numbers(session, phones)
    errors = [
        FieldError(
            field=f"caller_numbers[{n}]",
            code="caller_number_not_owned" if phone not in owned else "repeated",
            message="This workspace has no such caller number" if phone not in owned else "This number is given twice",
        )
        for n, phone in enumerate(phones)
        if phone not in owned or phone in phones[:n]
    ]
    return [owned[phone] for phone in phones if phone in owned], errors


async def checked_numbers(session: AsyncSession, phones: Sequence[str]) -> list[UUID]:
    """The ids of caller numbers. Raises Invalid naming those that this workspace has not."""
    numbers, errors = await number_problems(session, phones)
    if errors:
        raise Invalid(errors)
    return numbers


def dialed_once(settings: Mapping[str, Any]) -> list[FieldError]:
    """What a batch cannot have: it begins at its own time, once, and is over when everybody is done."""
    schedule: Mapping[str, Any] = settings.get("schedule") or {}
    wrong = {
        "schedule.start_at": schedule.get("start_at") and "A batch begins at scheduled_at: leave this out",
        "schedule.recurrence": schedule.get("recurrence") and "A batch is dialed once: leave this out",
        "keep_open": settings.get("keep_open") and "A batch is over when everybody is done: leave this out",
    }
    return [
        FieldError(field=field, code="not_for_batches", message=message) for field, message in wrong.items() if message
    ]


def without_passed_start(settings: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """These stored settings for a campaign that has yet to begin."""
    if not _start_has_passed(settings, now):
        return dict(settings)
    return {**settings, "schedule": {**settings["schedule"], "start_at": None}}


def start_problems(
    settings: Mapping[str, Any], now: datetime, before: Mapping[str, Any] | None = None
) -> list[FieldError]:
    """What is wrong with a start that is given now, and was not already given ``before``.

    Nobody's phone is to ring at once for want of the right year or offset.
    """
    kept = before is not None and _start_of(before) == _start_of(settings)
    if kept or not _start_has_passed(settings, now):
        return []
    message = "start_at has passed; leave it out to begin at the launch"
    return [FieldError(field="schedule.start_at", code="in_the_past", message=message)]


def _start_has_passed(settings: Mapping[str, Any], now: datetime) -> bool:
    """Never of a campaign that recurs: it may do so since long ago, and begins with its next run."""
    start_at = _start_of(settings)
    return start_at is not None and settings["schedule"].get("recurrence") is None and has_passed(start_at, now)


def _start_of(settings: Mapping[str, Any]) -> datetime | None:
    start_at = settings["schedule"].get("start_at")
    return None if start_at is None else datetime.fromisoformat(start_at)


def schedule_problems(settings: Mapping[str, Any], now: datetime, timing: Timing) -> list[FieldError]:
    """What is wrong with the time that a campaign has, whoever is called."""
    if problems := recurrence_problems(settings, now):
        return problems
    rules = rules_from_json(settings)
    if rules.end_at is not None and rules.end_at <= now:
        return [FieldError(field="schedule.end_at", code="in_the_past", message="end_at has passed")]
    zones = _EVERYWHERE if rules.hours.zone == PROSPECT_ZONE else (None,)
    if rules.end_at is not None and not any(opens(rules, zone, now, timing) for zone in zones):
        return [never_opens()]
    if rules.hours.zone != PROSPECT_ZONE and not opens(rules, None, now, timing):
        return [never_opens()]
    return []
