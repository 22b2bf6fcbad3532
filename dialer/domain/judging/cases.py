"""The evidence brought into order, once for all rules: who belongs to whom, and what was in force."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.judging.evidence import CallRecord, CarrierRecord, Change, Evidence
from dialer.domain.judging.histories import History
from dialer.domain.judging.verdicts import LateCall, RuleResult, Tolerances, Violation


@dataclass(frozen=True, slots=True)
class Placed:
    """A call of ours and what the carrier says of it."""

    call: CallRecord
    record: CarrierRecord


class Case:
    """Evidence and tolerances, with the look-ups that rules share.

    ``evidence`` holds attempts only; calls that came in have rules of their own, and are in ``inbound`` and
    ``inbound_records``.
    """

    def __init__(self, evidence: Evidence, tolerances: Tolerances) -> None:
        self.inbound = tuple(call for call in evidence.calls if call.inbound)
        self.inbound_records = tuple(record for record in evidence.carrier or () if record.inbound)
        evidence = _attempts_of(evidence)
        self.evidence = evidence
        self.now = evidence.now
        self.tolerances = tolerances
        self.timing = tolerances.timing
        self.clock = timedelta(seconds=tolerances.clock_s)
        self.history = History(evidence.changes)
        self.calls = {call.id: call for call in evidence.calls}
        self.campaigns = {campaign.id: campaign for campaign in evidence.campaigns}
        self.requeues = {requeue.id: requeue for requeue in evidence.requeues}
        self.callbacks = {callback.id: callback for callback in evidence.callbacks}
        self.prospects = {prospect.id: prospect for prospect in evidence.prospects}
        self.account_sids = {number.carrier_account_id: number.account_sid for number in evidence.numbers}
        self.calls_of_prospect = _by_prospect(evidence.calls)
        self.placed: list[Placed] = []
        self.strangers: list[CarrierRecord] = []
        self.records_of: dict[UUID, list[CarrierRecord]] = defaultdict(list)
        self.later = self.foreign = 0
        self.late: dict[str, LateCall] = {}
        self._rules: dict[tuple[UUID, datetime], CampaignRules | None] = {}
        self._versions = _by_version(evidence.changes)
        self._join(evidence.carrier or ())

    def _join(self, records: Iterable[CarrierRecord]) -> None:
        by_sid = {call.carrier_call_id: call for call in self.evidence.calls if call.carrier_call_id is not None}
        ours = {(number.account_sid, number.phone) for number in self.evidence.numbers}
        first = min((call.gated_at for call in self.evidence.calls if call.gated_at is not None), default=None)
        for record in sorted(records, key=lambda each: each.created_at):
            call = self.calls.get(record.call_id) if record.call_id is not None else None
            call = call or by_sid.get(record.carrier_call_id)
            if record.created_by + self.clock > self.now:
                self.later += 1  # or may be: then our rows cannot know it
            elif call is not None:
                self.placed.append(Placed(call, record))
                self.records_of[call.id].append(record)
            elif (record.account_sid, record.from_) in ours and (
                record.call_id is not None or (first is not None and record.created_by >= first)
            ):
                self.strangers.append(record)
            else:
                self.foreign += 1

    def judges(self, call: CallRecord) -> bool:
        """True when the verdict is about this call, and not only about limits that it shares."""
        return self.evidence.judged is None or call.campaign_id in self.evidence.judged

    def judged_calls(self) -> Iterator[CallRecord]:
        """Outbound calls that the verdict is about."""
        return (call for call in self.evidence.calls if call.outbound and self.judges(call))

    def judged_placed(self) -> Iterator[Placed]:
        """Those that the carrier knows."""
        return (placed for placed in self.placed if self.judges(placed.call))

    def record_of(self, call: CallRecord) -> CarrierRecord | None:
        """The carrier's record of the call; the first if there are several, which a rule of its own convicts."""
        found = self.records_of.get(call.id)
        return found[0] if found else None

    def is_late(self, placed: Placed) -> bool:
        """True for a call that surfaced after it was given up and was hung up in time; it is listed.

        One that was over before it surfaced was hung up by nobody.
        """
        call, record = placed.call, placed.record
        if call.late_at is None or record.ended_by is None or call.carrier_call_id != record.carrier_call_id:
            return False
        assert record.ended_at is not None
        if record.ended_by + self.clock < call.late_at:
            return False
        if record.ended_at > call.late_at + timedelta(seconds=self.tolerances.late_s) + self.clock:
            return False
        self.late[record.carrier_call_id] = LateCall(
            call_id=call.id,
            carrier_call_id=record.carrier_call_id,
            surfaced_at=call.late_at,
            ended_at=record.ended_at,
        )
        return True

    def rules_in(self, change: Change) -> CampaignRules | None:
        """The campaign's rules that a change brought into force; None when they cannot be read."""
        key = (change.subject_id, change.at)
        if key not in self._rules:
            self._rules[key] = _read_rules((change.facts or {}).get("settings"))
        return self._rules[key]

    def rules_of(self, call: CallRecord) -> CampaignRules | None:
        """The rules that the call was claimed under; None when the history does not reach back so far."""
        if call.campaign_id is None:
            return CampaignRules()
        return self.rules_of_version(call.campaign_id, call.settings_version)

    def rules_of_version(self, campaign_id: UUID, version: int | None) -> CampaignRules | None:
        """The rules of one version of a campaign's settings."""
        change = self._versions.get((campaign_id, version)) if version is not None else None
        if change is not None:
            return self.rules_in(change)
        campaign = self.campaigns.get(campaign_id)
        if campaign is None or version is None or campaign.settings_version != version:
            return None
        key = (campaign_id, self.now)
        if key not in self._rules:
            self._rules[key] = _read_rules(campaign.settings)
        return self._rules[key]


class Findings:
    """What one rule finds while it looks."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.checked = 0
        self.not_decidable = 0
        self._violations: list[Violation] = []

    def convict(self, text: str, **ids: object) -> None:
        """A violation; ``ids`` that are None are left out."""
        named = {kind: str(value) for kind, value in ids.items() if value is not None}
        self._violations.append(Violation(rule=self.rule, ids=named, text=text))

    def result(self) -> RuleResult:
        return RuleResult(
            rule=self.rule,
            checked=self.checked,
            violations=tuple(self._violations),
            not_decidable=self.not_decidable,
        )


def moment(at: datetime | None) -> str:
    """A time in a sentence."""
    return "never" if at is None else at.isoformat(timespec="milliseconds")


def _attempts_of(evidence: Evidence) -> Evidence:
    """The evidence without the calls that came in."""
    calls = tuple(call for call in evidence.calls if not call.inbound)
    if evidence.carrier is None:
        return replace(evidence, calls=calls)
    return replace(evidence, calls=calls, carrier=tuple(each for each in evidence.carrier if not each.inbound))


def _by_prospect(calls: Sequence[CallRecord]) -> dict[UUID, list[CallRecord]]:
    """Attempts and claims of each person, oldest first."""
    found: dict[UUID, list[CallRecord]] = defaultdict(list)
    for call in calls:
        if call.prospect_id is not None and call.claimed_at is not None:
            found[call.prospect_id].append(call)
    for mine in found.values():
        mine.sort(key=_claimed_at)
    return found


def _claimed_at(call: CallRecord) -> datetime:
    assert call.claimed_at is not None
    return call.claimed_at


def _by_version(changes: Iterable[Change]) -> dict[tuple[UUID, int | None], Change]:
    """The first change that brought each version of a campaign's settings."""
    found: dict[tuple[UUID, int | None], Change] = {}
    for change in sorted((each for each in changes if each.subject == "campaign"), key=lambda each: each.at):
        if change.facts is not None:
            found.setdefault((change.subject_id, change.facts.get("settings_version")), change)
    return found


def _read_rules(settings: Mapping[str, Any] | None) -> CampaignRules | None:
    try:
        return None if settings is None else rules_from_json(settings)
    except (KeyError, TypeError, ValueError):
        return None
