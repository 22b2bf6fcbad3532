import pytest

from tests.faults.clocks import TestClock
from tests.faults.exploring import explorer
from tests.faults.messes import MESS


@pytest.mark.timeout(300)  # a minute on an idle machine
async def test_whatever_crashes_left_is_mended_although_the_sweep_itself_dies_at_any_step(
    module_database_url: str, clock: TestClock
) -> None:
    async with explorer(module_database_url, clock, set()) as its:
        await its.explore(MESS, only_sweeps=True)
    assert its.runs > 20
    assert len(its.missed) <= its.runs / 10
    assert its.broken == []
