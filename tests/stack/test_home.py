"""One folder belongs to one stack; what opens something is readable by its owner only."""

import json
import os
import stat
from pathlib import Path

import psutil
import pytest

from dialer.stack.home import LOG_LIMIT, Home, HomeInUse, read_json, write_private


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def a_pid_of_nobody() -> int:
    return next(pid for pid in range(4_000_000, 1, -1) if not psutil.pid_exists(pid))


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    Home.at(tmp_path)
    assert mode(tmp_path) == 0o750


def test_a_new_folder_is_closed_to_others(home: Home) -> None:
    assert mode(home.path) & 0o066 == 0
    assert mode(home.logs) == 0o700


def test_secrets_are_made_once_and_kept_private(home: Home) -> None:
    first = home.secrets()
    assert first == home.secrets()
    assert len(set(first.values())) == len(first)
    assert mode(home.path / "secrets.json") == 0o600
    assert Home.at(home.path.parent / "other").secrets()["api_key"] != first["api_key"]


def test_a_file_is_replaced_in_one_step_and_leaves_no_scraps(home: Home) -> None:
    write_private(home.stack_file, {"api_url": "a"})
    home.stack_file.chmod(0o644)
    write_private(home.stack_file, {"api_url": "b"})
    assert json.loads(home.stack_file.read_text()) == {"api_url": "b"}
    assert mode(home.stack_file) == 0o600
    assert [path.name for path in home.path.iterdir() if path.name.startswith(".")] == []


def test_two_stacks_cannot_use_one_home(home: Home) -> None:
    write_private(home.stack_file, {"pids": {"stack": [os.getpid()]}})
    with home.lock(), pytest.raises(HomeInUse, match="another stack"):
        home.lock()


def test_a_stack_that_is_still_being_cleaned_up_is_waited_for(home: Home) -> None:
    write_private(home.stack_file, {"pids": {"stack": [a_pid_of_nobody()]}})
    with home.lock(), pytest.raises(HomeInUse):
        home.lock(patience_s=0.3)
    with home.lock(patience_s=0):
        assert True


def test_ports_are_remembered(home: Home) -> None:
    assert home.ports() == {}
    home.keep_ports({"api": 8600})
    assert home.ports() == {"api": 8600}


def test_a_log_that_has_grown_is_put_aside_and_a_small_one_is_continued(home: Home) -> None:
    log = home.log("api")
    assert mode(log) == 0o600
    log.write_text("few")
    assert home.log("api").read_text() == "few"
    for generation in range(5):
        log.write_bytes(f"{generation}".encode() + b"x" * LOG_LIMIT)
        assert home.log("api").read_bytes() == b""
    assert sorted(path.name for path in home.logs.iterdir()) == ["api.log", *(f"api.log.{n}" for n in (1, 2, 3))]
    assert (home.logs / "api.log.1").read_bytes().startswith(b"4")


def test_a_file_that_is_missing_reads_as_nothing(home: Home) -> None:
    assert read_json(home.stack_file) is None
