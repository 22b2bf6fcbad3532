"""``python -m tests.upgrade --from REF``: live with an older version, upgrade, and see whether all of it is kept.

0: everything was; 1: something was not, or could not be seen; 2: there is no such version.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import httpx
from alembic.script import ScriptDirectory
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.e2e.campaigns import ok
from tests.upgrade import histories, scenery
from tests.upgrade.promises import Newer
from tests.upgrade.refs import ROOT, NoSuchVersion, default_ref, export
from tests.upgrade.sites import Site

KEPT, BROKEN, NO_VERSION, INTERRUPTED = 0, 1, 2, 130
Outcome = tuple[str, bool, str]


class Report:
    """Tells what is being done, and keeps what was found."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.outcomes: list[Outcome] = []
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self._began:4.0f} s  {text}", markup=False, highlight=False)

    def check(self, name: str, look: Callable[[], str]) -> None:
        """One line of the table; what fails does not keep the others from being looked at."""
        self.tell(name)
        try:
            self.outcomes.append((name, True, look()))
        except (AssertionError, httpx.HTTPError, KeyError) as error:
            self.outcomes.append((name, False, f"{type(error).__name__}: {error}"))

    @property
    def kept(self) -> bool:
        return bool(self.outcomes) and all(kept for _, kept, _ in self.outcomes)

    def show(self) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in ("checked", "", "seen"):
            table.add_column(name)
        for name, kept, seen in self.outcomes:
            table.add_row(name, Text("kept", "green") if kept else Text("BROKEN", "bold red"), Text(seen))
        self.console.print(table)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="ref", default="", help="tag or commit; by default the newest tag before HEAD")
    options = parser.parse_args()
    report = Report(Console(width=None if sys.stdout.isatty() else 160))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _site() as site:
            old = site.folder / "older"
            ref = options.ref or default_ref()
            report.tell(f"from {ref} ({export(ref, old)}) to this folder")
            live_through(site, old, report)
    except NoSuchVersion as error:
        report.console.print(str(error), markup=False, style="red")
        return NO_VERSION
    except AssertionError as error:
        report.outcomes.append(("everything to its end", False, str(error)))
    except KeyboardInterrupt:
        report.console.print("interrupted; nothing is left running")
        return INTERRUPTED
    report.show()
    return KEPT if report.kept else BROKEN


def live_through(site: Site, old: Path, report: Report) -> None:
    """The older version's life, the change, and everything that has to hold afterwards."""
    report.tell("starting the older version")
    site.start_carrier(ROOT)
    stack = site.up(old)
    report.check("the older code runs first", lambda: f"{site.assert_runs(old)}, {_at_head(site, old)}")
    report.tell("campaigns complete, are paused and scheduled")
    found = scenery.prepare(site, stack)
    report.tell("a campaign runs, a file is read")
    scenery.set_going(stack, found)
    found.workflows = histories.read_open(stack.described["temporal_address"])
    scenery.note_calls(found)
    report.tell(f"SIGTERM with {len(found.live_calls)} calls in flight")
    assert site.down() == 0, "the older version did not end in order"
    report.tell("starting the newer version")
    took_over = datetime.now(UTC)
    found.ledger = ok(httpx.get(f"{site.carrier_url}/_sim/calls", trust_env=False))["items"]
    newer = Newer(site, site.up(ROOT), found, took_over)
    judge(newer, site, report)
    report.tell("ending everything")


def judge(newer: Newer, site: Site, report: Report) -> None:
    """In an order in which one look does not change what the next one sees."""
    report.check("the newer code has taken over", lambda: f"{site.assert_runs(ROOT)}, {_at_head(site, ROOT)}")
    report.check("the completed campaign reads the same", lambda: newer.reads_the_same("completed"))
    report.check("the paused campaign reads the same", lambda: newer.reads_the_same("paused"))
    report.check("the scheduled campaign reads the same", lambda: newer.reads_the_same("scheduled"))
    report.check("agents, numbers, suppressions, limits", newer.keeps_the_workspace)
    report.check("API keys", newer.knows_the_keys)
    report.check("idempotency keys", newer.replays_an_answer)
    report.check("new settings have their defaults", newer.has_new_defaults)
    report.check("the running campaign goes on, ended calls read the same", newer.goes_on)
    report.check("the import goes on", newer.finishes_the_import)
    report.check("paused stays paused, and resumes", newer.stays_paused_and_resumes)
    report.check("scheduled stays scheduled, and starts", newer.stays_scheduled_and_starts)
    report.check("new functions work with old campaigns", newer.does_new_things)
    report.check("nobody was called twice", newer.calls_nobody_twice)
    report.check("old workflows go on, no task failed", newer.keeps_workflows)
    report.check("dialer verify", lambda: newer.is_verified(ROOT))


def _at_head(site: Site, code: Path) -> str:
    head = ScriptDirectory(str(code / "dialer" / "store" / "migrations")).get_current_head()
    assert site.schema() == head, f"the schema is {site.schema()}, the code's {head}"
    return f"schema {head}"


@contextmanager
def _site() -> Generator[Site]:
    site = Site()
    try:
        yield site
    finally:
        site.close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a process that has used Temporal's SDK may crash at its end
