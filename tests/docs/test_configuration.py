"""The page about configuration names every variable that is read, and none that is not."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from dialer.domain.timing import Timing
from dialer.settings import TIMING_PREFIX, Settings
from dialer.stack.temporal import SEARCH_ATTRIBUTES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
OURS = re.compile(r"\b(?:DIALER|SIM)_[A-Z][A-Z0-9_]*[A-Z0-9]\b")
DELAY = re.compile(rf"^\| `({TIMING_PREFIX}\w+)` \| ([\d.]+) \|", re.MULTILINE)


def read_by_settings() -> dict[str, str]:
    """Variable → field of ``Settings``."""
    return {
        field.validation_alias if isinstance(field.validation_alias, str) else f"DIALER_{name.upper()}": name
        for name, field in Settings.model_fields.items()
        if name != "timing"
    }


def delays() -> dict[str, float]:
    return {f"{TIMING_PREFIX}{field.name.upper()}": field.default for field in fields(Timing)}


def named_in_code() -> set[str]:
    """Every variable of ours that a program names, and those that it makes from the names of fields."""
    folders = ("dialer", "api", "activities", "workflows")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    named = {name for path in (*files, ROOT / "worker.py") for name in OURS.findall(path.read_text())}
    return named | read_by_settings().keys() | delays().keys()


def read_by_tests() -> set[str]:
    """What the tests themselves take from the environment."""
    files = (ROOT / "tests").rglob("*.py")
    return {name for path in files for name in re.findall(r'environ\.get\("(DIALER_\w+)"', path.read_text())}


@pytest.mark.parametrize("variable", sorted(read_by_settings()))
def test_every_setting_is_documented(variable: str) -> None:
    assert f"`{variable}`" in PAGE.read_text()


def test_every_delay_is_documented_with_its_default() -> None:
    assert {name: float(value) for name, value in DELAY.findall(PAGE.read_text())} == delays()


def test_what_the_simulator_reads_is_documented() -> None:
    source = (ROOT / "dialer" / "simulator" / "__main__.py").read_text()
    missing = {name for name in OURS.findall(source) if f"`{name}`" not in PAGE.read_text()}
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "docs/configuration.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_every_documented_variable_exists(page: str) -> None:
    unknown = set(OURS.findall((ROOT / page).read_text())) - named_in_code() - read_by_tests()
    assert not unknown


def test_the_search_attributes_of_an_own_namespace_are_listed() -> None:
    missing = {name for name in SEARCH_ATTRIBUTES if f"`{name}`" not in PAGE.read_text()}
    assert not missing
