"""The judge as anybody runs it: ``dialer verify`` over the database and the carrier's ledger."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from typing import Any

from tests.chaos.homes import ChaosHome

JUDGED_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``violations`` in words with ids; ``facts`` is the judge's whole answer, None when it gave none."""

    code: int | None
    violations: tuple[str, ...]
    facts: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "facts": self.facts}


async def judge(home: ChaosHome, ledger: list[dict[str, Any]]) -> Verdict:
    """Ask. An answer that cannot be had is a violation: what nobody has judged is not proved."""
    file = home.path.parent / "ledger.json"
    file.write_text(json.dumps({"items": ledger}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dialer.cli",
        "verify",
        "--carrier-log",
        str(file),
        "--json",
        "--nobody-deleted",
        env=home.environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(JUDGED_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        facts = json.loads(output)
    except ValueError:
        words = (errors or output).decode(errors="replace").strip()[-2000:]
        return Verdict(code=process.returncode, violations=(f"the judge gave no answer: {words}",), facts=None)
    found = tuple(f"{each['rule']}: {each['text']}" for each in facts.get("violations", []))
    if process.returncode != 0 and not found:
        found = (f"the judge ended with code {process.returncode}",)
    return Verdict(code=process.returncode, violations=found, facts=facts)
