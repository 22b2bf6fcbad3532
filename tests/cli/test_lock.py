"""The lock holds a version of everything that pyproject.toml asks for, and nothing that ties it to one place."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]


def locked() -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for line in LOCK:
        requirement = Requirement(line)
        (pin,) = requirement.specifier
        versions.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    return versions


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_is_asked_for_is_locked_at_a_version_that_fits(requirement: Requirement) -> None:
    versions = locked().get(canonicalize_name(requirement.name), [])
    assert versions, f"{requirement} is not in requirements.lock: make lock"
    assert all(requirement.specifier.contains(version) for version in versions), "make lock"


def test_the_lock_names_packages_and_versions_only() -> None:
    assert all("==" in line and "/" not in line and not line.startswith("-") for line in LOCK)
