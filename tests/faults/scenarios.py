"""Campaigns in which something particular happens, small enough to be run once per door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.operations.carrier_callbacks import Callback
from tests.faults.sites import Site

Behaviour = dict[str, object]
#: People answer and hang up, somebody is busy: all in a moment.
HUMAN: Behaviour = {"kind": "human", "ring_s": 1, "talk_s": 5}
BUSY: Behaviour = {"kind": "busy", "ring_s": 1}
SOON = {
    "redial": {"max_attempts": 3, "delays": {"busy": ["PT1M", "PT1M"], "unknown": ["PT1M", "PT1M"], "disconnected": []}}
}


async def nothing(site: Site) -> None:
    """Nothing happens besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``phones``: how each person's phone behaves, attempt by attempt. ``play``: what is done until all is over."""

    name: str
    phones: tuple[tuple[Behaviour, ...], ...] = ((HUMAN,),)
    settings: Mapping[str, Any] = field(default_factory=lambda: SOON)
    withheld: Callable[[Callback], bool] = lambda callback: False
    hidden: bool = False
    """The carrier's lists lag behind: a call whose id is not known is not found."""
    call_workflows: bool = True
    play: Callable[[Site], Awaitable[None]] = Site.run_on
    expected: frozenset[str] = frozenset({"human"})
    """The dispositions of a run in which nothing goes wrong."""


def _is_last(callback: Callback) -> bool:
    return "CallDuration" in callback.form


async def _late_reports(site: Site) -> None:
    """The call is given up; then, at last, the carrier reports on it."""

    async def given_up() -> bool:
        return bool(await site.world.read("SELECT 1 FROM calls WHERE campaign_id = :c AND disposition = 'unknown'"))

    async def given_up_or_over() -> bool:
        return await given_up() or await site.is_over()

    await site.run_on(until=given_up_or_over)
    for callback in site.held_back:
        await site.deliver(callback)
    await site.run_on()


async def _mended(site: Site) -> None:
    """Whatever the carrier refuses at first it takes a minute later."""

    async def refused() -> bool:
        sql = "SELECT 1 FROM calls WHERE campaign_id = :c AND state IN ('deferred', 'ended')"
        return bool(await site.world.read(sql))

    await site.run_on(until=refused)
    site.town.simulated.town.unscript()
    await site.run_on()


SCENARIOS = (
    Scenario(name="a person who answers"),
    Scenario(
        name="several people in one leg",
        phones=((HUMAN,), ({"kind": "disconnected"},)),
        expected=frozenset({"human", "disconnected"}),
    ),
    Scenario(name="busy, and called again", phones=((BUSY, HUMAN),), expected=frozenset({"busy", "human"})),
    Scenario(
        name="a number that the carrier refuses",
        phones=(({"create_error": 21211},),),
        expected=frozenset({"invalid_number"}),
    ),
    Scenario(name="a carrier that throttles", phones=(({"create_error": "http_429"},),), play=_mended),
    Scenario(
        name="a carrier that breaks before it accepts",
        phones=(({"create_error": "http_500"},),),
        settings={"redial": {"max_attempts": 1}},
        expected=frozenset({"unknown"}),
    ),
    Scenario(name="an acceptance that is lost", phones=(({**HUMAN, "create_error": "drop_after_accept"},),)),
    Scenario(
        name="an acceptance and all callbacks lost",
        phones=(({**HUMAN, "create_error": "error_after_accept"},),),
        withheld=lambda callback: True,
    ),
    Scenario(name="a last callback that is lost", withheld=_is_last),
    Scenario(name="a last callback that is lost, and no workflow", withheld=_is_last, call_workflows=False),
    Scenario(
        name="reports on a call that was given up",
        phones=(({**HUMAN, "create_error": "error_after_accept"}, HUMAN),),
        withheld=lambda callback: True,
        hidden=True,
        play=_late_reports,
        expected=frozenset({"unknown", "human"}),
    ),
    Scenario(
        name="a machine that is found out late",
        phones=(({"kind": "human", "ring_s": 1, "talk_s": 30, "amd_s": 1},),),
        settings={**SOON, "answering_machine": "detect_async"},
    ),
    Scenario(
        name="a detection that never comes",
        phones=(({"kind": "human", "ring_s": 1, "talk_s": 30, "amd_s": 1, "lose_callbacks": ["amd"]},),),
        settings={**SOON, "answering_machine": "detect_async"},
        expected=frozenset({"human", "answered_unknown"}),
    ),
)
