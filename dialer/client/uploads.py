"""Uploading a file of prospects and following its import, through broken connections and restarts of the server."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from dialer.client.api import ApiClient, ApiProblem, NoStack
from dialer.client.patience import Patience, Say, is_passing, patiently
from dialer.client.unfinished import Unfinished, fingerprint

POLL_S = 0.3
#: Bytes of one request, and of what is told of at a time.
PART = 8 << 20
_STEP = 256 << 10

Tell = Callable[[str, float], None]
"""Called with ``uploading`` or ``importing`` and how much of it is done, 0 to 1."""


class FileChanged(Exception):
    """The file is not the one whose first bytes are uploaded; the message says what to do."""


def _silent(_: str) -> None:
    """For whoever does not want to know."""


def upload_and_follow(
    api: ApiClient,
    campaign: str,
    file: Path,
    *,
    options: Mapping[str, Any],
    tell: Tell,
    say: Say = _silent,
    unfinished: Unfinished | None = None,
    patience: Patience | None = None,
) -> dict[str, Any]:
    """Uploads ``file`` and waits until its import has ended; the import as the API describes it.

    ``options`` are those of ``POST /campaigns/{id}/imports``. With ``unfinished``, an upload that was interrupted goes
    on where it stopped. Raises ``ApiProblem``, ``NoStack``, ``FileChanged``.
    """
    patience = patience or Patience()
    sign = fingerprint(api, campaign, file, options)
    known = None if unfinished is None else _known(api, unfinished.find(sign), say)
    if known is None:
        known = _begin(api, campaign, file, options)
        if unfinished is not None:
            unfinished.remember(sign, known["import_id"])
    try:
        if not known["complete"]:
            _send(api, file, known, tell, say, patience)
        tell("uploading", 1.0)
        done = _follow(api, known["import_id"], tell, partial(patiently, patience=patience, say=say))
    except (ApiProblem, FileChanged) as error:
        if unfinished is not None and not (isinstance(error, ApiProblem) and is_passing(error)):
            unfinished.forget(sign)
        raise
    if unfinished is not None:
        unfinished.forget(sign)
    return done


def follow(api: ApiClient, import_id: str, *, tell: Tell, say: Say = _silent) -> dict[str, Any]:
    """Waits until an import has ended; the import as the API describes it. Raises ``ApiProblem`` or ``NoStack``."""
    return _follow(api, import_id, tell, partial(patiently, patience=Patience(), say=say))


def _known(api: ApiClient, import_id: str | None, say: Say) -> dict[str, Any] | None:
    """The upload that was begun before, if it can go on or is complete."""
    if import_id is None:
        return None
    try:
        upload: dict[str, Any] = api.get(f"/imports/{import_id}/upload")
        status = api.get(f"/imports/{import_id}")["status"]
    except ApiProblem as problem:
        if problem.status == 404:
            return None
        raise
    if status == "cancelled" and not upload["complete"]:
        return None
    say(f"this file was begun before: going on with import {import_id} at {_share(upload)}")
    return upload


def _share(upload: Mapping[str, Any]) -> str:
    return f"{upload['offset'] / upload['length']:.0%}"


def _begin(api: ApiClient, campaign: str, file: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    body = {**options, "filename": file.name, "size_bytes": file.stat().st_size}
    # The first request is not repeated for long: who has mistyped an address wants to know.
    once = Patience(in_all=2.0)
    headers = {"Idempotency-Key": str(uuid4())}
    return patiently(
        lambda: api.request("POST", f"/campaigns/{campaign}/imports", json=body, headers=headers), once, _silent
    )


def _send(api: ApiClient, file: Path, upload: dict[str, Any], tell: Tell, say: Say, patience: Patience) -> None:
    """All that is missing, from where the server says that it stopped."""
    path, again = f"/imports/{upload['import_id']}/upload", partial(patiently, patience=patience, say=say)
    with file.open("rb") as content:
        before = _state(content)
        if before[0] != upload["length"]:
            raise FileChanged("the file has another size than the one whose upload was begun: start again")
        while not upload["complete"]:
            upload = again(partial(_send_part, api, path, content, upload, tell, say, patience.first))
            if _state(content) != before:
                raise FileChanged("the file was changed while it was uploaded: start again")


def _send_part(
    api: ApiClient, path: str, content: BinaryIO, upload: dict[str, Any], tell: Tell, say: Say, pause: float
) -> dict[str, Any]:
    """How far the upload has come after one more request. Raises when that got it no further."""
    try:
        return _put(api, path, content, upload, tell)
    except ApiProblem as problem:
        if problem.code in ("offset_mismatch", "upload_complete"):
            return _settled(api, path, pause)
        if not is_passing(problem):
            raise
        error: ApiProblem | NoStack = problem
    except NoStack as silence:
        error = silence
    reached = _settled(api, path, pause)
    if reached["offset"] == upload["offset"]:
        raise error
    say(f"the connection broke; going on at {_share(reached)}")
    return reached


def _settled(api: ApiClient, path: str, pause: float) -> dict[str, Any]:
    """How far the upload has come, once the server has stored what still reached it of a broken request."""
    before, reached = None, api.get(path)
    while before != reached and not reached["complete"]:
        time.sleep(pause)
        before, reached = reached, api.get(path)
    return reached


def _put(api: ApiClient, path: str, content: BinaryIO, upload: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    offset, length = upload["offset"], upload["length"]
    size = min(PART, length - offset)

    def steps() -> Iterator[bytes]:
        content.seek(offset)
        left = size
        while left > 0 and (step := content.read(min(_STEP, left))):
            left -= len(step)
            tell("uploading", (offset + size - left) / length)
            yield step

    headers = {
        "Upload-Offset": str(offset),
        "Content-Length": str(size),
        "Content-Type": "application/partial-upload",
    }
    return api.request("PATCH", path, content=steps(), headers=headers)


def _state(content: BinaryIO) -> tuple[int, int]:
    state = os.fstat(content.fileno())
    return state.st_size, state.st_mtime_ns


def _follow(api: ApiClient, import_id: str, tell: Tell, again: Callable[[Callable[[], Any]], Any]) -> dict[str, Any]:
    while True:
        state = again(lambda: api.get(f"/imports/{import_id}"))
        if state["status"] != "running":
            tell("importing", 1.0)
            return state
        tell("importing", state.get("progress") or 0.0)
        time.sleep(POLL_S)
