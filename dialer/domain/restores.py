"""How to tell that a database has gone backwards: it was restored from a backup, and calls made since are missing.

A database that is restored does not know it. Whoever remembers how far it had come does: the sweep from run to run, a
campaign's workflow from leg to leg. A recovery (``dialer recover``) has asked the carrier for what is missing, so with
a new one the counting starts anew; a restore to a moment before it takes it away again, and is noticed by that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a database has come: the number of its newest call, and when it was last recovered."""

    newest_call: int = 0
    recovered_at: datetime | None = None

    def is_behind(self, seen: "Mark") -> bool:
        """True when the database has gone backwards since ``seen``."""
        return self._order < seen._order

    def later(self, other: "Mark") -> "Mark":
        """The one that is farther on."""
        return other if self.is_behind(other) else self

    def packed(self) -> list[int | str | None]:
        """For what keeps no types: the details of a heartbeat."""
        return [self.newest_call, None if self.recovered_at is None else self.recovered_at.isoformat()]

    @classmethod
    def unpacked(cls, values: Sequence[object]) -> "Mark":
        """The inverse of ``packed``; anything else is a mark that nothing is behind."""
        match list(values):
            case [int(newest), None]:
                return cls(newest_call=newest)
            case [int(newest), str(at)]:
                return cls(newest_call=newest, recovered_at=datetime.fromisoformat(at))
            case _:
                return cls()

    @property
    def _order(self) -> tuple[datetime, int]:
        return (self.recovered_at or _NEVER, self.newest_call)
