"""What is counted equals what is there: tallies and imports."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from dialer.domain.judging.cases import Case, Findings
from dialer.domain.judging.evidence import CallRecord, ImportRecord
from dialer.domain.states import CallState, ImportStatus

Key = tuple[str, str]


def tallies_equal_counts(case: Case, findings: Findings) -> None:
    """Every tally of every campaign against the rows that it counts."""
    totals: dict[UUID, dict[Key, int | Decimal]] = {c.id: defaultdict(int) for c in case.evidence.campaigns}
    for prospect in case.evidence.prospects:
        mine = totals.get(prospect.campaign_id)
        if mine is not None:
            mine["state", prospect.state.value] += 1
            mine["attempts", str(prospect.attempts)] += 1
    for call in case.evidence.calls:
        mine = totals.get(call.campaign_id) if call.campaign_id is not None else None
        if mine is not None:
            for key, n in _counts_of(call):
                mine[key] += n
    for call in case.inbound:
        mine = totals.get(call.campaign_id) if call.campaign_id is not None else None
        if mine is not None and call.disposition is not None:
            mine["inbound", "all"] += 1
    for campaign in case.evidence.campaigns:
        right = totals[campaign.id]
        for key in sorted(campaign.tallies.keys() | right.keys()):
            findings.checked += 1
            tallied, there = campaign.tallies.get(key, Decimal(0)), Decimal(right[key])
            if tallied != there:
                kind, name = key
                findings.convict(
                    f"the tally {kind}:{name} is {tallied:f}, and there are {there:f}", campaign=campaign.id
                )


def _counts_of(call: CallRecord) -> Iterator[tuple[Key, int | Decimal]]:
    """What one call adds to its campaign's counts. Hours are UTC."""
    one = 1
    if call.dialed_at is not None and call.state is not CallState.DEFERRED:
        yield ("dialed", "all"), one
        yield ("dialed_in", _hour(call.dialed_at)), one
        if call.settings_version is not None:
            yield ("version", str(call.settings_version)), one
    if call.answered_at is not None:
        yield ("answered", "all"), one
        yield ("answered_in", _hour(call.answered_at)), one
    if call.disposition is not None:
        yield ("disposition", call.disposition.value), one
    if call.outcome is not None:
        yield ("outcome", call.outcome.value), one
    if call.talk_seconds is not None:
        yield ("talk_seconds", "all"), call.talk_seconds
    if call.cost is not None:
        yield ("cost", "all"), call.cost


def _hour(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='hours')[:13]}:00:00Z"


def imports_add_up(case: Case, findings: Findings) -> None:
    """Every row of a file is accounted for, and the people that it created exist, once each."""
    people: Counter[UUID] = Counter()
    rows: Counter[tuple[UUID, int]] = Counter()
    for prospect in case.evidence.prospects:
        if prospect.import_id is not None:
            people[prospect.import_id] += 1
            if prospect.import_row is not None:
                rows[prospect.import_id, prospect.import_row] += 1
    twice = {import_id for (import_id, _), n in rows.items() if n > 1}
    for each in case.evidence.imports:
        findings.checked += 1
        why = _why_wrong(each, people[each.id], twice=each.id in twice)
        if why is not None:
            findings.convict(why, **{"import": each.id, "campaign": each.campaign_id})
        elif people[each.id] < each.created:
            _missing(case, findings, each, people[each.id])


def _why_wrong(each: ImportRecord, found: int, *, twice: bool) -> str | None:
    accounted = each.created + each.updated + each.skipped + each.failed
    if each.rows_read != accounted:
        return f"{each.rows_read} rows were read, and {accounted} are accounted for"
    if each.status is ImportStatus.COMPLETED and each.rows_total is not None and each.rows_total != each.rows_read:
        return f"completed after {each.rows_read} of {each.rows_total} rows"
    if twice:
        return "one row of the file became two people"
    if found > each.created:
        return f"{found} people come from this file, and it created {each.created}"
    return None


def _missing(case: Case, findings: Findings, each: ImportRecord, found: int) -> None:
    """Fewer people than were created: lost, unless somebody may have deleted a few by hand."""
    if case.tolerances.deletions and found:
        findings.not_decidable += 1
        return
    findings.convict(
        f"it created {each.created} people, and {found} of them exist",
        **{"import": each.id, "campaign": each.campaign_id},
    )
