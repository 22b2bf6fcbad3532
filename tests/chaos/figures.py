"""What a run shows besides right or wrong: how soon dialing went on, and how soon slots of lost callbacks came back."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from tests.chaos.campaigns import MAX_CALL_S, RING_TIMEOUT_S
from tests.chaos.database import Look
from tests.chaos.journal import Journal, Note
from tests.chaos.plan import Kind

KILLS = {
    Kind.KILL_WORKER: "worker",
    Kind.KILL_API: "API",
    Kind.KILL_TEMPORAL: "Temporal",
    Kind.RESTART_TEMPORAL: "Temporal",
    Kind.KILL_POSTGRES: "PostgreSQL",
    Kind.RESTART_POSTGRES: "PostgreSQL",
}


def recoveries(journal: Journal, looks: Sequence[Look], creates: Sequence[float]) -> list[dict[str, Any]]:
    """For each kill: the time from it to the next call at the carrier, as far as people were due in it.

    ``silence_s`` is the longest time without a new call that touches the ten seconds after the kill, counted the same
    way: after a kill the first call is often one that was on its way already. Kills while nobody was due are left out,
    and those after the last call: there was nothing to go on with.
    """
    ordered = sorted(creates)
    found: list[dict[str, Any]] = []
    for note in journal.notes(*KILLS):
        following = bisect_right(ordered, note.at)
        if following == len(ordered) or not _was_due(looks, note.at):
            continue
        found.append(
            {
                "part": KILLS[Kind(note.what)],
                "how": note.what,
                "at": note.at,
                "first_s": _due_between(looks, note.at, ordered[following]),
                "silence_s": _silence(note, looks, ordered),
            }
        )
    return found


def _was_due(looks: Sequence[Look], at: float) -> bool:
    """True when somebody was due at the last look that was answered before ``at``."""
    return next((look.due > 0 for look in reversed(looks) if look.at <= at and look.due is not None), False)


def _silence(kill: Note, looks: Sequence[Look], ordered: Sequence[float]) -> float:
    first = max(bisect_right(ordered, kill.at) - 1, 0)
    last = min(bisect_left(ordered, kill.at + 10.0), len(ordered) - 1)
    gaps = [
        _due_between(looks, max(ordered[i], kill.at), ordered[i + 1])
        for i in range(first, last)
        if i + 1 < len(ordered)
    ]
    return max(gaps, default=0.0)


def _due_between(looks: Sequence[Look], start: float, end: float) -> float:
    """Seconds from ``start`` to ``end`` in which somebody was due. While nobody could look, the last look holds."""
    seconds, due, at = 0.0, True, start
    for look in looks:
        if look.at > end:
            break
        if look.at > start:
            seconds += (look.at - at) if due else 0.0
            at = look.at
        if look.due is not None:
            due = look.due > 0
    return round(seconds + ((end - at) if due else 0.0), 3)


def lost_callbacks(calls: Sequence[dict[str, Any]], silent: frozenset[str]) -> list[dict[str, Any]]:
    """For calls whose carrier told nothing of the end: how long after the ring and talk limits their slot came back."""
    limit_s = RING_TIMEOUT_S + MAX_CALL_S
    found: list[dict[str, Any]] = []
    for call in calls:
        if call["to_phone"] in silent and call["carrier_call_id"] and call["ended_seen_at"] and call["accepted_at"]:
            held_s = (call["ended_seen_at"] - call["accepted_at"]).total_seconds()
            found.append({"call_id": str(call["id"]), "held_s": held_s, "after_limit_s": round(held_s - limit_s, 3)})
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that ``share`` of them do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
