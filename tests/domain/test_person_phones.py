"""Whose turn it is among the phones of one person."""

from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.person_phones import MOST_PHONES, Line, Turn, carried_over, following, once_each

PHONES = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=MOST_PHONES, unique=True)


def test_phones_are_called_in_turn_and_around_again() -> None:
    turns = [Turn()]
    for _ in range(4):
        at = following(turns[-1], 3)
        assert at is not None
        turns.append(Turn(at=at))
    assert [turn.at for turn in turns] == [0, 1, 2, 0, 1]


def test_a_phone_that_is_left_out_is_passed_over_and_the_only_one_left_is_called_again() -> None:
    assert following(Turn(at=0, bad=0b010), 3) == 2
    assert following(Turn(at=2, bad=0b011), 3) == 2
    assert following(Turn(at=0, bad=0b111), 3) is None


@given(PHONES, PHONES, st.integers(0, 4), st.integers(0, 31))
def test_a_changed_list_keeps_what_is_known_of_each_phone(old: list[str], new: list[str], at: int, bad: int) -> None:
    turn = Turn(at=at % len(old), bad=bad % (1 << len(old)))
    kept = carried_over(turn, old, new)
    assert 0 <= kept.at < len(new)
    for place, phone in enumerate(new):
        was_bad = phone in old and bool(turn.bad >> old.index(phone) & 1)
        assert bool(kept.bad >> place & 1) == was_bad
    some_good = kept.bad != (1 << len(new)) - 1
    if some_good and old != new:
        assert not kept.bad >> kept.at & 1
    due = old[turn.at]
    if due in new and not turn.bad >> turn.at & 1:
        assert new[kept.at] == due


def test_a_phone_in_two_places_is_kept_once() -> None:
    lines = [Line("a", "1"), Line("b"), Line("a", "2")]
    assert once_each(lines) == (Line("a", "1"), Line("b"))
