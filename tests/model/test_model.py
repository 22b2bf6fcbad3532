"""The model check: what is promised holds after every commit, in every order of steps that hypothesis finds."""

import asyncio
import os
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from activities import dial
from dialer.store import turns
from tests.fixtures_postgres import TestPostgres
from tests.model.chances import WEIGHTS
from tests.model.machines import ProtocolMachine
from tests.model.mutants import MUTANTS, Mutant
from tests.model.stages import Stage, Violation

#: More of them, at random, for whoever has the time.
EXAMPLES = int(os.environ.get("DIALER_MODEL_EXAMPLES", "0"))
FEW = 20
STEPS = 60
#: Each mutant is found in as many.
ENOUGH = 40


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


@pytest.mark.timeout(7200 if EXAMPLES else 300)
def test_no_promise_is_broken_in_any_order_of_steps(stage: Stage, runner: asyncio.Runner) -> None:
    machine = type("ProtocolMachine", (ProtocolMachine,), {"stage": stage, "runner": runner})
    profile = settings(
        max_examples=EXAMPLES or FEW,
        stateful_step_count=STEPS,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(machine, settings=profile)


class Suspect(ProtocolMachine):
    """Played by fixed dice: nothing has to be made smaller."""

    def tell(self, what: str) -> None:
        return


@pytest.mark.parametrize("name", MUTANTS)
def test_a_product_with_one_thought_left_out_is_convicted(name: str, stage: Stage, runner: asyncio.Runner) -> None:
    mutant = MUTANTS[name]
    stage.edits = mutant.edits
    weights = {kind: weight * (3 if kind in mutant.often else 1) for kind, weight in WEIGHTS.items()}
    facts = {"stage": stage, "runner": runner, "heals": mutant.at_the_end, "weights": weights}
    with pytest.raises(Violation):
        play_many(type("Suspect", (Suspect,), facts), mutant)
    assert stage.used_edits == set(mutant.edits), "the product says it in other words now: mend the mutant"


def play_many(suspect: type[Suspect], mutant: Mutant) -> None:
    dice = Random(mutant.seed)  # noqa: S311
    for _ in range(ENOUGH):
        played = suspect()
        try:
            played.begin(tight=mutant.tight, size=1, asynchronously=False)
            for _ in range(STEPS):
                played.step(chance=dice.getrandbits(40))
        finally:
            played.teardown()
