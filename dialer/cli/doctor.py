"""What ``dialer doctor`` does."""

import asyncio
import os
from pathlib import Path

from rich.table import Table
from rich.text import Text

from dialer.client.api import ApiClient, NoStack
from dialer.settings import Settings, WrongEnvironment
from dialer.stack.doctor import Finding, examine
from dialer.stack.home import read_json
from dialer.terminal import errors, output


def examine_home(home: Path) -> int:
    """Looks at the stack of ``home``, or at what the environment names; the exit code."""
    described = _take_over(home.expanduser())
    try:
        settings = Settings.from_env()
    except WrongEnvironment as error:
        nowhere = "" if described else f"no stack runs in {home}, and "
        errors().print(f"{nowhere}the environment does not say where the parts are: {error}", markup=False)
        return 1
    try:
        api = ApiClient.of_home(home)
    except NoStack:
        api = None
    findings = asyncio.run(examine(settings, api))
    output().print(_table(findings))
    return 0 if all(finding.well for finding in findings) else 1


def _take_over(home: Path) -> bool:
    """Where the environment is silent, the stack that runs in ``home`` says where its parts are; False without one."""
    described = read_json(home / "stack.json")
    if described is None:
        return False
    known = {
        "DIALER_DATABASE_URL": described["database_url"],
        "TEMPORAL_ADDRESS": described["temporal_address"],
        "DIALER_PUBLIC_URL": described["api_url"],
    }
    secrets = read_json(home / "secrets.json")
    if described["simulator_url"] and not os.environ.get("TWILIO_ACCOUNT_SID"):
        known |= {
            "DIALER_CARRIER_URL": described["simulator_url"],
            "TWILIO_ACCOUNT_SID": secrets["simulator_account_sid"],
            "TWILIO_AUTH_TOKEN": secrets["simulator_auth_token"],
        }
    for name, value in known.items():
        if value and not os.environ.get(name):
            os.environ[name] = value
    return True


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = Text("✓", style="green") if finding.well else Text("✗", style="red")
        table.add_row(mark, Text(finding.name), Text(finding.detail))
        if not finding.well:
            table.add_row("", "", Text(finding.fix, style="yellow"))
    return table
