"""docker-compose.yml and Dockerfile, as far as a machine without Docker can tell."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dialer.settings import Settings
from dialer.stack.temporal import RETENTION_DAYS, SEARCH_ATTRIBUTES
from tests.deploy.compose import Compose, Service, read_compose
from worker import GRACE

ROOT = Path(__file__).parents[2]
OURS = "dialer:"
#: What Temporal's SDK and the simulator read, besides what ``Settings`` does.
OTHERS = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[?-][^}]*)?\}")


@pytest.fixture(scope="module")
def compose() -> Compose:
    return read_compose(ROOT / "docker-compose.yml")


@pytest.fixture(scope="module")
def ours(compose: Compose) -> dict[str, Service]:
    return {name: each for name, each in compose.services.items() if each.image.startswith(OURS)}


def read_by_settings() -> set[str]:
    fields = Settings.model_fields.items()
    return {f.validation_alias if isinstance(f.validation_alias, str) else f"DIALER_{n.upper()}" for n, f in fields}


def test_every_variable_of_our_processes_is_read_by_them(ours: dict[str, Service]) -> None:
    simulator = (ROOT / "dialer" / "simulator" / "__main__.py").read_text()
    known = read_by_settings() | OTHERS | set(re.findall(r"SIM_[A-Z_]+", simulator))
    assert {name: set(each.environment) - known for name, each in ours.items() if set(each.environment) - known} == {}


def test_our_processes_get_everything_that_they_need(ours: dict[str, Service]) -> None:
    needed = {"DIALER_DATABASE_URL", "DIALER_SECRET_KEY", "DIALER_PUBLIC_URL", "TEMPORAL_ADDRESS", "TWILIO_ACCOUNT_SID"}
    lacking = {name: needed - set(each.environment) for name, each in ours.items() if name != "simulator"}
    assert not any(lacking.values()), lacking


def test_every_command_of_our_image_exists(ours: dict[str, Service]) -> None:
    for name, service in ours.items():
        command = service.command[3:] if service.command[0] == "nice" else service.command
        assert command[:2] == ["python", "-m"], name
        assert importlib.util.find_spec(command[2]) is not None, name
        # Argument parsers refuse what they do not know before anything is connected.
        if arguments := command[3:]:
            done = subprocess.run(
                [sys.executable, "-m", command[2], *arguments, "--help"], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr


def test_every_service_that_another_waits_for_says_when_it_is_ready(compose: Compose) -> None:
    for name, service in compose.services.items():
        waits = service.depends_on if isinstance(service.depends_on, dict) else {}
        for other, how in waits.items():
            if how.condition == "service_healthy":
                assert compose.services[other].healthcheck is not None, (name, other)
            else:
                assert compose.services[other].restart == "on-failure", (name, other)


def test_every_volume_and_every_mounted_file_exists(compose: Compose) -> None:
    for service in compose.services.values():
        for mount in service.volumes:
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in compose.volumes, mount


def test_workers_have_longer_to_end_than_they_need(compose: Compose) -> None:
    for name in ("worker", "bulk-worker"):
        allowed = compose.services[name].stop_grace_period
        assert allowed is not None
        assert int(allowed[:-1]) > GRACE.total_seconds()


def test_no_secret_stands_in_the_file(compose: Compose) -> None:
    for name, service in compose.services.items():
        for variable, value in service.environment.items():
            if re.search("PASSWORD|PWD|TOKEN|SECRET|API_KEY", variable):
                assert VARIABLE.fullmatch(value), (name, variable)
        assert "@" not in VARIABLE.sub("", service.environment.get("DIALER_DATABASE_URL", "")).replace("@postgres", "")


def test_the_namespace_gets_the_search_attributes_and_the_retention_of_the_embedded_one(compose: Compose) -> None:
    script = (ROOT / "deploy" / "temporal" / "namespace.sh").read_text()
    assert {f"{name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()} <= set(re.findall(r"\w+=\w+", script))
    assert compose.services["temporal-namespace"].environment["RETENTION"] == f"{RETENTION_DAYS * 24}h"


def test_the_number_of_shards_is_not_left_at_four(compose: Compose) -> None:
    assert compose.services["temporal"].environment["NUM_HISTORY_SHARDS"] == "512"


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
def test_the_scripts_are_plain_shell(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0


def test_the_image_is_made_of_files_that_exist_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert all((ROOT / source).exists() for sources in copied for source in sources)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source for sources in copied for source in sources} == let_in
    user = next(line.split()[1] for line in lines if line.startswith("USER "))
    assert user != "root"
    assert any(line.startswith("RUN useradd") and line.endswith(f" {user}") for line in lines)


def test_the_page_about_production_names_every_variable_that_must_be_set() -> None:
    page = (ROOT / "docs" / "production.md").read_text()
    asked = {name for name, rest in VARIABLE.findall((ROOT / "docker-compose.yml").read_text()) if rest[:2] == ":?"}
    assert {name for name in asked if f"`{name}`" not in page} == set()
