"""What is wrong with a recurrence that a document alone does not tell."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.operations.errors import FieldError
from dialer.domain.recurrence import recurrence_from_json
from dialer.domain.states import CampaignStatus

_FIELD = "schedule.recurrence"


def recurrence_problems(settings: Mapping[str, Any], now: datetime) -> list[FieldError]:
    """Why these settings cannot recur; nothing for those that do not."""
    schedule = settings["schedule"]
    given = schedule.get("recurrence")
    if given is None:
        return []
    if not schedule.get("time_zone"):
        message = "Say in which time zone the campaign recurs"
        return [FieldError(field="schedule.time_zone", code="missing", message=message)]
    if not given.get("cron") and not given.get("calendars"):
        return [FieldError(field=_FIELD, code="empty", message="Give cron expressions or calendars")]
    if settings.get("keep_open"):
        message = "A recurring campaign waits for its next run instead of staying open"
        return [FieldError(field="keep_open", code="recurs", message=message)]
    recurrence = recurrence_from_json(schedule)
    assert recurrence is not None
    if recurrence.end_at is not None and recurrence.end_at <= now:
        return []  # said of every campaign
    problem = recurrence.problem(now)
    return [] if problem is None else [FieldError(field=_FIELD, code=problem.code, message=problem.message)]


def removal_problems(row: Mapping[str, Any], settings: Mapping[str, Any]) -> list[FieldError]:
    """A campaign that waits for its next run cannot lose it: nobody could say what it waits for then."""
    waits = row["status"] == CampaignStatus.SCHEDULED and row["settings"]["schedule"].get("recurrence") is not None
    if not waits or settings["schedule"].get("recurrence") is not None:
        return []
    message = "The campaign waits for its next run: launch, pause or stop it first"
    return [FieldError(field=_FIELD, code="waits_for_run", message=message)]
