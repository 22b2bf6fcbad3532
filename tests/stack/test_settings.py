"""The environment becomes one frozen object, and secrets stay out of what is printed."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialer.clock import Clock, format_offset, parse_offset
from dialer.settings import Settings, WrongEnvironment, timing_from

ROOT = Path(__file__).parents[2]

NOW = datetime(2026, 11, 21, 20, 15, tzinfo=UTC)
URL = "postgresql://dialer:hunter2@127.0.0.1:5432/dialer"


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("PT3H", timedelta(hours=3)),
        ("-P1D", timedelta(days=-1)),
        ("+PT0.5S", timedelta(seconds=0.5)),
        ("2026-11-21T21:15:00Z", timedelta(hours=1)),
        ("2026-11-21T21:15:00+01:00", timedelta(0)),
    ],
)
def test_a_clock_is_set_by_a_duration_or_an_instant(text: str, offset: timedelta) -> None:
    assert parse_offset(text, NOW) == offset


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-11-21T21:15:00", "P", "PT", "3600"])
def test_a_clock_that_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_offset(text, NOW)


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(days=-1, microseconds=7), timedelta(days=400)])
def test_an_offset_written_for_the_children_reads_back_exactly(offset: timedelta) -> None:
    assert parse_offset(format_offset(offset), NOW) == offset


def test_the_clock_stands_at_its_offset() -> None:
    now = Clock(offset=timedelta(days=2)).now()
    assert timedelta(days=2) <= now - datetime.now(UTC) + timedelta(seconds=5) <= timedelta(days=2, seconds=5)


def test_only_our_own_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOME": "/somewhere",
        "API_KEY": "a",
        "PUBLIC_URL": "http://b",
        "TIMING": "c",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DIALER_DATABASE_URL", URL)
    settings = Settings.from_env()
    assert settings.api_key is None
    assert settings.public_url is None
    assert settings.home.name == ".dialer"


def test_each_variable_reaches_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALER_DATABASE_URL", URL)
    monkeypatch.setenv("DIALER_PUBLIC_URL", "https://dialer.example/")
    monkeypatch.setenv("DIALER_CARRIER_URL", "http://127.0.0.1:8601")
    monkeypatch.setenv("DIALER_CLOCK", "-PT90S")
    monkeypatch.setenv("DIALER_TIMING_GRACE_S", "1.5")
    settings = Settings.from_env()
    assert settings.sqlalchemy_url == "postgresql+psycopg://dialer:hunter2@127.0.0.1:5432/dialer"
    assert settings.public_url == "https://dialer.example"
    assert settings.simulated
    assert settings.clock == Clock(offset=timedelta(seconds=-90))
    assert settings.timing.grace_s == 1.5


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(database_url=URL, twilio_auth_token="t0ken", api_key="k3y", secret_key="s3cret")
    assert not any(secret in repr(settings) for secret in ("hunter2", "t0ken", "k3y", "s3cret"))
    monkeypatch.setenv("DIALER_DATABASE_URL", "mysql://root:hunter2@localhost/x")
    with pytest.raises(WrongEnvironment, match="^DIALER_DATABASE_URL: must start with postgresql://$"):
        Settings.from_env()


def test_every_variable_that_is_wrong_is_named_as_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIALER_DATABASE_URL", raising=False)
    monkeypatch.setenv("DIALER_CARRIER_URL", "127.0.0.1:8601")
    monkeypatch.setenv("DIALER_LOG_LEVEL", "loud")
    with pytest.raises(WrongEnvironment) as refused:
        Settings.from_env()
    assert str(refused.value).split("; ") == [
        "DIALER_DATABASE_URL is not set",
        "DIALER_CARRIER_URL: must start with http:// or https://",
        "DIALER_LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'",
    ]


@pytest.mark.parametrize("text", ["fast", '{"grace_s": 5}'])
def test_delays_are_not_set_all_at_once(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DIALER_DATABASE_URL", URL)
    monkeypatch.setenv("DIALER_TIMING", text)
    with pytest.raises(WrongEnvironment, match="^DIALER_TIMING is not a delay; known are DIALER_TIMING_"):
        Settings.from_env()


@pytest.mark.parametrize("program", [["worker.py", "--role", "bulk"], ["-m", "dialer.store.migrate"]])
def test_a_program_without_its_environment_ends_with_one_line(program: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIALER_")}
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *program], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "wrong environment: DIALER_DATABASE_URL is not set\n")


@pytest.mark.parametrize(
    "environment",
    [{"DIALER_TIMING_GRACES": "1"}, {"DIALER_TIMING_GRACE_S": "soon"}, {"DIALER_TIMING_GRACE_S": "-1"},
     {"DIALER_TIMING_GRACE_S": "nan"}],
)  # fmt: skip
def test_a_delay_that_is_misspelt_or_senseless_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(WrongEnvironment, match="DIALER_TIMING"):
        timing_from(environment)


@pytest.mark.parametrize(
    ("carrier", "public", "reachable"),
    [
        ("http://127.0.0.1:8601", "http://127.0.0.1:8600", True),
        (None, "https://dialer.example.com", True),
        (None, "http://dialer.example.com", False),
        (None, "http://127.0.0.1:8600", False),
        (None, "https://127.0.0.1:8600", False),
        (None, "https://localhost", False),
        (None, None, False),
    ],
)
def test_only_a_simulator_reaches_an_address_that_is_not_public(
    carrier: str | None, public: str | None, reachable: bool
) -> None:
    settings = Settings(database_url=URL, twilio_base_url=carrier, public_url=public)
    assert settings.callback_url == (public if reachable else None)
