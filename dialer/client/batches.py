"""Making a batch and waiting for it."""

import io
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from dialer.client.api import ApiClient
from dialer.client.patience import Patience, Say, patiently
from dialer.client.uploads import POLL_S, Tell

#: Uploading ends when the answer is there, which takes as long as the slowest disk.
ANSWER_S = 600.0
OVER = ("completed", "failed", "cancelled")


class _Told(io.FileIO):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, tell: Tell) -> None:
        super().__init__(path)
        self._whole = max(path.stat().st_size, 1)
        self._tell = tell

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._tell("uploading", min(self.tell() / self._whole, 1.0))
        return data


def create_batch(api: ApiClient, file: Path, fields: Mapping[str, str], tell: Tell) -> dict[str, Any]:
    """Uploads ``file`` with the fields of ``POST /batches``; the batch as the API describes it.

    Raises ``ApiProblem`` and ``NoStack``; then there is no batch, or a complete one whose answer was lost.
    """
    with _Told(file, tell) as content:
        files = {"file": (file.name, content, "application/octet-stream")}
        return api.request("POST", "/batches", data=dict(fields), files=files, timeout=ANSWER_S)


def follow_batch(api: ApiClient, batch_id: str, *, to_the_end: bool, tell: Tell, say: Say) -> dict[str, Any]:
    """Waits until a batch is imported, or ``to_the_end``; the batch as it is then. ``tell`` gets ``dialing`` too.

    Raises ``ApiProblem`` or ``NoStack`` when the API is gone for long.
    """
    again = partial(patiently, patience=Patience(), say=say)
    while True:
        state: dict[str, Any] = again(lambda: api.get(f"/batches/{batch_id}"))
        if state["status"] == "importing":
            tell("importing", state["progress"])
        else:
            tell("importing", 1.0)
            if state["status"] in OVER or not to_the_end:
                if to_the_end:
                    tell("dialing", state["progress"])
                return state
            tell("dialing", state["progress"])
        time.sleep(POLL_S)
