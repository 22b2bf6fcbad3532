"""Uploading a file of prospects and following its import."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dialer.client.api import ApiClient

POLL_S = 0.3

Tell = Callable[[str, float], None]
"""Called with ``uploading`` or ``importing`` and how much of it is done, 0 to 1."""


def upload_and_follow(
    api: ApiClient, campaign: str, file: Path, *, options: dict[str, str], tell: Tell
) -> dict[str, Any]:
    """Uploads ``file`` and waits until its import has ended; the import as the API describes it.

    Raises ``ApiProblem`` or ``NoStack``.
    """
    size = max(file.stat().st_size, 1)
    with file.open("rb") as content:
        accepted = api.request(
            "POST",
            f"/campaigns/{campaign}/prospects:upload",
            files={"file": (file.name, _Watched(content, lambda sent: tell("uploading", sent / size)), "text/csv")},
            data=options,
        )
    tell("uploading", 1.0)
    while True:
        state: dict[str, Any] = api.get(f"/imports/{accepted['import_id']}")
        if state["status"] != "running":
            tell("importing", 1.0)
            return state
        tell("importing", state.get("progress") or 0.0)
        time.sleep(POLL_S)


class _Watched:
    """A file that tells how much of it has been read."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._tell(self._file.tell())
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
