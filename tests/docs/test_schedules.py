"""The examples of the page about schedules are schedules that work."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.schemas.campaign_rules import Schedule
from dialer.domain.recurrence import MIN_GAP, recurrence_from_json
from dialer.domain.runs import RunOutcome, RunReason

PAGE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works(example: str) -> None:
    schedule = Schedule.model_validate_json(example).model_dump(mode="json")
    recurrence = recurrence_from_json(schedule)
    assert recurrence is not None
    assert recurrence.problem(datetime.now(UTC)) is None
    assert json.loads(example)["time_zone"] == recurrence.zone


def test_every_outcome_is_explained() -> None:
    unseen = {RunReason.NOT_SCHEDULED, RunReason.CLOCK_CHANGED, RunReason.TOO_EARLY}  # these leave no trace
    for word in (*RunOutcome, *(set(RunReason) - unseen)):
        assert f"`{word}`" in PAGE
    assert f"{MIN_GAP.seconds // 60} minutes apart" in PAGE
