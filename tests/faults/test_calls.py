import pytest

from tests.faults.doors import Fault
from tests.faults.exploring import explorer
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_no_promise_breaks_whichever_door_a_process_dies_at(module_database_url: str, scenario: Scenario) -> None:
    async with explorer(module_database_url) as its:
        doors = await its.count(scenario)
        await its.explore(scenario, doors, Fault)
    print(its.runs, len(doors))
    assert its.broken == []
