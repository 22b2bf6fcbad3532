"""Which uploads were begun from here and not seen to their end, so that the same command goes on with them."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dialer.client.api import ApiClient

#: Entries that are kept; the oldest go first.
KEPT = 100


class Unfinished:
    """A small file: for the fingerprint of each upload its import. Neither names nor content of files are in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_home(cls, home: Path) -> "Unfinished":
        return cls(home.expanduser() / "uploads.json")

    def find(self, fingerprint: str) -> str | None:
        """The import of this upload."""
        return self._read().get(fingerprint)

    def remember(self, fingerprint: str, import_id: str) -> None:
        known = self._read()
        known.pop(fingerprint, None)
        self._write({**known, fingerprint: import_id})

    def forget(self, fingerprint: str) -> None:
        known = self._read()
        if known.pop(fingerprint, None) is not None:
            self._write(known)

    def _read(self) -> dict[str, str]:
        try:
            known: Any = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    def _write(self, known: dict[str, str]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = self._path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(dict(list(known.items())[-KEPT:])))
        written.chmod(0o600)
        written.replace(self._path)


def fingerprint(api: ApiClient, campaign: str, file: Path, options: Mapping[str, Any]) -> str:
    """The same for the same unchanged file (path, size, time of change), campaign and options."""
    state = file.stat()
    parts = [api.url, campaign, str(file.resolve()), state.st_size, state.st_mtime_ns, dict(options)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
