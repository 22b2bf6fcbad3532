"""What was in force when."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from dialer.domain.judging.evidence import Change, Subject


class History:
    """The changes of every subject, oldest first; look-ups take the logarithm of their number."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes: dict[tuple[str, UUID], list[Change]] = defaultdict(list)
        for change in sorted(changes, key=lambda each: each.at):
            self._changes[change.subject, change.subject_id].append(change)
        self._times = {key: [change.at for change in found] for key, found in self._changes.items()}

    def of(self, subject: Subject, subject_id: UUID) -> Sequence[Change]:
        """Every change of one subject."""
        return self._changes.get((subject, subject_id), ())

    def subjects(self, subject: Subject) -> Iterable[Sequence[Change]]:
        """The changes of each subject of one kind."""
        return (found for (kind, _), found in self._changes.items() if kind == subject)

    def before(self, subject: Subject, subject_id: UUID, moment: datetime) -> Change | None:
        """The newest change strictly before ``moment``; None when the history does not reach back so far."""
        times = self._times.get((subject, subject_id))
        index = bisect_left(times, moment) if times is not None else 0
        return self._changes[subject, subject_id][index - 1] if index else None

    def during(self, subject: Subject, subject_id: UUID, start: datetime, end: datetime) -> Sequence[Change]:
        """What was in force at some moment from ``start`` to ``end``; empty when the history begins later."""
        times = self._times.get((subject, subject_id))
        if times is None:
            return ()
        # By two clocks, the later of two moments may be the earlier one.
        start, end = min(start, end), max(start, end)
        first, last = bisect_right(times, start), bisect_right(times, end)
        return self._changes[subject, subject_id][first - 1 : last] if first else ()
