"""The phones of one person in order: which is called next, and which are called no more.

A redial goes to the next phone, the first one following the last. A phone at which nobody can be called, whatever the
hour, is left out from then on; the person is given up only when every phone is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MOST_PHONES = 5


class Line(NamedTuple):
    """One phone, E.164, and what is dialed behind it once it answers."""

    phone: str
    extension: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """``at`` is the phone to be called next, 0 being the first; bit i of ``bad`` is set when phone i is left out."""

    at: int = 0
    bad: int = 0


def following(turn: Turn, count: int) -> int | None:
    """The phone after ``turn.at`` that is not left out, perhaps the same one again; None when all are."""
    places = ((turn.at + step) % count for step in range(1, count + 1))
    return next((place for place in places if not turn.bad >> place & 1), None)


def carried_over(turn: Turn, old: Sequence[str], new: Sequence[str]) -> Turn:
    """The turn in a changed list: by phone and not by place. A phone that is new is not left out."""
    if tuple(old) == tuple(new):
        return turn
    left_out = {phone for place, phone in enumerate(old) if turn.bad >> place & 1}
    bad = sum(1 << place for place, phone in enumerate(new) if phone in left_out)
    due = old[turn.at] if turn.at < len(old) else None
    kept = Turn(at=new.index(due) if due in new else 0, bad=bad)
    if bad >> kept.at & 1:
        return Turn(at=following(kept, len(new)) or 0, bad=bad)
    return kept


def once_each(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The phones without repetition, at most MOST_PHONES."""
    kept: dict[str, Line] = {}
    for line in lines:
        kept.setdefault(line.phone, line)
    return tuple(kept.values())[:MOST_PHONES]
