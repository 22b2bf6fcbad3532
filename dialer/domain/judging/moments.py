"""Never wrong: no dial at a closed hour, after an opt-out, or while the campaign does not run."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.judging.cases import Case, Findings, Placed, moment
from dialer.domain.judging.evidence import CallRecord, CarrierRecord, Change
from dialer.domain.states import CampaignStatus
from dialer.domain.zones import ZoneSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A time in which nobody may be dialed; ``settled_at`` is when that was answered, ``until`` None when it lasts."""

    since: datetime
    settled_at: datetime | None
    until: datetime | None
    why: str

    def holds(self, at: datetime) -> bool:
        """True strictly inside."""
        return self.since < at and (self.until is None or at < self.until)

    def holds_settled(self, at: datetime) -> bool:
        """True once it was answered, for a call that the carrier accepted ``at`` that moment at the earliest."""
        return self.settled_at is not None and at >= self.settled_at and (self.until is None or at < self.until)


def inside_calling_hours(case: Case, findings: Findings) -> None:
    """At the moment at which the carrier accepted the call, every clock that counts was inside a window."""
    clocks = Clocks()
    for placed in case.judged_placed():
        call, record = placed.call, placed.record
        rules = case.rules_of(call)
        zones = _zones(call)
        if rules is None:
            findings.not_decidable += 1
            continue
        findings.checked += 1
        if zones is None and rules.hours.zone == PROSPECT_ZONE:
            if call.gated_at is not None:  # else it was never let through: convicted as not known
                findings.convict("let through by nobody's clock", call=call.id, prospect=call.prospect_id)
            continue
        if clocks.all_shut(rules, zones, _edges(record, case.clock)):
            where = ", ".join(zones.names) if zones is not None else rules.hours.zone
            findings.convict(
                f"dialed at {moment(record.created_at)}, outside the calling hours ({where})",
                call=call.id,
                carrier_call=record.carrier_call_id,
                prospect=call.prospect_id,
            )
        elif zones is not None and rules.hours.zone == PROSPECT_ZONE and _is_implausible(case, call, zones):
            findings.convict(
                f"let through by the clocks of {', '.join(zones.names)}, in none of which this person may be",
                call=call.id,
                prospect=call.prospect_id,
            )


def _zones(call: CallRecord) -> ZoneSet | None:
    try:
        return ZoneSet.parse(call.zone_set) if call.zone_set else None
    except ValueError:
        return None


def _edges(record: CarrierRecord, clock: timedelta) -> tuple[datetime, datetime]:
    """The earliest and the latest moment that the record may mean."""
    return record.created_at - clock, record.created_by + clock


class Clocks:
    """Whether hours are open, asked once per minute: windows begin and end with one."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ZoneSet | None, datetime], bool] = {}

    def all_shut(self, rules: CampaignRules, zones: ZoneSet | None, moments: Sequence[datetime]) -> bool:
        """True when the hours were open at none of these moments. ``rules`` live as long as this object."""
        return not any(self._is_open(rules, zones, at.replace(second=0, microsecond=0)) for at in moments)

    def _is_open(self, rules: CampaignRules, zones: ZoneSet | None, minute: datetime) -> bool:
        key = (id(rules), zones, minute)
        if key not in self._known:
            self._known[key] = rules.hours.is_open(minute, zones)
        return self._known[key]


def _is_implausible(case: Case, call: CallRecord, zones: ZoneSet) -> bool:
    """True when the recorded zones have nothing to do with the person's, which follow from the number alone."""
    prospect = case.prospects.get(call.prospect_id) if call.prospect_id is not None else None
    if prospect is None or prospect.zone_source != "phone" or prospect.phone != call.to_phone:
        return False
    return not set(zones.names) & set(prospect.zone_set.split("|"))


def no_dial_after_suppression(case: Case, findings: Findings) -> None:
    """Nobody on the do-not-call list is let through, nor dialed once the opt-out was answered."""
    entries = _suppressions(case)
    for call in case.judged_calls():
        if call.gated_at is None:
            continue
        record = case.record_of(call)
        phone = call.to_phone or (record.to if record is not None else None)
        if phone is None:
            findings.not_decidable += 1
            continue
        findings.checked += 1
        for key in ((call.workspace_id, phone, None), (call.workspace_id, phone, call.campaign_id)):
            _convict_closed(case, findings, call, entries.get(key, ()))
            if call.campaign_id is None:
                break


def _suppressions(case: Case) -> dict[tuple[UUID, str, UUID | None], list[Closed]]:
    """The time of each do-not-call entry by (workspace, phone, campaign)."""
    found: dict[tuple[UUID, str, UUID | None], list[Closed]] = defaultdict(list)
    for changes in case.history.subjects("suppression"):
        for change, following in zip(changes, [*changes[1:], None], strict=True):
            if change.facts is None:
                continue
            only = change.facts.get("campaign_id")
            key = (change.workspace_id, str(change.facts.get("phone")), UUID(str(only)) if only else None)
            until = following.at if following is not None else None
            closed = Closed(
                since=change.at, settled_at=change.settled_at, until=until, why="the person was on the do-not-call list"
            )
            found[key].append(closed)
    return found


def no_dial_while_not_running(case: Case, findings: Findings) -> None:
    """Only a running campaign lets calls through, by its newest settings and before its end; none after the answer."""
    stretches: dict[UUID, Sequence[Closed]] = {}
    for call in case.judged_calls():
        if call.gated_at is None or call.campaign_id is None:
            continue
        change = case.history.before("campaign", call.campaign_id, call.gated_at)
        if change is None:
            findings.not_decidable += 1
            continue
        findings.checked += 1
        if call.campaign_id not in stretches:
            stretches[call.campaign_id] = _not_running(case.history.of("campaign", call.campaign_id))
        _convict_closed(case, findings, call, stretches[call.campaign_id])
        _convict_outdated(case, findings, call, change)


def _convict_outdated(case: Case, findings: Findings, call: CallRecord, change: Change) -> None:
    version = (change.facts or {}).get("settings_version")
    if version != call.settings_version:
        findings.convict(
            f"let through at {moment(call.gated_at)} by settings {call.settings_version}, when {version} were in force",
            call=call.id,
            campaign=call.campaign_id,
        )
    rules = case.rules_in(change)
    if rules is not None and rules.end_at is not None and call.gated_at is not None and call.gated_at >= rules.end_at:
        findings.convict(
            f"let through at {moment(call.gated_at)}, after the campaign's end", call=call.id, campaign=call.campaign_id
        )


def _not_running(changes: Sequence[Change]) -> list[Closed]:
    """The stretches in which a campaign did not run: a pause and the stop that follows it are one."""
    found: list[Closed] = []
    begun: Change | None = None
    settled: datetime | None = None
    status = ""
    for change in changes:
        status_now = str((change.facts or {}).get("status"))
        if status_now == CampaignStatus.RUNNING:
            if begun is not None:
                found.append(_stretch(begun, settled, change.at, status))
            begun, settled = None, None
            continue
        status = status_now
        begun = begun or change
        settled = settled or change.settled_at
    if begun is not None:
        found.append(_stretch(begun, settled, None, status))
    return found


def _stretch(begun: Change, settled: datetime | None, until: datetime | None, status: str) -> Closed:
    return Closed(since=begun.at, settled_at=settled, until=until, why=f"the campaign was {status}")


def _convict_closed(case: Case, findings: Findings, call: CallRecord, times: Sequence[Closed]) -> None:
    """Convicts a call that was let through inside a closed time, or accepted by the carrier once it was settled."""
    gated_at = call.gated_at
    assert gated_at is not None
    for closed in _around(times, gated_at, case.records_of.get(call.id, ())):
        if closed.holds(gated_at):
            findings.convict(
                f"let through at {moment(gated_at)}, and since {moment(closed.since)} {closed.why}",
                call=call.id,
                campaign=call.campaign_id,
                prospect=call.prospect_id,
            )
            return
        if closed.until is not None and gated_at >= closed.until:
            continue  # let through after it, and accepted later still: the carrier's times may be whole seconds
        for record in case.records_of.get(call.id, ()):
            settled = closed.holds_settled(record.created_at - case.clock)
            if settled and not case.is_late(Placed(call, record)):
                findings.convict(
                    f"accepted by the carrier at {moment(record.created_at)}, after it was answered at "
                    f"{moment(closed.settled_at)} that {closed.why}",
                    call=call.id,
                    carrier_call=record.carrier_call_id,
                    campaign=call.campaign_id,
                    prospect=call.prospect_id,
                )
                return


def _around(times: Sequence[Closed], gated_at: datetime, records: Sequence[CarrierRecord]) -> Iterator[Closed]:
    """The few closed times, of perhaps very many, that bear on a call: from the last before its gate to its dial."""
    until = max((record.created_at for record in records), default=gated_at)
    first = max(bisect_right(times, gated_at, key=lambda each: each.since) - 1, 0)
    for closed in times[first:]:
        if closed.since > until:
            return
        yield closed
