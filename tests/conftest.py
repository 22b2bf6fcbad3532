"""Fixtures that every test may ask for live in the ``fixtures_*`` modules."""

import signal
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
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "seconds: it measures time, so nothing else may run beside it (make test)")
    config.addinivalue_line("markers", "seed: a run of faults; another one may run beside it (make test)")
    if not hasattr(config, "workerinput"):  # in one of several processes there is no terminal
        config.pluginmanager.register(_AtOnce(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(HERE).parts[0]
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=rank)


class _AtOnce:
    """Says which test has failed when it has: the summary at the end is lost with a run that does not end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            said = str(getattr(crash, "message", report.longrepr)).partition("\n")[0]
            terminal.ensure_newline()
            terminal.write_line(f"{report.nodeid} ({report.when}, {report.duration:.0f} s): {said[:300]}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """The tests of one file in one process, and those that share the stack in one too; but every seed by itself."""
    from xdist.scheduler import LoadFileScheduling

    class ByFileAndStack(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if file.startswith("tests/chaos/"):
                return nodeid
            return "the stack" if file.startswith(WITH_STACK) and file not in WITH_ITS_OWN else file

        def remove_node(self, node: Any) -> str | None:
            """What ended its process is not run again in the next one: it would end that too, and so on."""
            for tests in self.assigned_work.get(node, {}).values():
                for test, done in tests.items():
                    if not done:
                        tests[test] = True
                        super().remove_node(node)
                        return test
            return super().remove_node(node)

    return ByFileAndStack(config, log)
