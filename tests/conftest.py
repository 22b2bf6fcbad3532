"""Fixtures that every test may ask for live in the ``fixtures_*`` modules."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures_postgres", "tests.fixtures_stack", "tests.fixtures_temporal"]

#: What takes minutes begins first, so that no process is left alone with it in the end.
LONG = ("chaos", "e2e", "recovery", "faults", "stack", "model", "docs", "hostile", "replay")
HERE = Path(__file__).parent

# How long an example takes says something of the machine, which may do much else.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "seconds: it measures time, so nothing else may run beside it (make test)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(HERE).parts[0]
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=rank)
