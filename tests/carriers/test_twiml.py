"""What an answered call hears."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.carriers.twiml import Opening, answer, fill, hang_up, leave_message, say_goodbye
from dialer.domain.carrier_events import AnsweredBy

NOTHING_BUT_HANG_UP = [("Response", None), ("Hangup", None)]


def verbs(document: str) -> list[tuple[str, str | None]]:
    return [(element.tag, element.text) for element in ElementTree.fromstring(document).iter()]


@pytest.mark.parametrize("answered_by", [AnsweredBy.HUMAN, AnsweredBy.UNKNOWN, None])
def test_a_person_hears_the_first_message_may_speak_and_the_call_ends(answered_by: AnsweredBy | None):
    opening = Opening(first_message="Ciao {{ Name }}, sono Ada.", language="it-IT")
    document = answer(opening, {"name": "Łukasz & <Co>"}, answered_by=answered_by)
    assert verbs(document) == [
        ("Response", None),
        ("Gather", None),
        ("Say", "Ciao Łukasz & <Co>, sono Ada."),
        ("Hangup", None),
    ]
    root = ElementTree.fromstring(document)
    assert [element.get("language") for element in root.iter() if element.get("language")] == ["it-IT", "it-IT"]


@pytest.mark.parametrize("answered_by", sorted(set(AnsweredBy) - {AnsweredBy.HUMAN, AnsweredBy.UNKNOWN}, key=str))
def test_a_machine_or_fax_hears_nothing(answered_by: AnsweredBy):
    document = answer(Opening(first_message="Hello"), {}, answered_by=answered_by)
    assert verbs(document) == NOTHING_BUT_HANG_UP


def test_what_was_said_ends_the_call_instead_of_beginning_again():
    document = answer(Opening(first_message="Hello"), {}, answered_by=AnsweredBy.HUMAN, gathered=True)
    assert verbs(document) == NOTHING_BUT_HANG_UP == verbs(hang_up())


@pytest.mark.parametrize("language", [None, "", "auto detect", "it_IT", '"><Dial>'])
def test_a_language_that_is_no_language_tag_is_left_to_the_carrier(language: str | None):
    assert "language" not in answer(Opening(first_message="Hi", language=language), {}, answered_by=None)


def test_a_message_of_nothing_but_missing_variables_is_not_said():
    assert "Say" not in answer(Opening(first_message="{{a}}, {{b}}!"), {}, answered_by=None)


@pytest.mark.parametrize(
    ("template", "variables", "spoken"),
    [
        ("Hi {{name}}, how are you?", {"name": "Ada"}, "Hi Ada, how are you?"),
        ("Hi {{ name }}, how are you?", {}, "Hi, how are you?"),
        ("Hi, {{name}}!", {"name": ""}, "Hi!"),
        ("Hi {{name}}!", {"name": None}, "Hi!"),
        ("{{name}}, good morning", {}, "good morning"),
        ("Your {{colour}} {{thing}} is ready", {"thing": "car"}, "Your car is ready"),
        ("{{First Name}} {{n_2}}", {"first name": "Ada", "n_2": 7}, "Ada 7"),
        ("{{a}}", {"a": "{{b}}", "b": "no"}, "b"),
        ("Half open {{name and {single} }}", {"name": "x"}, "Half open name and single"),
        ("At 10:00.\n\nBye", {}, "At 10:00. Bye"),
        ("Hi {{name|there}}!", {}, "Hi there!"),
        ("Hi {{ Name | there }}!", {"name": " "}, "Hi there!"),
        ("Hi {{name|there}}!", {"NAME": "Ada"}, "Hi Ada!"),
        ("Hi {{name|}}!", {}, "Hi!"),
        ("", {}, ""),
    ],
)
def test_variables_are_filled_in_and_missing_ones_leave_no_gap(
    template: str, variables: dict[str, object], spoken: str
):
    assert fill(template, variables) == spoken


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_no_braces_are_ever_spoken_and_the_document_is_always_xml(template: str, variables: dict[str, object]):
    text = fill(template, variables)
    assert "{" not in text
    assert "}" not in text
    assert len(text) <= 4096
    document = answer(Opening(first_message=template), variables, answered_by=None)
    ElementTree.fromstring(document.encode())


def test_a_machine_hears_its_message_and_the_carrier_comes_back_when_it_is_said():
    document = leave_message(
        "Hi {{name}}, we call again.",
        {"name": "Ada"},
        language="en-GB",
        then="https://x.example/voice?call_id=1&stage=2",
    )
    assert verbs(document) == [
        ("Response", None),
        ("Say", "Hi Ada, we call again."),
        ("Redirect", "https://x.example/voice?call_id=1&stage=2"),
    ]
    assert 'language="en-GB"' in document


def test_a_message_without_words_is_not_left():
    assert verbs(leave_message("{{name}}!", {}, language=None, then="https://x.example/")) == NOTHING_BUT_HANG_UP


def test_goodbye_is_said_before_the_call_ends():
    assert verbs(say_goodbye("Bye.", language=None)) == [("Response", None), ("Say", "Bye."), ("Hangup", None)]
