"""Which older version is upgraded from, and its code in a folder of its own."""

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BASELINE = "e90ed0b"
"""Taken while there is no tag: the last state before 0.1.0 whose schema ends at ``2026_11_23_phones``, without
runs, batches, requeues and versions of settings. What was installed then has the longest way to go."""


class NoSuchVersion(Exception):
    """The version to upgrade from cannot be had; the message says why."""


def default_ref(repository: Path = ROOT) -> str:
    """The newest tag before the code that is checked out, else :data:`BASELINE`. Raises NoSuchVersion."""
    older = ("tag", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname")
    tags = _git(repository, *older).decode().split()
    return tags[0] if tags else BASELINE


def export(ref: str, folder: Path, repository: Path = ROOT) -> str:
    """Writes the code of ``ref`` into ``folder``; returns its short commit id. Raises NoSuchVersion."""
    try:
        commit = _git(repository, "rev-parse", "--verify", "--short", "--end-of-options", f"{ref}^{{commit}}")
    except NoSuchVersion:
        raise NoSuchVersion(f"{ref} is no commit of this repository; is the clone shallow?") from None
    name = commit.decode().strip()
    with tarfile.open(fileobj=io.BytesIO(_git(repository, "archive", "--format=tar", name))) as archive:
        archive.extractall(folder, filter="data")
    return name


def _git(repository: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise NoSuchVersion("git is not installed, so there is no older version to take") from None
    if done.returncode != 0:
        raise NoSuchVersion(done.stderr.decode(errors="replace").strip())
    return done.stdout
