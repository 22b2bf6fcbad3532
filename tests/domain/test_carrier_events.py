"""The words for what carriers report."""

from dialer.domain.carrier_events import TERMINAL, AnsweredBy, CarrierEvent, CarrierStatus


def test_a_call_is_either_over_or_on_its_way():
    on_its_way = {"queued", "initiated", "ringing", "in_progress"}
    assert {status.value for status in set(CarrierStatus) - TERMINAL} == on_its_way


def test_words_are_lower_case_with_underscores():
    for word in [*CarrierStatus, *AnsweredBy]:
        assert word.value == word.name.lower()


def test_equal_reports_are_equal_so_that_they_can_be_deduplicated():
    first = CarrierEvent(call_id=None, carrier_call_id="CA1", kind="status", account_sid="AC1", sequence=1)
    again = CarrierEvent(call_id=None, carrier_call_id="CA1", kind="status", account_sid="AC1", sequence=1)
    assert len({first, again}) == 1
