from itertools import combinations, permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.call_progress import Fit, Progress, fit, progress
from dialer.domain.carrier_events import TERMINAL, AnsweredBy, CarrierEvent, CarrierStatus
from dialer.domain.states import LIVE_STATES, PROGRESS, CallState

CALL_ID = UUID(int=1)
EARLY = [status for status in CarrierStatus if status not in TERMINAL]


def report(status: CarrierStatus | None, carrier_call_id: str = "CA1", **facts: AnsweredBy) -> CarrierEvent:
    kind = "status" if status is not None else "amd"
    return CarrierEvent(
        call_id=CALL_ID, carrier_call_id=carrier_call_id, kind=kind, account_sid="AC1", status=status, **facts
    )


def after(state: CallState, statuses: list[CarrierStatus]) -> CallState:
    for status in statuses:
        state = progress(state, report(status)).state
    return state


def orders(statuses: list[CarrierStatus]) -> set[CallState]:
    return {after(CallState.DIALING, list(order)) for order in permutations(statuses)}


@pytest.mark.parametrize("terminal", sorted(TERMINAL))
def test_every_order_of_a_calls_reports_ends_it(terminal: CarrierStatus) -> None:
    assert orders([*EARLY, terminal]) == {CallState.ENDED}


def test_every_order_of_the_reports_before_the_end_leads_to_the_same_state() -> None:
    for count in range(1, len(EARLY) + 1):
        for some in combinations(EARLY, count):
            assert len(orders(list(some))) == 1


def test_a_report_of_the_same_state_again_changes_nothing() -> None:
    assert progress(CallState.RINGING, report(CarrierStatus.RINGING)) == Progress(state=CallState.RINGING, ends=False)


@given(st.sampled_from(CallState), st.lists(st.sampled_from(CarrierStatus)))
def test_no_report_lowers_a_state_and_only_one_ends_the_call(state: CallState, statuses: list[CarrierStatus]) -> None:
    ends = 0
    for status in statuses:
        step = progress(state, report(status))
        assert PROGRESS[step.state] >= PROGRESS[state]
        ends += step.ends
        state = step.state
    assert ends <= 1


@pytest.mark.parametrize("state", [CallState.ENDED, CallState.DEFERRED])
@pytest.mark.parametrize("status", list(CarrierStatus))
def test_a_call_that_is_over_stays_as_it_is(state: CallState, status: CarrierStatus) -> None:
    assert progress(state, report(status)) == Progress(state=state, ends=False)


@pytest.mark.parametrize("state", sorted(LIVE_STATES))
def test_a_detection_result_alone_moves_nothing(state: CallState) -> None:
    assert progress(state, report(None, answered_by=AnsweredBy.HUMAN)) == Progress(state=state, ends=False)


def test_an_unknown_call_goes_on_where_the_carrier_says_it_is() -> None:
    assert progress(CallState.UNKNOWN, report(CarrierStatus.QUEUED)).state is CallState.ACCEPTED
    assert progress(CallState.UNKNOWN, report(CarrierStatus.IN_PROGRESS)).state is CallState.IN_PROGRESS


@pytest.mark.parametrize("state", list(CallState))
def test_the_calls_own_carrier_id_fits_in_any_state_and_another_never(state: CallState) -> None:
    assert fit(state, "CA1", report(CarrierStatus.RINGING)) is Fit.OURS
    assert fit(state, "CA1", report(CarrierStatus.RINGING, "CA2")) is Fit.ANOTHER


@pytest.mark.parametrize("state", list(CallState))
def test_the_first_carrier_id_is_ours_while_the_call_lives_and_late_afterwards(state: CallState) -> None:
    expected = Fit.LATE if state in (CallState.ENDED, CallState.DEFERRED) else Fit.OURS
    assert fit(state, None, report(CarrierStatus.RINGING)) is expected
