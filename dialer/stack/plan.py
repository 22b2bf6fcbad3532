"""Which parts of the stack are embedded, and the environment that its children get."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dialer.clock import format_offset, parse_offset
from dialer.stack.home import Home
from dialer.stack.ports import HOST
from dialer.stack.postgres import DATABASE, ROLE


class PlanError(ValueError):
    """The environment asks for something that cannot be; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to start, where, and with which environment."""

    home: Home
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    environment: Mapping[str, str]
    """Of the API, the workers and the commands that run once."""
    with_postgres: bool
    with_temporal: bool
    with_simulator: bool

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.ports['api']}"

    @property
    def simulator_url(self) -> str | None:
        return f"http://{HOST}:{self.ports['simulator']}" if self.with_simulator else None

    def links(self) -> dict[str, str | None]:
        """What ``stack.json`` says about how to reach the parts."""
        return {
            "api_url": self.api_url,
            "api_key": self.environment["DIALER_API_KEY"],
            "temporal_address": self.environment.get("TEMPORAL_ADDRESS"),
            "temporal_ui_url": self.environment.get("DIALER_TEMPORAL_UI_URL"),
            "simulator_url": self.simulator_url or self.environment.get("DIALER_CARRIER_URL"),
            "database_url": self.environment["DIALER_DATABASE_URL"],
            "clock": self.environment.get("DIALER_CLOCK", "PT0S"),
        }


def wanted_ports(given: Mapping[str, str]) -> set[str]:
    """The parts that listen here, under the environment ``given``."""
    wanted = {"api"}
    if not given.get("DIALER_DATABASE_URL"):
        wanted |= {"postgres"}
    if not given.get("TEMPORAL_ADDRESS"):
        wanted |= {"temporal", "temporal_ui", "temporal_http", "temporal_metrics"}
    if not given.get("TWILIO_ACCOUNT_SID"):
        wanted |= {"simulator"}
    return wanted


def make_plan(home: Home, given: Mapping[str, str], ports: Mapping[str, int]) -> Plan:
    """The plan for ``home`` under the environment ``given``, on ``ports`` for all of :func:`wanted_ports`.

    Raises :class:`PlanError`.
    """
    with_postgres, with_temporal, with_simulator = (
        part in wanted_ports(given) for part in ("postgres", "temporal", "simulator")
    )
    if not with_simulator and not given.get("TWILIO_AUTH_TOKEN"):
        raise PlanError("TWILIO_ACCOUNT_SID is set and TWILIO_AUTH_TOKEN is not: callbacks could not be verified")
    secrets = home.secrets()
    environment = {name: value for name, value in given.items() if value}
    environment |= _always(home, given, secrets, ports)
    if with_postgres:
        environment["DIALER_DATABASE_URL"] = (
            f"postgresql://{ROLE}:{secrets['database_password']}@{HOST}:{ports['postgres']}/{DATABASE}"
        )
    if with_temporal:
        environment = _to_embedded_temporal(environment, ports)
    if with_simulator:
        environment = _to_simulator(environment, secrets, ports)
    return Plan(
        home=home,
        ports=ports,
        secrets=secrets,
        environment=environment,
        with_postgres=with_postgres,
        with_temporal=with_temporal,
        with_simulator=with_simulator,
    )


def bare_environment() -> dict[str, str]:
    """For programs that are not ours, one of which runs as another account: nothing of what we were given."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _always(
    home: Home, given: Mapping[str, str], secrets: Mapping[str, str], ports: Mapping[str, int]
) -> dict[str, str]:
    api_url = f"http://{HOST}:{ports['api']}"
    always = {
        "DIALER_HOME": str(home.path),
        "DIALER_API_KEY": given.get("DIALER_API_KEY") or secrets["api_key"],
        "DIALER_SECRET_KEY": given.get("DIALER_SECRET_KEY") or secrets["secret_key"],
        "DIALER_PUBLIC_URL": given.get("DIALER_PUBLIC_URL") or api_url,
        "NO_PROXY": ",".join(filter(None, [given.get("NO_PROXY") or given.get("no_proxy"), HOST, "localhost"])),
        "PYTHONUNBUFFERED": "1",
    }
    always["no_proxy"] = always["NO_PROXY"]
    if clock := given.get("DIALER_CLOCK"):
        # An instant becomes an offset here and once, or every restart of a child would set its clock back.
        try:
            always["DIALER_CLOCK"] = format_offset(parse_offset(clock, datetime.now(UTC)))
        except ValueError as error:
            raise PlanError(f"DIALER_CLOCK: {error}") from error
    return always


def _to_embedded_temporal(environment: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """Without what belongs to another cluster: a profile with TLS or a key would not fit this one."""
    kept = {name: value for name, value in environment.items() if not name.startswith("TEMPORAL_")}
    return kept | {
        "TEMPORAL_ADDRESS": f"{HOST}:{ports['temporal']}",
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "DIALER_TEMPORAL_UI_URL": f"http://{HOST}:{ports['temporal_ui']}",
    }


def _to_simulator(
    environment: Mapping[str, str], secrets: Mapping[str, str], ports: Mapping[str, int]
) -> dict[str, str]:
    """Without a region or edge, from which the SDK would build another host name."""
    kept = {name: value for name, value in environment.items() if not name.startswith("TWILIO_")}
    sid, token = secrets["simulator_account_sid"], secrets["simulator_auth_token"]
    return kept | {
        "DIALER_CARRIER_URL": f"http://{HOST}:{ports['simulator']}",
        "TWILIO_ACCOUNT_SID": sid,
        "TWILIO_AUTH_TOKEN": token,
        "SIM_ACCOUNT_SID": sid,
        "SIM_AUTH_TOKEN": token,
    }
