"""The folder of a demonstration that nobody asked to keep."""

import os
import shutil
import tempfile
from pathlib import Path

from dialer.stack.home import Home
from dialer.stack.placement import SHARED, remove_data


def fresh_home() -> Home:
    """A new folder; for root one that PostgreSQL's account may enter too."""
    if os.geteuid() != 0:
        return Home.at(Path(tempfile.mkdtemp(prefix="dialer-demo-")))
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=SHARED))
    folder.chmod(0o711)
    return Home.at(folder)


def remove_home(home: Home) -> None:
    """Removes the folder and the data, wherever they lie."""
    remove_data(home.path)
    shutil.rmtree(home.path, ignore_errors=True)
