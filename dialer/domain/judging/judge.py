"""The judge: every promise of the dialer, checked against our rows, their history and the carrier's own ledger.

Nothing here reads a clock, a database or a network: the same evidence always gets the same verdict.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from dialer.domain.judging.agreement import no_leaked_slots, rows_agree_with_carrier
from dialer.domain.judging.allowances import attempts_within_policy
from dialer.domain.judging.bookkeeping import imports_add_up, tallies_equal_counts
from dialer.domain.judging.cases import Case, Findings
from dialer.domain.judging.dialed_once import (
    carrier_calls_known,
    not_outlived,
    one_carrier_call_per_call,
    one_live_call_per_person,
)
from dialer.domain.judging.evidence import Evidence
from dialer.domain.judging.inbound_calls import inbound_calls_known, ringing_back_respected
from dialer.domain.judging.limits import calls_per_day_held, calls_per_second_held, concurrency_caps_held
from dialer.domain.judging.moments import inside_calling_hours, no_dial_after_suppression, no_dial_while_not_running
from dialer.domain.judging.people import prospects_not_lost, redial_delays_respected
from dialer.domain.judging.verdicts import Counts, RuleResult, Tolerances, Verdict
from dialer.domain.states import CallState

Rule = Callable[[Case, Findings], None]

#: Rules that cannot be looked at without the carrier's record.
CARRIER_RULES: dict[str, Rule] = {
    "one_carrier_call_per_call": one_carrier_call_per_call,
    "carrier_calls_known": carrier_calls_known,
    "no_dial_outlives_its_gate": not_outlived,
    "concurrency_caps_held": concurrency_caps_held,
    "calls_per_second_held": calls_per_second_held,
    "calls_per_day_held": calls_per_day_held,
    "inside_calling_hours": inside_calling_hours,
    "rows_agree_with_carrier": rows_agree_with_carrier,
    "inbound_calls_known": inbound_calls_known,
}
#: Rules that the carrier's record makes sharper, and that our rows alone can break.
SHARED_RULES: dict[str, Rule] = {
    "one_live_call_per_person": one_live_call_per_person,
    "redial_delays_respected": redial_delays_respected,
    "no_dial_after_suppression": no_dial_after_suppression,
    "no_dial_while_not_running": no_dial_while_not_running,
    "no_leaked_slots": no_leaked_slots,
}
ROW_RULES: dict[str, Rule] = {
    "prospects_not_lost": prospects_not_lost,
    "attempts_within_policy": attempts_within_policy,
    "tallies_equal_counts": tallies_equal_counts,
    "imports_add_up": imports_add_up,
    "ringing_back_respected": ringing_back_respected,
}
RULES = (
    "one_carrier_call_per_call",
    "one_live_call_per_person",
    "carrier_calls_known",
    "no_dial_outlives_its_gate",
    "prospects_not_lost",
    "attempts_within_policy",
    "redial_delays_respected",
    "concurrency_caps_held",
    "calls_per_second_held",
    "calls_per_day_held",
    "inside_calling_hours",
    "no_dial_after_suppression",
    "no_dial_while_not_running",
    "tallies_equal_counts",
    "no_leaked_slots",
    "rows_agree_with_carrier",
    "imports_add_up",
    "inbound_calls_known",
    "ringing_back_respected",
)
_BY_NAME: dict[str, Rule] = {**CARRIER_RULES, **SHARED_RULES, **ROW_RULES}
#: The moment of the evidence may lie so far before what its rows say.
_CLOCK_FAULT = timedelta(seconds=60)


class CannotJudge(Exception):
    """The evidence contradicts itself as a whole: a verdict on it would say nothing."""


def judge(
    evidence: Evidence, tolerances: Tolerances | None = None, *, tell: Callable[[str], None] = lambda _: None
) -> Verdict:
    """The verdict. ``tell`` hears the name of each rule before it is looked at. Raises CannotJudge."""
    _refuse_nonsense(evidence)
    case = Case(evidence, tolerances or Tolerances())
    results: list[RuleResult] = []
    for name in RULES:
        tell(name)
        if evidence.carrier is None and name in CARRIER_RULES:
            results.append(RuleResult(rule=name, not_judged="needs the carrier's log"))
            continue
        findings = Findings(name)
        _BY_NAME[name](case, findings)
        rows_only = evidence.carrier is None and name in SHARED_RULES
        results.append(replace(findings.result(), rows_only=rows_only))
    return Verdict(rules=tuple(results), late=tuple(case.late.values()), counts=_counts(case))


def _refuse_nonsense(evidence: Evidence) -> None:
    newest = max((call.claimed_at for call in evidence.calls if call.claimed_at is not None), default=None)
    if newest is not None and newest > evidence.now + _CLOCK_FAULT:
        raise CannotJudge(
            "the database holds calls from the future: the dialer's clock is another one (set DIALER_CLOCK alike)"
        )
    if evidence.carrier is None:
        return
    named = sum(1 for call in evidence.calls if call.carrier_call_id is not None)
    if named and not evidence.carrier:
        raise CannotJudge(f"the carrier's log is empty, and {named} of our calls name calls in it")


def _counts(case: Case) -> Counts:
    mine = list(case.judged_calls())
    unknown = [call for call in mine if call.unknown]
    return Counts(
        calls=len(mine),
        carrier_calls=sum(1 for _ in case.judged_placed()) + len(case.strangers),
        prospects=dict(Counter(prospect.state.value for prospect in case.evidence.prospects)),
        unknown=len(unknown),
        unknown_at_carrier=sum(1 for call in unknown if call.id in case.records_of),
        deferred=sum(1 for call in mine if call.state is CallState.DEFERRED),
        late=len(case.late),
        foreign=case.foreign,
        later=case.later,
    )
