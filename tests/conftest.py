"""Fixtures that every test may ask for live in the ``fixtures_*`` modules."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures_postgres", "tests.fixtures_stack", "tests.fixtures_temporal"]

#: What takes minutes begins first, so that no process is left alone with it in the end.
LONG = ("chaos", "e2e", "recovery", "faults", "stack", "model", "docs", "hostile", "replay")
#: What shares the fixture ``stack`` goes to one process, or each would start one, and let it run to the end.
WITH_STACK = ("tests/e2e/", "tests/docs/", "tests/cli/test_uploads.py")
WITH_ITS_OWN = ("tests/e2e/test_restart.py",)
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """The tests of one file in one process, and those that share the stack in one too."""
    from xdist.scheduler import LoadFileScheduling

    class ByFileAndStack(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "the stack" if file.startswith(WITH_STACK) and file not in WITH_ITS_OWN else file

    return ByFileAndStack(config, log)
