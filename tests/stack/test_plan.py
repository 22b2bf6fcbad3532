"""The environment decides which parts are embedded, and each child gets only what is meant for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialer.clock import parse_offset
from dialer.settings import Settings
from dialer.stack.home import Home
from dialer.stack.plan import Plan, PlanError, bare_environment, make_plan, wanted_ports
from dialer.stack.ports import USUAL

REMOTE = {
    "DIALER_DATABASE_URL": "postgresql://dialer:secret@db.example/dialer",
    "TEMPORAL_ADDRESS": "temporal.example:7233",
    "TEMPORAL_NAMESPACE": "production",
    "TEMPORAL_API_KEY": "key",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def plan_for(home: Home, given: dict[str, str]) -> Plan:
    return make_plan(home, given, {part: USUAL[part] for part in wanted_ports(given)})


def test_with_nothing_given_everything_is_embedded(home: Home) -> None:
    plan = plan_for(home, {})
    assert (plan.with_postgres, plan.with_temporal, plan.with_simulator) == (True, True, True)
    links = plan.links()
    assert all(links.values())
    assert links["database_url"] == plan.environment["DIALER_DATABASE_URL"]
    assert f":{plan.ports['postgres']}/dialer" in str(links["database_url"])
    assert plan.environment["DIALER_PUBLIC_URL"] == plan.api_url


def test_what_is_elsewhere_is_not_started(home: Home) -> None:
    plan = plan_for(home, REMOTE)
    assert (plan.with_postgres, plan.with_temporal, plan.with_simulator) == (False, False, False)
    assert set(plan.ports) == {"api"}
    assert REMOTE.items() <= plan.environment.items()
    assert plan.links()["simulator_url"] is None
    assert "DIALER_CARRIER_URL" not in plan.environment


def test_the_children_can_read_their_settings(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(home, {})
    for name, value in plan.environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_env()
    assert settings.simulated
    assert settings.twilio_account_sid == plan.environment["SIM_ACCOUNT_SID"]
    assert settings.api_key == plan.secrets["api_key"]
    assert settings.home == home.path


def test_another_carriers_region_does_not_reach_the_simulator(home: Home) -> None:
    plan = plan_for(home, {"TWILIO_REGION": "ie1", "TWILIO_EDGE": "dublin", "TWILIO_API_KEY": "SK1"})
    assert not {"TWILIO_REGION", "TWILIO_EDGE", "TWILIO_API_KEY"} & plan.environment.keys()


def test_another_clusters_key_does_not_reach_the_embedded_temporal(home: Home) -> None:
    plan = plan_for(home, {"TEMPORAL_API_KEY": "key", "TEMPORAL_PROFILE": "cloud"})
    assert "TEMPORAL_API_KEY" not in plan.environment
    assert "TEMPORAL_PROFILE" not in plan.environment
    assert plan.environment["TEMPORAL_NAMESPACE"] == "default"


def test_a_proxy_is_not_asked_for_this_machine(home: Home) -> None:
    plan = plan_for(home, {"NO_PROXY": "corp.example", "HTTPS_PROXY": "http://proxy.example"})
    assert plan.environment["NO_PROXY"] == "corp.example,127.0.0.1,localhost"


def test_a_real_carrier_without_its_token_is_refused(home: Home) -> None:
    with pytest.raises(PlanError, match="TWILIO_AUTH_TOKEN"):
        plan_for(home, {"TWILIO_ACCOUNT_SID": "AC1"})


def test_an_instant_becomes_one_offset_for_all_children(home: Home) -> None:
    instant = datetime.now(UTC) + timedelta(days=3)
    plan = plan_for(home, {"DIALER_CLOCK": instant.isoformat()})
    offset = parse_offset(plan.environment["DIALER_CLOCK"], datetime(2000, 1, 1, tzinfo=UTC))
    assert timedelta(days=3) - offset < timedelta(seconds=10)
    with pytest.raises(PlanError, match="DIALER_CLOCK"):
        plan_for(home, {"DIALER_CLOCK": "yesterday"})


def test_keys_that_are_given_are_used(home: Home) -> None:
    plan = plan_for(home, {"DIALER_API_KEY": "mine", "DIALER_SECRET_KEY": "other"})
    assert plan.links()["api_key"] == "mine"
    assert plan.environment["DIALER_SECRET_KEY"] == "other"


def test_programs_that_are_not_ours_see_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    assert "secret" not in bare_environment().values()
