"""The model check: what is promised holds after every commit, in every order of steps that hypothesis finds."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from activities import dial
from dialer.store import turns
from tests.fixtures_postgres import TestPostgres
from tests.model.machines import ProtocolMachine
from tests.model.mutants import MUTANTS
from tests.model.stages import Stage, Violation

#: More of them, at random, for whoever has the time.
EXAMPLES = int(os.environ.get("DIALER_MODEL_EXAMPLES", "0"))
FEW = 40
STEPS = 60
#: By which the mutants are found soon; any other finds them later.
SEED = 1


class Convicted(BaseException):
    """Ends the search at once, since nothing has to be made smaller."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def stage(
    database_url: str, postgres: TestPostgres, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    async def made() -> Stage:
        return Stage(database_url, postgres.admin_url(database_url.rpartition("/")[2]))

    stage = runner.run(made())
    runner.run(stage.set_up())
    # Time is the stage's everywhere, and nobody waits for a real clock.
    for module in (dial, turns):
        monkeypatch.setattr(module, "steady_seconds", stage.steady_seconds)
    monkeypatch.setattr(dial, "SAVE_AGAIN_S", (0.0, 0.0, 0.0))
    yield stage
    runner.run(stage.tear_down())


def play(stage: Stage, runner: asyncio.Runner, machine: type[ProtocolMachine], examples: int, **how: Any) -> None:
    played = type(machine.__name__, (machine,), {"stage": stage, "runner": runner})
    if "derandomize" not in how:
        played = seed(SEED)(played)
    profile = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        **how,
    )
    run_state_machine_as_test(played, settings=profile)


@pytest.mark.timeout(3600 if EXAMPLES else 120)
def test_no_promise_is_broken_in_any_order_of_steps(stage: Stage, runner: asyncio.Runner) -> None:
    phases = (Phase.generate, Phase.shrink)
    play(stage, runner, ProtocolMachine, EXAMPLES or FEW, derandomize=not EXAMPLES, phases=phases)


class Suspect(ProtocolMachine):
    """Stops at the first violation."""

    def run(self, work: Any) -> Any:
        try:
            return super().run(work)
        except Violation as violation:
            raise Convicted(str(violation)) from violation


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_product_with_one_thought_left_out_is_convicted(mutant: str, stage: Stage, runner: asyncio.Runner) -> None:
    stage.edits = MUTANTS[mutant]
    with pytest.raises(Convicted) as convicted:
        play(stage, runner, Suspect, 60, phases=(Phase.generate,))
    assert stage.used_edits == set(stage.edits), "the product says it in other words now: mend the mutant"
    print(convicted.value)  # noqa: T201
