"""Campaigns in which something particular happens, small enough to be run once per door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.operations.carrier_callbacks import Callback
from tests.faults.doors import Fault
from tests.faults.sites import Site

Behaviour = dict[str, object]
#: People answer and hang up, somebody is busy: all in a moment.
HUMAN: Behaviour = {"kind": "human", "ring_s": 1, "talk_s": 5}
BUSY: Behaviour = {"kind": "busy", "ring_s": 1}
SOON = {
    "redial": {"max_attempts": 3, "delays": {"busy": ["PT1M", "PT1M"], "unknown": ["PT1M", "PT1M"], "disconnected": []}}
}


async def nothing(site: Site) -> list[str]:
    """No more is promised than always."""
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``phones``: how each person's phone behaves, attempt by attempt. ``play``: what is done until all is over."""

    name: str
    phones: tuple[tuple[Behaviour, ...], ...] = ((HUMAN,),)
    settings: Mapping[str, Any] = field(default_factory=lambda: SOON)
    withheld: Callable[[Callback], bool] = lambda callback: False
    hidden: bool = False
    """The carrier's lists lag behind: a call whose id is not known is not found."""
    asleep: bool = False
    """The campaign waits in its workflow, not in a leg, while its calls go on: it has to be nudged."""
    call_workflows: bool = True
    play: Callable[[Site], Awaitable[None]] = Site.run_on
    also: Callable[[Site], Awaitable[list[str]]] = nothing
    """What else must be true at the end; a sentence for each thing that is not."""
    launched: bool = True
    faults: tuple[Fault, ...] = tuple(Fault)
    time_scale: float = 0.0005
    """The town's: how many real seconds one of its seconds takes."""
    expected: frozenset[str] = frozenset({"human"})
    """The dispositions of a run in which nothing goes wrong."""


def _is_last(callback: Callback) -> bool:
    return "CallDuration" in callback.form


def _is_not_last(callback: Callback) -> bool:
    return not _is_last(callback)


def _when(condition: str) -> Callable[[Site], Awaitable[bool]]:
    async def holds(site: Site) -> bool:
        found = await site.world.read(f"SELECT 1 FROM calls WHERE campaign_id = :c AND {condition}")
        return bool(found) or await site.is_over()

    return holds


async def _late_reports(site: Site) -> None:
    """What was held back comes when the call is over for us."""
    over = _when("(state = 'ended' OR amd_due_at IS NOT NULL)")
    await site.run_on(until=lambda: over(site))
    late, site.held_back = site.held_back, []
    for callback in late:
        await site.deliver(callback)
    await site.run_on()


async def _mended(site: Site) -> None:
    """What the carrier refuses at first it takes a minute later."""
    refused = _when("state IN ('deferred', 'ended')")
    await site.run_on(until=lambda: refused(site))
    site.town.simulated.town.unscript()
    await site.run_on()


#: Nobody is called again when the carrier does not tell what became of a call.
ONCE = {"redial": {"max_attempts": 2, "delays": {"unknown": []}}}
LOST_ACCEPTANCE = {**HUMAN, "create_error": "error_after_accept"}
DETECTED = {"redial": {"delays": {"short_hangup": []}}, "answering_machine": "detect_async"}
#: Found out when the call is long over.
SLOWLY_DETECTED = {**HUMAN, "amd_s": 25, "answered_by": "human"}

SCENARIOS = (
    Scenario(name="a person who answers"),
    Scenario(
        name="two people in one leg",
        phones=((HUMAN,), ({"kind": "disconnected"},)),
        withheld=_is_not_last,
        expected=frozenset({"human", "disconnected"}),
    ),
    Scenario(
        name="busy, and called again",
        asleep=True,
        phones=((BUSY, HUMAN),),
        withheld=_is_not_last,
        expected=frozenset({"busy", "human"}),
    ),
    Scenario(
        name="a number that the carrier refuses",
        phones=(({"create_error": 21211},),),
        expected=frozenset({"invalid_number"}),
    ),
    Scenario(
        name="a carrier that throttles",
        phones=(({"create_error": "http_429"},),),
        withheld=_is_not_last,
        play=_mended,
    ),
    Scenario(
        name="a carrier that breaks before it accepts",
        phones=(({"create_error": "http_500"},),),
        settings=ONCE,
        expected=frozenset({"unknown"}),
    ),
    Scenario(name="an acceptance that is lost", phones=((LOST_ACCEPTANCE,),)),
    Scenario(name="an acceptance and all callbacks lost", phones=((LOST_ACCEPTANCE,),), withheld=lambda callback: True),
    Scenario(name="a last callback that is lost", asleep=True, withheld=_is_last),
    Scenario(
        name="all callbacks lost, and the workflow",
        withheld=lambda callback: True,
        call_workflows=False,
        # The sweep, which is what is left, is tried with every fault on its own.
        faults=(Fault.KILL,),
    ),
    Scenario(
        name="reports on a call that was given up",
        phones=((LOST_ACCEPTANCE,),),
        settings=ONCE,
        withheld=lambda callback: True,
        hidden=True,
        play=_late_reports,
        expected=frozenset({"unknown"}),
    ),
    Scenario(
        name="who answered is found out after the call",
        phones=((SLOWLY_DETECTED,),),
        settings=DETECTED,
        time_scale=0.01,
    ),
    Scenario(
        name="who answered is never found out",
        phones=(({**SLOWLY_DETECTED, "lose_callbacks": ["amd"]},),),
        settings=DETECTED,
        time_scale=0.01,
        expected=frozenset({"short_hangup"}),
    ),
)
