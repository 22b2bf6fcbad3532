"""The README's walk-through, run exactly as it is printed, against a running ``dialer up``."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures_stack import Stack

README = Path(__file__).parents[2] / "README.md"
WALKTHROUGH = re.compile(r"<!-- walkthrough:start -->(.*)<!-- walkthrough:end -->", re.DOTALL)
BLOCK = re.compile(r"^```bash\n(.*?)^```$(?:\n+```json\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
SEPARATOR = "--- the next block ---"
ANYTHING = "…"

pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some commands, and the answer that the README shows for them."""

    commands: str
    promised: str | None


def blocks() -> Sequence[Block]:
    found = WALKTHROUGH.search(README.read_text())
    assert found is not None, "the README has no walk-through"
    return [Block(commands=commands, promised=promised or None) for commands, promised in BLOCK.findall(found[1])]


@pytest.fixture
def quiet_town(stack: Stack) -> Iterator[Stack]:
    """The simulator afterwards as it was before, for other tests of the session."""
    behaviour = stack.simulator.get("/_sim/behaviour").json()
    yield stack
    stack.simulator.put("/_sim/behaviour", json=behaviour).raise_for_status()
    stack.simulator.delete("/_sim/phones")


def test_the_walkthrough_answers_as_the_readme_says(quiet_town: Stack, tmp_path: Path) -> None:
    assert shutil.which("curl"), "the walk-through needs curl"
    steps = blocks()
    script = f"\necho '{SEPARATOR}'\n".join(step.commands for step in steps)
    environment = {
        "HOME": str(tmp_path),
        "DIALER_HOME": str(quiet_town.home),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "LC_ALL": "C.UTF-8",
    }
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answers = ran.stdout.split(SEPARATOR)
    assert len(answers) == len(steps)
    for step, answer in zip(steps, answers, strict=True):
        if step.promised is None:
            assert not answer.strip(), f"the README shows no answer to:\n{step.commands}\nit was:\n{answer}"
        else:
            differences = list(differ("", json.loads(step.promised), json.loads(answer)))
            assert not differences, f"{differences}\nafter:\n{step.commands}\nthe answer was:\n{answer}"


def differ(where: str, promised: Any, answered: Any) -> Iterator[str]:
    """What the README promises and the answer does not hold: objects may have more members, ``…`` is any text."""
    if isinstance(promised, dict) and isinstance(answered, dict):
        for name, value in promised.items():
            if name in answered:
                yield from differ(f"{where}.{name}", value, answered[name])
            else:
                yield f"{where}.{name} is missing"
    elif isinstance(promised, list) and isinstance(answered, list):
        if len(promised) != len(answered):
            yield f"{where} has {len(answered)} items, not {len(promised)}"
        for n, (value, found) in enumerate(zip(promised, answered, strict=False)):
            yield from differ(f"{where}[{n}]", value, found)
    elif promised == ANYTHING:
        if not isinstance(answered, str) or not answered:
            yield f"{where} is {answered!r}, no text"
    elif promised != answered or type(promised) is not type(answered):
        yield f"{where} is {answered!r}, not {promised!r}"


def test_the_walkthrough_is_found_as_a_whole() -> None:
    text = README.read_text()
    assert len(blocks()) == text.count("```bash"), "a block of commands is outside the walk-through, or is not closed"
    for verb in ("launch", "status", "pause", "resume", "stop", "suppressions"):
        assert any(verb in block.commands for block in blocks()), f"nothing is shown about {verb}"


@pytest.mark.parametrize(
    ("promised", "answered"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": 2}),
        ({"a": True}, {"a": 1}),
        ([1], [1, 2]),
        ("…", ""),
        ({"a": "…"}, {"a": None}),
    ],
)
def test_an_answer_that_does_not_hold_a_promise_is_found(promised: Any, answered: Any) -> None:
    assert list(differ("", promised, answered))


def test_more_than_was_promised_is_no_difference() -> None:
    assert not list(differ("", {"a": ["…", {"b": None}]}, {"a": ["x", {"b": None, "c": 1}], "d": 2}))
