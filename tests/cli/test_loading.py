"""Commands begin at once: what only some of them need is loaded by those."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "temporalio", "twilio", "pandas", "fastapi")


def test_a_command_that_asks_the_api_loads_no_database_no_workflows_and_no_carrier() -> None:
    program = f"import sys, dialer.cli.entry; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
