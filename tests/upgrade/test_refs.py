"""Where the older version comes from."""

import subprocess
from pathlib import Path

import pytest

from tests.upgrade.readings import additions, differences
from tests.upgrade.refs import BASELINE, NoSuchVersion, default_ref, export

AUTHOR = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *AUTHOR, "-C", str(self.path), *arguments], check=True, capture_output=True)

    def commit(self, content: str, *tags: str) -> None:
        (self.path / "file.txt").write_text(content)
        self.git("add", "file.txt")
        self.git("commit", "--quiet", "-m", content)
        for tag in tags:
            self.git("tag", tag)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_without_a_tag_the_baseline_is_taken(repository: Repository):
    repository.commit("one")
    assert default_ref(repository.path) == BASELINE


def test_the_newest_tag_before_the_code_is_taken_not_its_own(repository: Repository):
    repository.commit("one", "v0.9.0")
    repository.commit("two", "v0.10.0")
    repository.commit("three", "v0.11.0")
    assert default_ref(repository.path) == "v0.10.0"
    repository.commit("four")
    assert default_ref(repository.path) == "v0.11.0"


def test_the_older_code_is_written_beside_and_what_is_there_stays(repository: Repository):
    repository.commit("one", "v0.1.0")
    repository.commit("two")
    folder = repository.path / "older"
    export("v0.1.0", folder, repository.path)
    assert (folder / "file.txt").read_text() == "one"
    assert (repository.path / "file.txt").read_text() == "two"


@pytest.mark.parametrize("ref", ["v9", "", "--all", "HEAD:file.txt"])
def test_what_is_no_commit_is_refused(repository: Repository, ref: str):
    repository.commit("one")
    with pytest.raises(NoSuchVersion, match="is no commit"):
        export(ref, repository.path / "older", repository.path)


def test_a_folder_without_a_repository_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(NoSuchVersion):
        default_ref(tmp_path)


def test_a_newer_reading_may_say_more_but_nothing_else():
    old = {"name": "A", "pace": {"rate": 1}, "days": [1, 2]}
    assert list(differences(old, {**old, "new": 1})) == []
    assert list(differences(old, {"name": "B", "pace": {"rate": 1, "weight": 2}, "days": [1]})) == [
        ".name is 'B', not 'A'",
        ".days has 1 entries, not 2",
    ]
    assert list(differences(old, {"pace": {}, "days": [1, 2]})) == [".name is gone", ".pace.rate is gone"]
    assert dict(additions(old, {**old, "pace": {"rate": 1, "weight": 2}, "new": 1})) == {"pace.weight": 2, "new": 1}
