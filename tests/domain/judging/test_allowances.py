"""Fresh allowances and callbacks: what the judge acquits with evidence, and convicts without."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import pytest

from dialer.domain.dispositions import Disposition
from dialer.domain.judging.evidence import CallbackRecord, Evidence, RequeueRecord
from dialer.domain.states import ProspectState
from tests.domain.judging.ledgers import CAMPAIGN, NAMES, SETTINGS, Town, at, broken, changed

REQUEUE, CALLBACK = uuid5(NAMES, "requeue"), uuid5(NAMES, "callback")
POLICY = {**SETTINGS, "redial": {"max_attempts": 2, "delays": {"busy": ["PT10S"]}}}
Doctor = Callable[[Evidence], Evidence]


def requeue(**facts: Any) -> RequeueRecord:
    made = RequeueRecord(id=REQUEUE, campaign_id=CAMPAIGN, created_at=at(90), requeued=1)
    return replace(made, **facts)


def busy(town: Town, seconds: float, *, last: bool, **facts: Any) -> None:
    due = None if last else seconds + 15.5
    town.call("ann", seconds, Disposition.BUSY, then=_state(last=last), due=due, **facts)


def _state(*, last: bool) -> ProspectState:
    return ProspectState.EXHAUSTED if last else ProspectState.READY


def requeued(attempts: int | None = None, calls: int = 2) -> Evidence:
    """Ann is called twice, which is all; then she is requeued, and called again."""
    town = Town(POLICY)
    busy(town, 0, last=False)
    busy(town, 20, last=True)
    for place in range(calls):
        busy(town, 100 + 20 * place, last=place == calls - 1, requeue_id=REQUEUE)
    town.people["ann"] = replace(town.people["ann"], requeue_id=REQUEUE, attempts_base=2, allowance=attempts)
    town.run("completed", 500)
    return replace(town.evidence(), requeues=(requeue(attempts=attempts),))


def called_back(*, attempts: int = 2) -> Evidence:
    """Ann is called as often as is allowed, asks for a callback, and gets it."""
    town = Town(POLICY)
    for place in range(attempts):
        busy(town, 20 * place, last=place == attempts - 1)
    town.call("ann", 200, callback_id=CALLBACK)
    town.run("completed", 500)
    asked = CallbackRecord(id=CALLBACK, prospect_id=town.people["ann"].id, created_at=at(90), due_at=at(199))
    return replace(town.evidence(), callbacks=(asked,))


def test_a_fresh_allowance_is_counted_anew() -> None:
    assert broken(requeued()) == set()
    assert broken(requeued(attempts=1, calls=1)) == set()


def test_no_more_attempts_are_acquitted_than_the_fresh_allowance_has() -> None:
    assert "attempts_within_policy" in broken(requeued(calls=3))
    assert "attempts_within_policy" in broken(requeued(attempts=1, calls=2))


def test_a_callback_is_one_attempt_more_than_allowed() -> None:
    assert broken(called_back()) == set()


def call(index: int, **facts: Any) -> Doctor:
    return lambda evidence: changed(evidence, "calls", index, **facts)


OTHER: UUID = uuid5(NAMES, "other")

CONVICTED: dict[str, tuple[Evidence, Doctor, str]] = {
    "nothing says that there was a requeue": (
        requeued(),
        lambda e: replace(e, requeues=()),
        "attempts_within_policy",
    ),
    "the requeue was another campaign's": (
        requeued(),
        lambda e: replace(e, requeues=(requeue(campaign_id=OTHER),)),
        "attempts_within_policy",
    ),
    "the calls do not say that they belong to it": (
        requeued(),
        lambda e: call(2, requeue_id=None)(call(3, requeue_id=None)(e)),
        "attempts_within_policy",
    ),
    "the base is moved without a requeue": (
        requeued(),
        lambda e: changed(e, "prospects", 0, attempts_base=3),
        "attempts_within_policy",
    ),
    "the allowance is raised in the person's row": (
        requeued(),
        lambda e: changed(e, "prospects", 0, allowance=9),
        "attempts_within_policy",
    ),
    "it took nobody, and somebody is called by it": (
        requeued(),
        lambda e: replace(e, requeues=(requeue(requeued=0),)),
        "attempts_within_policy",
    ),
    "claimed under a requeue that came later": (
        requeued(),
        lambda e: replace(e, requeues=(requeue(created_at=at(110)),)),
        "attempts_within_policy",
    ),
    "claimed before the requeue's time": (
        requeued(),
        lambda e: replace(e, requeues=(requeue(not_before=at(101)),)),
        "redial_delays_respected",
    ),
    "called again at once within the fresh allowance": (
        requeued(),
        call(3, claimed_at=at(110)),
        "redial_delays_respected",
    ),
    "nobody asked for the callback": (called_back(), lambda e: replace(e, callbacks=()), "attempts_within_policy"),
    "somebody else asked for it": (
        called_back(),
        lambda e: replace(e, callbacks=(replace(e.callbacks[0], prospect_id=OTHER),)),
        "attempts_within_policy",
    ),
    "called back before the time": (called_back(), call(2, claimed_at=at(198.5)), "redial_delays_respected"),
    "asked for once and called twice": (
        called_back(),
        lambda e: call(1, callback_id=CALLBACK, claimed_at=at(199.1))(e),
        "attempts_within_policy",
    ),
}


@pytest.mark.parametrize("name", CONVICTED)
def test_the_judge_convicts(name: str) -> None:
    evidence, doctor, rule = CONVICTED[name]
    assert rule in broken(doctor(evidence))
