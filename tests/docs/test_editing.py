"""What docs/editing.md says of effects and commands is what the code says and takes."""

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from dialer.cli.campaigns import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "editing.md").read_text("utf-8")
SOURCE = (ROOT / "api" / "operations" / "edit_effects.py").read_text("utf-8")


def test_every_effect_is_named_and_every_named_effect_exists() -> None:
    named = re.findall(r"^\| `([a-z_]+)` \| [A-Z]", PAGE, re.MULTILINE)
    assert set(named) == set(re.findall(r'code="([a-z_]+)"', SOURCE))


def test_every_command_of_the_page_can_be_given_as_it_stands() -> None:
    commands = [shlex.split(line) for line in re.findall(r"^dialer campaign (.*)$", PAGE, re.MULTILINE)]
    assert {command[0] for command in commands} == {"edit", "history", "rollback"}
    for command in commands:
        taken = CliRunner().invoke(app, [*command, "--home", "/nowhere"])
        # Understood, and nobody there to do it: not a complaint about the command.
        assert type(taken.exception).__name__ == "NoStack", (command, taken.output)
