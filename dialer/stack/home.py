"""The folder that one stack owns: secrets, ports, logs, data, and ``stack.json``, which tells how to reach it."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from cryptography.fernet import Fernet

LOG_LIMIT = 5_000_000
LOG_GENERATIONS = 3

_SECRETS: Mapping[str, Callable[[], str]] = {
    "admin_password": lambda: secrets.token_urlsafe(24),
    "database_password": lambda: secrets.token_urlsafe(24),
    "api_key": lambda: "dk_" + secrets.token_urlsafe(32),
    "secret_key": lambda: Fernet.generate_key().decode(),
    "simulator_account_sid": lambda: "AC" + secrets.token_hex(16),
    "simulator_auth_token": lambda: secrets.token_hex(16),
}


class HomeInUse(Exception):
    """Another stack runs in this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Paths of one home folder. Everything in it that opens something has mode 600."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The home folder ``path``, made if it is missing; a folder that exists keeps its mode."""
        whole = path.expanduser().absolute()
        # Root's PostgreSQL runs as somebody else, who must pass through this folder and cannot list it.
        whole.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        home = cls(path=whole.resolve())
        home.logs.mkdir(mode=0o700, exist_ok=True)
        return home

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    @property
    def temporal_file(self) -> Path:
        return self.path / "temporal.db"

    def lock(self, *, patience_s: float = 15.0) -> "HomeLock":
        """Makes this process (and its watchdog) the only stack here.

        Waits a while for a stack that is being stopped. Raises :class:`HomeInUse`.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return HomeLock(descriptor)
            except BlockingIOError as error:
                if time.monotonic() > deadline or self._stack_is_alive():
                    os.close(descriptor)
                    raise HomeInUse(f"another stack runs in {self.path}; stop it or use another --home") from error
                time.sleep(0.1)

    def _stack_is_alive(self) -> bool:
        """False while nothing but the watchdog of a killed stack is left, which ends soon."""
        described = read_json(self.stack_file)
        return described is not None and psutil.pid_exists(described["pids"]["stack"][0])

    def secrets(self) -> dict[str, str]:
        """The secrets of this home, made at the first start."""
        file = self.path / "secrets.json"
        known: dict[str, str] = read_json(file) or {}
        missing = {name: make() for name, make in _SECRETS.items() if name not in known}
        if missing:
            known |= missing
            write_private(file, known)
        return known

    def ports(self) -> dict[str, int]:
        """The ports of the last run; empty before the first."""
        return read_json(self.path / "ports.json") or {}

    def keep_ports(self, ports: Mapping[str, int]) -> None:
        write_private(self.path / "ports.json", dict(ports))

    def log(self, name: str) -> Path:
        """The log file of one child; an old one that has grown large is put aside."""
        file = self.logs / f"{name}.log"
        if file.exists() and file.stat().st_size > LOG_LIMIT:
            for generation in range(LOG_GENERATIONS - 1, 0, -1):
                older = self.logs / f"{name}.log.{generation}"
                if older.exists():
                    older.rename(self.logs / f"{name}.log.{generation + 1}")
            file.rename(self.logs / f"{name}.log.1")
        file.touch(mode=0o600)
        return file


class HomeLock:
    """Held until it is closed here and in every process that inherited ``descriptor``."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def read_json(file: Path) -> Any:
    """What the file holds; None when it does not exist. Raises ``ValueError`` when it is not JSON."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return None


def write_private(file: Path, content: object) -> None:
    """Replaces the file in one step, readable by its owner only: nobody ever sees half of it."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        json.dump(content, output, indent=2)
        output.write("\n")
    partial.replace(file)
