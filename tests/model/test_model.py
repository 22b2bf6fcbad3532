"""The model check: what is promised holds after every step of any order of steps that hypothesis finds."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from activities import dial
from dialer.store import turns
from tests.fixtures_postgres import TestPostgres
from tests.model.machines import ProtocolMachine
from tests.model.stages import Stage

EXAMPLES = int(os.environ.get("DIALER_MODEL_EXAMPLES", "0"))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def stage(
    module_database_url: str, postgres: TestPostgres, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    async def made() -> Stage:
        return Stage(module_database_url, postgres.admin_url(module_database_url.rpartition("/")[2]))

    stage = runner.run(made())
    runner.run(stage.set_up())
    for module in (dial, turns):
        monkeypatch.setattr(module, "steady_seconds", stage.steady_seconds)
    monkeypatch.setattr(dial, "SAVE_AGAIN_S", (0.0, 0.0, 0.0))
    yield stage
    runner.run(stage.tear_down())


def machine(stage: Stage, runner: asyncio.Runner) -> type[ProtocolMachine]:
    return type("Protocol", (ProtocolMachine,), {"stage": stage, "runner": runner, "steps": 0})


def test_no_promise_is_broken_in_any_order_of_steps(stage: Stage, runner: asyncio.Runner) -> None:
    played = machine(stage, runner)
    run_state_machine_as_test(
        played,
        settings=settings(
            max_examples=EXAMPLES or 60,
            stateful_step_count=40,
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,) if os.environ.get("NOSHRINK") else (Phase.generate, Phase.shrink),
        ),
    )
