from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.dispositions import OUTCOME_RULES, RULES, Disposition, Outcome
from dialer.domain.redial import (
    EndedCall,
    NextStep,
    RedialPolicy,
    attempt_of,
    next_step,
    wants_other_daypart,
    with_callback,
)
from dialer.domain.states import FINAL_PROSPECT_STATES, ProspectState

QUARTER, HALF, HOUR = timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1)
BUSY = Disposition.BUSY
HUMAN = Disposition.HUMAN


def policy(max_attempts: int = 100, **delays: Sequence[timedelta]) -> RedialPolicy:
    return RedialPolicy(max_attempts=max_attempts, delays={key: tuple(value) for key, value in delays.items()})


def ended(disposition: Disposition, outcome: Outcome | None = None) -> EndedCall:
    return EndedCall(disposition=disposition, outcome=outcome)


def after(
    rules: RedialPolicy, *calls: Disposition | EndedCall, suppressed: bool = False, attempts: int | None = None
) -> NextStep:
    """The step after the last of ``calls``."""
    history = [call if isinstance(call, EndedCall) else ended(call) for call in calls]
    made = len(history) if attempts is None else attempts
    return next_step(rules, history[-1], history[:-1], made, suppressed=suppressed)


def test_the_nth_end_of_one_kind_takes_the_nth_delay() -> None:
    rules = policy(busy=[QUARTER, HALF])
    assert after(rules, BUSY).delay == QUARTER
    assert after(rules, BUSY, BUSY).delay == HALF
    assert after(rules, BUSY, BUSY).reason == "busy: redial 2 of 2"


def test_a_person_whose_delays_are_used_up_is_exhausted() -> None:
    step = after(policy(busy=[QUARTER]), BUSY, BUSY)
    assert (step.state, step.delay, step.reason) == (ProspectState.EXHAUSTED, None, "busy: all 1 redials used")


def test_kinds_are_counted_apart() -> None:
    rules = policy(busy=[QUARTER, HALF], no_answer=[HOUR])
    assert after(rules, BUSY, Disposition.NO_ANSWER, BUSY).delay == HALF
    assert after(rules, BUSY, BUSY, Disposition.NO_ANSWER).delay == HOUR


def test_a_group_is_counted_as_one_kind() -> None:
    rules = policy(voicemail=[QUARTER, HALF])
    first, second = Disposition.VOICEMAIL_NO_MSG, Disposition.VOICEMAIL_LEFT
    assert after(rules, first, second).delay == HALF
    assert after(rules, first, second).reason == "voicemail: redial 2 of 2"
    assert after(rules, first, second, first).state is ProspectState.EXHAUSTED


def test_a_disposition_that_the_policy_names_is_not_counted_with_its_group() -> None:
    rules = policy(voicemail=[QUARTER], voicemail_left=[HALF])
    assert after(rules, Disposition.VOICEMAIL_NO_MSG, Disposition.VOICEMAIL_LEFT).delay == HALF
    assert after(rules, Disposition.VOICEMAIL_LEFT, Disposition.VOICEMAIL_NO_MSG).delay == QUARTER


def test_a_disposition_that_the_policy_does_not_name_takes_its_default() -> None:
    rules = policy(no_answer=[QUARTER])
    assert after(rules, BUSY).delay == RULES[BUSY].default_delays[0]


def test_an_empty_list_means_no_redial() -> None:
    step = after(policy(busy=[]), BUSY)
    assert (step.state, step.reason) == (ProspectState.EXHAUSTED, "busy: no redial by policy")


def test_a_number_that_is_gone_ends_as_invalid_once_its_redials_are_used() -> None:
    assert after(policy(failed=[QUARTER]), Disposition.DISCONNECTED).state is ProspectState.READY
    assert after(policy(failed=[]), Disposition.DISCONNECTED).state is ProspectState.INVALID


def test_max_attempts_ends_it_whatever_delays_are_left() -> None:
    rules = policy(max_attempts=2, busy=[QUARTER, QUARTER, QUARTER])
    assert after(rules, BUSY).state is ProspectState.READY
    step = after(rules, BUSY, BUSY)
    assert (step.state, step.reason) == (ProspectState.EXHAUSTED, "all 2 attempts made")


def test_attempts_that_ended_otherwise_count_towards_max_attempts() -> None:
    rules = policy(max_attempts=3, busy=[QUARTER] * 9, no_answer=[QUARTER] * 9)
    assert after(rules, Disposition.NO_ANSWER, Disposition.NO_ANSWER, BUSY).state is ProspectState.EXHAUSTED


def test_a_refusal_that_was_no_attempt_does_not_count_towards_max_attempts() -> None:
    rules = policy(max_attempts=1, provider_error=[QUARTER])
    assert after(rules, Disposition.PROVIDER_ERROR, attempts=0).delay == QUARTER


@pytest.mark.parametrize("disposition", [key for key, rule in RULES.items() if rule.final], ids=str)
def test_a_final_disposition_cannot_be_redialed_by_any_policy(disposition: Disposition) -> None:
    named = policy(**{key: [QUARTER] for key in (disposition, "failed", "voicemail")})
    step = after(named, disposition)
    assert (step.state, step.delay) == (RULES[disposition].final_state, None)


@pytest.mark.parametrize("outcome", [key for key, rule in OUTCOME_RULES.items() if rule.final], ids=str)
def test_a_final_outcome_cannot_be_redialed_by_any_policy(outcome: Outcome) -> None:
    step = after(policy(**{outcome: [QUARTER], "human": [QUARTER]}), ended(HUMAN, outcome))
    assert (step.state, step.delay) == (OUTCOME_RULES[outcome].final_state, None)


def test_what_was_said_decides_before_how_the_line_ended() -> None:
    rules = policy(callback_requested=[HOUR], human=[QUARTER])
    step = after(rules, ended(HUMAN, Outcome.CALLBACK_REQUESTED))
    assert (step.delay, step.reason) == (HOUR, "callback_requested: redial 1 of 1")
    assert after(rules, HUMAN).delay == QUARTER


def test_an_outcome_that_the_policy_does_not_name_takes_its_default() -> None:
    step = after(policy(human=[QUARTER]), ended(HUMAN, Outcome.INCOMPLETE))
    assert step.delay == OUTCOME_RULES[Outcome.INCOMPLETE].default_delays[0]


def test_a_suppressed_person_is_never_called_again() -> None:
    step = after(policy(busy=[QUARTER]), BUSY, suppressed=True)
    assert (step.state, step.delay) == (ProspectState.SUPPRESSED, None)


KEYS = [*map(str, Disposition), *map(str, Outcome), "voicemail", "failed"]
policies = st.builds(
    RedialPolicy,
    max_attempts=st.integers(1, 9),
    delays=st.dictionaries(
        st.sampled_from(KEYS), st.lists(st.timedeltas(timedelta(0), timedelta(days=30)), max_size=4).map(tuple)
    ),
)
calls = st.builds(
    EndedCall, disposition=st.sampled_from(Disposition), outcome=st.none() | st.sampled_from(list(Outcome))
)


@given(policies, st.lists(calls, min_size=1, max_size=12), st.booleans())
def test_a_step_is_ready_with_a_delay_or_final_without_one(
    rules: RedialPolicy, history: list[EndedCall], suppressed: bool
) -> None:
    step = after(rules, *history, suppressed=suppressed)
    if step.state is ProspectState.READY:
        assert step.delay is not None
        assert len(history) < rules.max_attempts
    else:
        assert step.delay is None
        assert step.state in FINAL_PROSPECT_STATES | {ProspectState.HELD}
    assert step.reason


@given(policies, calls)
def test_the_same_end_again_and_again_is_not_redialed_for_ever(rules: RedialPolicy, call: EndedCall) -> None:
    defaults = chain(RULES.values(), OUTCOME_RULES.values())
    longest = max(len(delays) for delays in chain(rules.delays.values(), (rule.default_delays for rule in defaults)))
    step = next_step(rules, call, [call] * longest, 0, suppressed=False)
    assert step.state is not ProspectState.READY


def test_a_number_at_which_nobody_can_be_called_leads_to_the_next_phone() -> None:
    ended = EndedCall(disposition=Disposition.INVALID_NUMBER)
    step = next_step(RedialPolicy(max_attempts=2), ended, [], 1, suppressed=False, others_left=True)
    assert (step.state, step.delay, step.leaves_phone) == (ProspectState.READY, timedelta(0), True)
    alone = next_step(RedialPolicy(max_attempts=2), ended, [], 1, suppressed=False)
    assert (alone.state, alone.leaves_phone) == (ProspectState.INVALID, True)


def test_another_phone_gives_no_attempt_more() -> None:
    ended = EndedCall(disposition=Disposition.FAX)
    step = next_step(RedialPolicy(max_attempts=2), ended, [], 2, suppressed=False, others_left=True)
    assert (step.state, step.leaves_phone) == (ProspectState.EXHAUSTED, True)


def test_a_disconnected_phone_is_tried_by_its_policy_before_it_is_left() -> None:
    ended = EndedCall(disposition=Disposition.DISCONNECTED)
    policy = RedialPolicy(max_attempts=4)
    first = next_step(policy, ended, [], 1, suppressed=False, others_left=True)
    assert (first.state, first.delay, first.leaves_phone) == (ProspectState.READY, timedelta(days=1), False)
    second = next_step(policy, ended, [ended], 2, suppressed=False, others_left=True)
    assert (second.state, second.delay, second.leaves_phone) == (ProspectState.READY, timedelta(0), True)


def test_a_request_to_be_called_back_counts_before_what_follows_otherwise() -> None:
    at = datetime(2026, 7, 1, 15, tzinfo=UTC)
    for step in (after(policy(), HUMAN), after(policy(busy=[QUARTER]), BUSY), after(policy(1), BUSY)):
        asked = with_callback(step, at)
        assert (asked.state, asked.due_at, asked.delay) == (ProspectState.READY, at, None)
    opted_out = after(policy(), HUMAN, suppressed=True)
    assert with_callback(opted_out, at) == opted_out


def test_a_callback_is_no_attempt_of_those_allowed() -> None:
    assert attempt_of(2, 4) == "2 of 4"
    assert attempt_of(5, 4, asked_for=True) == "5, a callback asked for"


def test_only_a_redial_after_nobody_was_reached_goes_by_the_parts_of_the_day() -> None:
    rules = RedialPolicy(other_daypart=True)
    ready = NextStep(state=ProspectState.READY, delay=QUARTER, reason="")
    by_the_hour = {kind for kind in Disposition if wants_other_daypart(rules, ended(kind), ready)}
    assert {kind.value for kind in by_the_hour} == {"no_answer", "busy", "voicemail_no_msg", "voicemail_left"}
    assert not wants_other_daypart(RedialPolicy(), ended(BUSY), ready)
    assert not wants_other_daypart(rules, ended(BUSY, Outcome.INCOMPLETE), ready)
    assert not wants_other_daypart(rules, ended(BUSY), after(policy(busy=[]), BUSY))
