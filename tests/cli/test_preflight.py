"""What is missing is said before anything is installed, together with how to get it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "preflight.sh"


class Machine:
    """A machine with nothing on its path but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        for tool in ("sh", "grep"):
            found = shutil.which(tool)
            assert found is not None
            (folder / tool).symlink_to(found)
        self.has("uname", 'case "$1" in -s) echo Linux;; *) echo x86_64;; esac')
        self.has("ldd", "echo 'ldd (GNU libc) 2.36'")

    def has(self, name: str, script: str) -> None:
        program = self.path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def has_python(self, name: str, *, supported: bool = True, venv: bool = True) -> None:
        script = f"""
            case "$*" in
                *"(3, 11)"*) exit {0 if supported else 1};;
                *"import venv"*) exit {0 if venv else 1};;
                *version_info*) echo 3.12;;
                *executable*) echo /somewhere/{name};;
                -V) echo Python {"3.12.1" if supported else "3.9.2"};;
            esac"""
        self.has(name, script)

    def look(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": str(self.path), **variables}
        return subprocess.run(["/bin/sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_supported_python_is_taken(machine: Machine) -> None:
    for name in ("python3", "python3.11", "python3.13"):
        machine.has_python(name)
    assert machine.look().stdout == "/somewhere/python3.13\n"


def test_a_name_that_exists_and_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.has("python3.14", "echo 'not installed' >&2; exit 127")
    machine.has_python("python3.12")
    assert machine.look().stdout == "/somewhere/python3.12\n"


def test_python_may_be_named(machine: Machine) -> None:
    machine.has_python("python3.13")
    machine.has_python("special")
    assert machine.look(PYTHON=str(machine.path / "special")).stdout == "/somewhere/special\n"


@pytest.mark.parametrize(("named", "said"), [("old", "Python 3.9.2; 3.11 to 3.14"), ("absent", "cannot be run")])
def test_a_named_python_that_does_not_do_is_refused(machine: Machine, named: str, said: str) -> None:
    machine.has_python("old", supported=False)
    machine.has_python("python3.13")
    refused = machine.look(PYTHON=str(machine.path / named))
    assert refused.returncode == 1
    assert said in refused.stderr


def test_a_python_that_is_too_old_is_told_apart_from_none(machine: Machine) -> None:
    none = machine.look()
    assert none.returncode == 1
    assert "found: no Python" in none.stderr
    machine.has_python("python3", supported=False)
    old = machine.look()
    assert "found: Python 3.9.2" in old.stderr
    assert "apt-get install python3" in old.stderr


def test_a_missing_venv_module_is_named_with_its_package(machine: Machine) -> None:
    machine.has_python("python3.12", venv=False)
    refused = machine.look()
    assert refused.returncode == 1
    assert "apt-get install python3.12-venv" in refused.stderr


@pytest.mark.parametrize(("system", "hardware"), [("Linux", "riscv64"), ("MINGW64_NT-10.0", "x86_64")])
def test_a_platform_without_packages_is_refused(machine: Machine, system: str, hardware: str) -> None:
    machine.has("uname", f'case "$1" in -s) echo {system};; *) echo {hardware};; esac')
    machine.has_python("python3.13")
    refused = machine.look()
    assert refused.returncode == 1
    assert f"{system} on {hardware} is not supported" in refused.stderr


def test_musl_is_refused(machine: Machine) -> None:
    machine.has("ldd", "echo 'musl libc (x86_64)' >&2; exit 1")
    machine.has_python("python3.13")
    assert "musl" in machine.look().stderr


def test_this_machine_is_fit() -> None:
    done = subprocess.run([SCRIPT], env={**os.environ, "PYTHON": sys.executable}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_says_what_there_is_and_fails_where_something_is_missing() -> None:
    fine = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert fine.returncode == 0
    assert "make demo" in fine.stdout
    broken = subprocess.run(
        ["make", "-s", "PYTHON=/nowhere/python"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert broken.returncode != 0
    assert "cannot be run" in broken.stderr
