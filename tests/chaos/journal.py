"""What was done to the stack and what it answered, in the order in which it happened.

Times are seconds since the epoch on the machine's clock, whatever clock the stack lives by.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that happened. ``faults`` is how many injections it counts for."""

    at: float
    what: str
    faults: int = 0
    facts: Mapping[str, Any]


class Journal:
    """Grows during a run."""

    def __init__(self) -> None:
        self._notes: list[Note] = []

    def note(self, what: str, *, faults: int = 0, at: float | None = None, **facts: Any) -> Note:
        """Write down what has just happened."""
        note = Note(at=time.time() if at is None else at, what=what, faults=faults, facts=facts)
        self._notes.append(note)
        return note

    def notes(self, *whats: str) -> Iterator[Note]:
        """All notes, or those of some kinds, in order."""
        return (note for note in sorted(self._notes, key=lambda n: n.at) if not whats or note.what in whats)

    def faults(self) -> dict[str, int]:
        """Injections by kind."""
        found: dict[str, int] = {}
        for note in self.notes():
            if note.faults:
                found[note.what] = found.get(note.what, 0) + note.faults
        return found

    def as_json(self) -> list[dict[str, Any]]:
        return [{"at": n.at, "what": n.what, "faults": n.faults, **n.facts} for n in self.notes()]
