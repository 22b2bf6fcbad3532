"""How a line ended, row by row, and what follows from it."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.carrier_events import TERMINAL, AnsweredBy, CarrierStatus
from dialer.domain.dispositions import (
    ACCOUNT_CODES,
    CONFIGURATION_CODES,
    NOT_PROCESSED_CODES,
    OUTCOME_RULES,
    RULES,
    Disposition,
    EndFacts,
    Outcome,
    RedialGroup,
    counts_towards_caps,
    disposition_of,
    disposition_of_refusal,
    refusal_pauses_campaign,
)
from dialer.domain.states import FINAL_PROSPECT_STATES, ProspectState

REFUSED: list[tuple[tuple[int, ...], Disposition | None, bool]] = [
    ((21211, 21217, 13223, 13226), Disposition.INVALID_NUMBER, False),
    ((21215, 21216, 13225, 13227, 21202), Disposition.BLOCKED, False),
    ((20003, 20005, 10001, 21205, 21210, 21212, 21219), Disposition.PROVIDER_ERROR, True),
    ((13224, 21214), Disposition.DISCONNECTED, False),
    ((20429, 22005, 10004), None, False),
    ((29999, 0), Disposition.PROVIDER_ERROR, False),
]


@pytest.mark.parametrize(("codes", "expected", "pauses"), REFUSED)
def test_a_refused_call_is_told_by_the_code(codes: tuple[int, ...], expected: Disposition | None, pauses: bool):
    for code in codes:
        assert disposition_of_refusal(code) is expected
        assert refusal_pauses_campaign(code) is pauses


def test_a_refusal_without_a_code_says_nothing_about_the_person():
    assert disposition_of_refusal(None) is Disposition.PROVIDER_ERROR
    assert not refusal_pauses_campaign(None)


def test_a_code_means_one_thing():
    assert not ACCOUNT_CODES & CONFIGURATION_CODES
    assert not NOT_PROCESSED_CODES & (ACCOUNT_CODES | CONFIGURATION_CODES)


C, B, N, F, X = (
    CarrierStatus.COMPLETED,
    CarrierStatus.BUSY,
    CarrierStatus.NO_ANSWER,
    CarrierStatus.FAILED,
    CarrierStatus.CANCELED,
)

ENDS: list[tuple[dict[str, Any], Disposition]] = [
    # answered
    ({"status": C, "sip_code": 200, "answered_by": AnsweredBy.HUMAN, "talk_seconds": 40}, Disposition.HUMAN),
    ({"status": C, "answered_by": AnsweredBy.HUMAN, "talk_seconds": 2}, Disposition.HUMAN),
    ({"status": C, "answered_by": AnsweredBy.HUMAN, "agent_missing": True}, Disposition.ABANDONED),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_START}, Disposition.VOICEMAIL_NO_MSG),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_START, "message_played": True}, Disposition.VOICEMAIL_NO_MSG),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_END_BEEP}, Disposition.VOICEMAIL_NO_MSG),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_END_BEEP, "message_played": True}, Disposition.VOICEMAIL_LEFT),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_END_SILENCE, "message_played": True}, Disposition.VOICEMAIL_LEFT),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_END_OTHER, "message_played": True}, Disposition.VOICEMAIL_LEFT),
    ({"status": C, "answered_by": AnsweredBy.MACHINE_END_OTHER}, Disposition.VOICEMAIL_NO_MSG),
    ({"status": C, "answered_by": AnsweredBy.FAX}, Disposition.FAX),
    ({"status": C, "answered_by": AnsweredBy.UNKNOWN, "talk_seconds": 40}, Disposition.ANSWERED_UNKNOWN),
    ({"status": C, "answered_by": None, "talk_seconds": 6}, Disposition.ANSWERED_UNKNOWN),
    ({"status": C, "answered_by": None, "talk_seconds": None}, Disposition.ANSWERED_UNKNOWN),
    ({"status": C, "answered_by": None, "talk_seconds": 5}, Disposition.SHORT_HANGUP),
    ({"status": C, "answered_by": AnsweredBy.UNKNOWN, "talk_seconds": 0}, Disposition.SHORT_HANGUP),
    ({"status": C, "talk_seconds": 5, "speech_heard": True}, Disposition.ANSWERED_UNKNOWN),
    ({"status": C, "talk_seconds": 0, "canceled_by_us": True}, Disposition.CANCELED),
    ({"status": C, "talk_seconds": 9, "canceled_by_us": True}, Disposition.ANSWERED_UNKNOWN),
    ({"status": C, "answered_by": AnsweredBy.HUMAN, "canceled_by_us": True}, Disposition.HUMAN),
    # our own document failed
    *(({"status": C, "error_code": code}, Disposition.PROVIDER_ERROR) for code in (11200, 11205, 11210, 12100, 12200)),
    ({"status": C, "answered_by": AnsweredBy.HUMAN, "error_code": 11200}, Disposition.PROVIDER_ERROR),
    ({"status": F, "error_code": 11200}, Disposition.PROVIDER_ERROR),
    ({"status": C, "answered_by": AnsweredBy.HUMAN, "error_code": 32015}, Disposition.HUMAN),
    # busy
    *(({"status": B, "sip_code": code}, Disposition.BUSY) for code in (486, 600, None)),
    ({"status": B, "sip_code": 603}, Disposition.REJECTED),
    ({"status": F, "sip_code": 486}, Disposition.BUSY),
    # nobody answers
    *(({"status": N, "sip_code": code}, Disposition.NO_ANSWER) for code in (487, 408, 480, None)),
    ({"status": F, "sip_code": 487}, Disposition.NO_ANSWER),
    # unreachable, disconnected, rejected, blocked
    ({"status": F, "sip_code": 480}, Disposition.UNREACHABLE),
    ({"status": F, "error_code": 32009}, Disposition.UNREACHABLE),
    *(({"status": F, "sip_code": code}, Disposition.DISCONNECTED) for code in (404, 410, 604, 484, 485)),
    *(({"status": F, "error_code": code}, Disposition.DISCONNECTED) for code in (13224, 21214)),
    *(({"status": F, "sip_code": code}, Disposition.REJECTED) for code in (603, 403, 606)),
    *(({"status": F, "sip_code": code}, Disposition.CALLER_ID_BLOCKED) for code in (607, 608)),
    ({"status": F, "error_code": 32017}, Disposition.CALLER_ID_BLOCKED),
    ({"status": F, "sip_code": 603, "error_code": 32017}, Disposition.CALLER_ID_BLOCKED),
    *(({"status": F, "error_code": code}, Disposition.BLOCKED) for code in (32203, 32205, 13225, 21215)),
    *(({"status": F, "error_code": code}, Disposition.INVALID_NUMBER) for code in (13223, 21211)),
    # the carrier, or our trunk to it
    *(({"status": F, "sip_code": code}, Disposition.CARRIER_ERROR) for code in (408, 500, 502, 503, 504, 599)),
    *(({"status": F, "error_code": code}, Disposition.CARRIER_ERROR) for code in (32016, 32011, 32022)),
    ({"status": F}, Disposition.CARRIER_ERROR),
    *(({"status": F, "sip_code": code}, Disposition.PROVIDER_ERROR) for code in (488, 415, 401, 407)),
    *(({"status": F, "error_code": code}, Disposition.PROVIDER_ERROR) for code in (32100, 32109)),
    # we ended it
    ({"status": X, "sip_code": 487, "canceled_by_us": True}, Disposition.CANCELED),
    ({"status": X}, Disposition.CANCELED),
    ({"status": N, "canceled_by_us": True}, Disposition.CANCELED),
    ({"status": F, "sip_code": 487, "canceled_by_us": True}, Disposition.CANCELED),
    ({"status": B, "canceled_by_us": True}, Disposition.BUSY),
]


@pytest.mark.parametrize(("facts", "expected"), ENDS)
def test_the_end_of_a_call_is_told_by_status_sip_code_error_and_answerer(facts: dict[str, Any], expected: Disposition):
    assert disposition_of(EndFacts(**facts)) is expected


@pytest.mark.parametrize("status", sorted(set(CarrierStatus) - TERMINAL))
def test_a_call_that_never_ended_is_unknown(status: CarrierStatus):
    assert disposition_of(EndFacts(status=status, sip_code=404)) is Disposition.UNKNOWN


facts_of_any_end = st.builds(
    EndFacts,
    status=st.sampled_from(sorted(TERMINAL)),
    sip_code=st.none() | st.integers(100, 699),
    answered_by=st.none() | st.sampled_from(AnsweredBy),
    error_code=st.none() | st.integers(0, 99_999),
    talk_seconds=st.none() | st.integers(0, 4000),
    message_played=st.booleans(),
    canceled_by_us=st.booleans(),
    speech_heard=st.booleans(),
    agent_missing=st.booleans(),
)


@given(facts_of_any_end)
def test_every_end_has_a_disposition_and_only_an_answered_call_an_answered_one(facts: EndFacts):
    disposition = disposition_of(facts)
    answered = RULES[disposition].group == "answered"
    assert not answered or facts.status is CarrierStatus.COMPLETED
    assert disposition is not Disposition.UNKNOWN


@pytest.mark.parametrize("disposition", Disposition)
def test_every_disposition_has_a_rule(disposition: Disposition):
    rule = RULES[disposition]
    held = disposition is Disposition.ZONE_UNRESOLVED
    assert (rule.final_state in FINAL_PROSPECT_STATES) != held
    assert not (rule.final and rule.default_delays)
    assert all(delay > timedelta(0) for delay in rule.default_delays)
    assert rule.group != "system" or not rule.counts


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_rule(outcome: Outcome):
    rule = OUTCOME_RULES[outcome]
    assert rule.final_state in FINAL_PROSPECT_STATES
    assert rule.suppresses == (outcome is Outcome.DNC_REQUESTED)
    assert not (rule.final and rule.default_delays)


def test_nobody_who_is_not_to_be_called_has_a_redial():
    never = {
        Disposition.INVALID_NUMBER,
        Disposition.BLOCKED,
        Disposition.FAX,
        Disposition.SUPPRESSED_DNC,
        Disposition.SUPPRESSED_CONSENT,
    }
    assert {disposition for disposition in never if RULES[disposition].final} == never
    assert OUTCOME_RULES[Outcome.DNC_REQUESTED].final_state is ProspectState.SUPPRESSED


def test_groups_hold_what_their_names_say():
    members = {
        group: {disposition for disposition, rule in RULES.items() if rule.redial_group == group}
        for group in get_args(RedialGroup)
    }
    assert members == {
        "voicemail": {Disposition.VOICEMAIL_NO_MSG, Disposition.VOICEMAIL_LEFT},
        "failed": {
            Disposition.UNREACHABLE,
            Disposition.DISCONNECTED,
            Disposition.CARRIER_ERROR,
            Disposition.PROVIDER_ERROR,
        },
    }


def test_no_policy_can_name_a_group_and_mean_a_disposition_or_outcome():
    names = [*Disposition, *Outcome, *get_args(RedialGroup)]
    assert len(names) == len(set(names))


def test_an_unknown_call_is_tried_again_a_minute_later_and_a_person_is_reached():
    assert RULES[Disposition.UNKNOWN].default_delays == (timedelta(minutes=1),)
    assert RULES[Disposition.HUMAN].final_state is ProspectState.REACHED
    assert RULES[Disposition.HUMAN].default_delays == ()


CAPS: list[tuple[Disposition, bool, bool]] = [
    (Disposition.INVALID_NUMBER, False, False),
    (Disposition.BLOCKED, False, False),
    (Disposition.CARRIER_ERROR, False, False),
    (Disposition.PROVIDER_ERROR, False, True),
    (Disposition.CANCELED, False, True),
    (Disposition.UNKNOWN, True, True),
    (Disposition.BUSY, True, True),
    (Disposition.NO_ANSWER, True, True),
    (Disposition.UNREACHABLE, True, True),
    (Disposition.DISCONNECTED, True, True),
    (Disposition.REJECTED, True, True),
    (Disposition.CALLER_ID_BLOCKED, True, True),
    (Disposition.HUMAN, True, True),
    (Disposition.VOICEMAIL_NO_MSG, True, True),
    (Disposition.FAX, True, True),
]


@pytest.mark.parametrize(("disposition", "without_ringing", "after_ringing"), CAPS)
def test_an_attempt_counts_towards_caps_when_the_person_may_have_noticed(
    disposition: Disposition, without_ringing: bool, after_ringing: bool
):
    assert counts_towards_caps(disposition, rang=False) is without_ringing
    assert counts_towards_caps(disposition, rang=True) is after_ringing
