import pytest

from tests.faults.clocks import TestClock
from tests.faults.exploring import Tried, explorer
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.fixture(scope="module")
def tried() -> set[Tried]:
    return set()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_every_promise_is_kept_whatever_goes_wrong_at_whichever_door(
    module_database_url: str, clock: TestClock, tried: set[Tried], scenario: Scenario
) -> None:
    async with explorer(module_database_url, clock, tried) as its:
        await its.explore(scenario)
    assert len(its.missed) <= its.runs / 10
    assert its.broken == []
