"""Pages whose commands are typed into a shell, one after the other, as a reader would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fixtures_stack import Stack

BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def typed(page: Path, stack: Stack, folder: Path) -> str:
    """What the ``bash`` blocks of a page print, run in ``folder`` against a stack. Fails the test when one fails."""
    assert shutil.which("curl"), "the page needs curl"
    environment = {
        "HOME": str(folder),
        "DIALER_HOME": str(stack.home),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
    }
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(BLOCK.findall(page.read_text()))],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
