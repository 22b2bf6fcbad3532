"""What the harness itself saw, held against the carrier's ledger.

The judge knows what the database says was in force; this knows what a client was told, and when.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.campaigns import MAX_ATTEMPTS, Scenery
from tests.chaos.evidence import moment
from tests.chaos.journal import Journal
from tests.chaos.plan import RunPlan

Row = Mapping[str, Any]
FINAL = frozenset({"reached", "exhausted", "suppressed", "invalid", "expired"})


def violations(
    plan: RunPlan,
    journal: Journal,
    scenery: Scenery,
    ledger: Sequence[Row],
    calls: Sequence[Row],
    prospects: Sequence[Row],
    stored: tuple[int, int],
    offset_s: float,
) -> list[str]:
    """Every broken promise, in words with ids."""
    ours = {str(call["id"]): call for call in calls}
    found = [*_twice(ledger, ours), *_lost(plan, scenery, prospects, calls, stored)]
    found += _after_pause(journal, ledger, ours, offset_s)
    found += _after_opting_out(journal, ledger, offset_s)
    return found


def _twice(ledger: Sequence[Row], ours: Mapping[str, Row]) -> Iterator[str]:
    for call_id, n in Counter(row["call_id"] for row in ledger).items():
        if n > 1:
            yield f"twice: call {call_id} was created {n} times at the carrier"
    for row in ledger:
        call = ours.get(row["call_id"] or "")
        if call is None:
            yield f"unknown: the carrier's call {row['sid']} is none of ours"
        elif call["state"] == "deferred" and call["late_at"] is None:
            yield f"denied: call {call['id']} is deferred as never dialed, and the carrier has {row['sid']}"
    by_phone: defaultdict[str, list[Row]] = defaultdict(list)
    for row in ledger:
        by_phone[row["to"]].append(row)
    for rows in by_phone.values():
        ordered = sorted(rows, key=lambda row: row["created_at"])
        for before, after in zip(ordered, ordered[1:], strict=False):
            ended = moment(before["ended_at"])
            created = moment(after["created_at"])
            late = any((ours.get(row["call_id"] or "") or {}).get("late_at") for row in (before, after))
            if (ended is None or created is None or created < ended) and not late:
                yield f"two at once: {before['sid']} was not over when {after['sid']} rang the same phone"


def _lost(
    plan: RunPlan, scenery: Scenery, prospects: Sequence[Row], calls: Sequence[Row], stored: tuple[int, int]
) -> Iterator[str]:
    by_campaign = Counter(str(person["campaign_id"]) for person in prospects)
    expected = {scenery.main: plan.people.main, scenery.second: plan.people.second}
    for campaign, n in expected.items():
        if by_campaign[campaign] != n:
            yield f"lost: campaign {campaign} has {by_campaign[campaign]} people instead of {n}"
    for person in prospects:
        if person["state"] not in FINAL:
            yield f"lost: prospect {person['id']} is {person['state']} in a campaign that is over"
        if person["attempts"] > MAX_ATTEMPTS:
            yield f"too often: prospect {person['id']} had {person['attempts']} attempts"
    for call in calls:
        if call["state"] not in ("ended", "deferred"):
            yield f"leaked: call {call['id']} is still {call['state']}"
    if stored != (plan.people.stored, plan.people.stored):
        yield f"lost: of {plan.people.stored} rows, {stored[0]} people with {stored[1]} phones are stored"


def _after_pause(journal: Journal, ledger: Sequence[Row], ours: Mapping[str, Row], offset_s: float) -> Iterator[str]:
    creates: defaultdict[str, list[tuple[float, Row]]] = defaultdict(list)
    for row in ledger:
        call = ours.get(row["call_id"] or "")
        if call is not None and call["campaign_id"] is not None and call["late_at"] is None:
            creates[str(call["campaign_id"])].append(((moment(row["created_at"]) or 0.0) - offset_s, row))
    for campaign, since, until in _quiet_times(journal):
        for at, row in creates[campaign]:
            if since < at < until:
                yield f"after pause: call {row['call_id']} was created {at - since:.3f} s after the 200"


def _quiet_times(journal: Journal) -> Iterator[tuple[str, float, float]]:
    """(campaign, from, until): pause or stop was answered with 200, and resume was not asked for yet.

    Of a pause and a resume that were under way at the same time nobody can say which came last, except that nothing
    follows a stop.
    """
    quiet: dict[str, float] = {}
    resuming: Counter[str] = Counter()
    resumed: dict[str, float] = {}
    whats = ("pause answered", "stop answered", "resume asked", "resume answered")
    for note in journal.notes(*whats):
        campaign = note.facts["campaign"]
        if note.what == "resume asked":
            resuming[campaign] += 1
            if campaign in quiet:
                yield campaign, quiet.pop(campaign), note.at
        elif note.what == "resume answered":
            resuming[campaign] -= 1
            resumed[campaign] = note.at
        elif note.facts["status"] == 200:
            crossed = resuming[campaign] > 0 or note.facts["asked"] <= resumed.get(campaign, float("-inf"))
            if note.what == "stop answered" or not crossed:
                quiet.setdefault(campaign, note.at)
    for campaign, since in quiet.items():
        yield campaign, since, float("inf")


def _after_opting_out(journal: Journal, ledger: Sequence[Row], offset_s: float) -> Iterator[str]:
    told = {n.facts["phone"]: n.at for n in journal.notes("suppress answered") if n.facts["status"] in (200, 201)}
    for row in ledger:
        at = (moment(row["created_at"]) or 0.0) - offset_s
        if row["to"] in told and at > told[row["to"]]:
            yield f"after opting out: {row['sid']} was created {at - told[row['to']]:.3f} s after the answer"
