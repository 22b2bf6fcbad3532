"""``python -m tests``: all tests, in several processes what may run beside anything, then what needs the machine.

What is not known here is pytest's: ``python -m tests --processes 4 tests/store -k claim``. With no processes everything
runs one after the other, but the parts stay three.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

ALONE, FAULTS = "seconds", "seed"
"""The markers of tests that measure time, beside which nothing runs, and of runs of faults, two of them at once."""
INTERRUPTED, NOTHING_FOUND = 2, 5
ENOUGH = ("-x", "--exitfirst")
"""With these, the other parts are left out when one has failed."""
STUCK_S = 700
"""Longer than any test's own limit, which a test that hangs while it is taken down no longer has: its process is ended
with the stack of every thread on the terminal, and the others go on."""
PART_S = 45 * 60


def main() -> int:
    """Returns pytest's exit code, the first part's if that failed."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests", description=about, allow_abbrev=False)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("-m", dest="marked", default="", help="as pytest's, within each part")
    options, rest = parser.parse_known_args()
    several = ["--dist", "loadfile", "--no-loadscope-reorder", "--numprocesses"]
    unstuck = ["-o", f"faulthandler_timeout={STUCK_S}", "-o", "faulthandler_exit_on_timeout=true"]
    began = time.monotonic()
    counted: Counter[str] = Counter()
    codes: list[int] = []
    rest_of_them = f"not {ALONE} and not {FAULTS}"
    for part, most in ((rest_of_them, options.processes), (FAULTS, 2), (ALONE, 1)):
        processes = min(options.processes, most)
        marked = f"({options.marked}) and {part}" if options.marked else part
        apart = [*several, str(processes), *unstuck] if processes else []
        codes.append(_run(["-m", marked, *apart, *rest], counted))
        if codes[-1] == INTERRUPTED or (codes[-1] not in (0, NOTHING_FOUND) and set(rest) & set(ENOUGH)):
            break
    told = ", ".join(f"{n} {what}" for what, n in counted.items() if n) or "no tests ran"
    sys.stdout.write(f"{told} in {time.monotonic() - began:.0f} s\n")
    found = [code for code in codes if code != NOTHING_FOUND]
    return next((code for code in found if code), 0 if found else NOTHING_FOUND)


def _run(arguments: Sequence[str], counted: Counter[str]) -> int:
    """Runs pytest and adds what became of its tests to ``counted``. Raises ``TimeoutExpired``."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
        # Compiled code is kept: the stacks of the tests are hundreds of processes, each a second's compiling.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        code = subprocess.run(command, check=False, timeout=PART_S, env=environment).returncode
        if report.exists():
            _count(report, counted)
    return code


def _count(report: Path, counted: Counter[str]) -> None:
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - written just now
        bad = {what: int(suite.get(name, "0")) for name, what in _NAMES.items()}
        counted["passed"] += int(suite.get("tests", "0")) - sum(bad.values())
        counted.update(bad)


_NAMES = {"failures": "failed", "errors": "with an error", "skipped": "skipped"}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # pytest has said so
        sys.exit(INTERRUPTED)
