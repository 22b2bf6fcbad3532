"""Small worlds to be judged: written by hand second by second, clean until somebody doctors them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.judging.evidence import (
    CallRecord,
    CampaignRecord,
    CarrierRecord,
    Change,
    Evidence,
    ImportRecord,
    NumberRecord,
    ProspectRecord,
    Subject,
)
from dialer.domain.judging.judge import judge
from dialer.domain.judging.verdicts import Tolerances, Verdict
from dialer.domain.states import CallState, CampaignStatus, ImportStatus, ProspectState

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""10:00 in New York."""
NAMES = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
WORKSPACE, ACCOUNT, CAMPAIGN, NUMBER, IMPORT = (uuid5(NAMES, name) for name in ("w", "a", "c", "n", "i"))
ACCOUNT_SID = "AC" + "1" * 32
CALLER = "+16505550100"
NEW_YORK = "America/New_York"
SETTINGS: Mapping[str, Any] = {
    "redial": {"max_attempts": 3, "delays": {"busy": ["PT1M", "PT1M"], "no_answer": [], "unknown": ["PT1M"]}},
    "pace": {"max_concurrent": 3, "calls_per_second": 2},
}
_STATUS: Mapping[Disposition | None, CarrierStatus] = {
    Disposition.HUMAN: CarrierStatus.COMPLETED,
    Disposition.BUSY: CarrierStatus.BUSY,
    Disposition.NO_ANSWER: CarrierStatus.NO_ANSWER,
}


def at(seconds: float) -> datetime:
    return MONDAY + timedelta(seconds=seconds)


def sid(call_id: UUID) -> str:
    return f"CA{call_id.hex}"


def changed(evidence: Evidence, kind: str, index: int, **facts: Any) -> Evidence:
    """The evidence with one of its records altered."""
    records = list(getattr(evidence, kind))
    records[index] = replace(records[index], **facts)
    return replace(evidence, **{kind: tuple(records)})


def broken(evidence: Evidence, **tolerances: Any) -> set[str]:
    """The rules that the judge finds broken."""
    return {violation.rule for violation in verdict_on(evidence, **tolerances).violations}


def verdict_on(evidence: Evidence, **tolerances: Any) -> Verdict:
    return judge(evidence, Tolerances(**tolerances))


class Town:
    """A campaign that runs from second -100 on, over one number; people and calls are added in order."""

    def __init__(self, settings: Mapping[str, Any] = SETTINGS, **number: Any) -> None:
        self.settings = settings
        self.people: dict[str, ProspectRecord] = {}
        self.calls: list[CallRecord] = []
        self.carrier: list[CarrierRecord] = []
        self.changes: list[Change] = []
        self.status = CampaignStatus.RUNNING
        self.completed_at: datetime | None = None
        self._version = 1
        self.change("workspace", WORKSPACE, -1000, max_concurrent=100, calls_per_second=50)
        self.change("carrier_account", ACCOUNT, -1000, max_concurrent=100, calls_per_second=50, account_sid=ACCOUNT_SID)
        limits = {"max_concurrent": None, "calls_per_second": None, "calls_per_day": None, **number}
        self.change("phone_number", NUMBER, -1000, phone=CALLER, carrier_account_id=str(ACCOUNT), **limits)
        self.run("draft", -200)
        self.run("running", -100)

    def change(
        self, subject: Subject, subject_id: UUID, seconds: float, *, settled: float | None = None, **facts: Any
    ) -> None:
        self.changes.append(
            Change(
                subject=subject,
                subject_id=subject_id,
                workspace_id=WORKSPACE,
                at=at(seconds),
                settled_at=None if settled is None else at(settled),
                facts=facts or None,
            )
        )

    def run(
        self, status: str, seconds: float, *, settled: float | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """A new status, or new settings, from that second on."""
        if settings is not None:
            self.settings = settings
            self._version += 1
        self.status = CampaignStatus(status)
        facts = {"status": status, "settings_version": self._version, "settings": self.settings}
        self.change("campaign", CAMPAIGN, seconds, settled=settled, **facts)
        if status in ("completed", "stopped"):
            self.completed_at = at(seconds)

    def person(self, name: str, zone: str = NEW_YORK, **facts: Any) -> str:
        """Somebody ready to be called."""
        number = len(self.people)
        self.people[name] = ProspectRecord(
            **{
                "id": uuid5(NAMES, f"person {name}"),
                "campaign_id": CAMPAIGN,
                "state": ProspectState.READY,
                "attempts": 0,
                "updated_at": at(-50),
                "phone": f"+1212555{100 + number:04d}",
                "zone_set": zone,
                "zone_source": "phone",
                "next_due_at": at(-50),
                "import_id": IMPORT,
                "import_row": number + 1,
                **facts,
            }
        )
        return name

    def call(
        self,
        name: str,
        seconds: float,
        disposition: Disposition | None = Disposition.HUMAN,
        *,
        lasts: float = 5.0,
        then: ProspectState = ProspectState.REACHED,
        due: float | None = None,
        recorded: bool = True,
        **facts: Any,
    ) -> CallRecord:
        """A call that the carrier accepted at that second; ``due``: when its prospect is ready again."""
        if name not in self.people:
            self.person(name)
        person = self.people[name]
        call_id = uuid5(NAMES, f"call {len(self.calls)}")
        ended = at(seconds + lasts)
        call = CallRecord(
            **{
                "id": call_id,
                "workspace_id": WORKSPACE,
                "campaign_id": CAMPAIGN,
                "prospect_id": person.id,
                "contact_id": uuid5(NAMES, person.phone),
                "carrier_account_id": ACCOUNT,
                "phone_number_id": NUMBER,
                "from_phone": CALLER,
                "to_phone": person.phone,
                "state": CallState.ENDED,
                "claimed_at": at(seconds - 0.3),
                "disposition": disposition,
                "settings_version": self._version,
                "zone_set": person.zone_set,
                "carrier_call_id": sid(call_id) if recorded else None,
                "gated_at": at(seconds - 0.1),
                "dialed_at": at(seconds - 0.1),
                "answered_at": at(seconds + 1) if disposition is Disposition.HUMAN else None,
                "ended_at": ended,
                "next_state": then,
                "next_due_at": None if due is None else at(due),
                **facts,
            }
        )
        self.calls.append(call)
        state = then if call.state is not CallState.DEFERRED else person.state
        made = person.attempts + (1 if call.counted else 0)
        next_due = call.next_due_at if state is ProspectState.READY else None
        self.people[name] = replace(person, state=state, attempts=made, next_due_at=next_due, updated_at=ended)
        if recorded:
            self.record(
                call, seconds, ended=seconds + lasts, status=_STATUS.get(call.disposition, CarrierStatus.FAILED)
            )
        return call

    def record(
        self, call: CallRecord, seconds: float, *, ended: float | None, status: CarrierStatus, **facts: Any
    ) -> None:
        """What the carrier wrote down."""
        assert call.to_phone is not None
        self.carrier.append(
            CarrierRecord(
                **{
                    "carrier_call_id": sid(call.id),
                    "account_sid": ACCOUNT_SID,
                    "call_id": call.id,
                    "to": call.to_phone,
                    "from_": CALLER,
                    "status": status,
                    "created_at": at(seconds),
                    "ended_at": None if ended is None else at(ended),
                    **facts,
                }
            )
        )

    def evidence(self, now: float = 600) -> Evidence:
        """Everything as of that second, with tallies and an import that add up."""
        people = tuple(self.people.values())
        campaign = CampaignRecord(
            id=CAMPAIGN,
            workspace_id=WORKSPACE,
            status=self.status,
            settings_version=self._version,
            settings=self.settings,
            completed_at=self.completed_at,
            tallies=tallies_of(people, self.calls),
        )
        whole_file = ImportRecord(
            id=IMPORT,
            campaign_id=CAMPAIGN,
            status=ImportStatus.COMPLETED,
            rows_read=len(people) + 2,
            rows_total=len(people) + 2,
            created=len(people),
            updated=0,
            skipped=1,
            failed=1,
        )
        number = NumberRecord(
            id=NUMBER, workspace_id=WORKSPACE, carrier_account_id=ACCOUNT, account_sid=ACCOUNT_SID, phone=CALLER
        )
        return Evidence(
            now=at(now),
            calls=tuple(self.calls),
            prospects=people,
            campaigns=(campaign,),
            imports=(whole_file,),
            numbers=(number,),
            changes=tuple(self.changes),
            carrier=tuple(self.carrier),
        )


def tallies_of(people: tuple[ProspectRecord, ...], calls: list[CallRecord]) -> dict[tuple[str, str], Decimal]:
    counts: Counter[tuple[str, str]] = Counter()
    for person in people:
        counts["state", person.state] += 1
        counts["attempts", str(person.attempts)] += 1
    for call in calls:
        if call.dialed_at is not None and call.state is not CallState.DEFERRED:
            counts["dialed", "all"] += 1
            counts["dialed_in", f"{call.dialed_at:%Y-%m-%dT%H}:00:00Z"] += 1
            if call.settings_version is not None:
                counts["version", str(call.settings_version)] += 1
        if call.answered_at is not None:
            counts["answered", "all"] += 1
            counts["answered_in", f"{call.answered_at:%Y-%m-%dT%H}:00:00Z"] += 1
        if call.disposition is not None:
            counts["disposition", call.disposition] += 1
    return {key: Decimal(n) for key, n in counts.items()}


def clean() -> Evidence:
    """A campaign with everything that may happen and break nothing: redials, a pause, an opt-out, bad luck, a late
    call, a refusal and a claim that was never dialed.
    """
    town = Town()
    ready, invalid, exhausted = ProspectState.READY, ProspectState.INVALID, ProspectState.EXHAUSTED
    town.call("ann", 0, Disposition.BUSY, then=ready, due=65.5)
    town.call("bob", 1, Disposition.NO_ANSWER, then=exhausted)
    town.call(
        "cat", 2, Disposition.UNKNOWN, recorded=False, lasts=62, then=ready, due=124, answered_at=None
    )  # the carrier never had it
    deferred = {"state": CallState.DEFERRED, "disposition": None, "gated_at": None, "dialed_at": None}
    town.call("dan", 3, recorded=False, lasts=0.1, answered_at=None, next_state=None, **deferred)
    town.call("eve", 4, Disposition.BLOCKED, recorded=False, lasts=0.2, then=invalid, error_code=21215)
    town.call("dan", 10)
    late = town.call(
        "fay",
        40,
        Disposition.UNKNOWN,
        recorded=False,
        lasts=62,
        then=ready,
        due=162,
        late_at=at(110),
        carrier_call_id=sid(uuid5(NAMES, "call 6")),
    )
    town.record(late, 40.2, ended=111, status=CarrierStatus.CANCELED)
    town.call("ann", 66)
    town.call("cat", 200)
    town.call("fay", 250)
    town.person("gus", state=ProspectState.SUPPRESSED, next_due_at=None)
    entry = {"phone": town.people["gus"].phone, "campaign_id": None}
    town.change("suppression", uuid5(NAMES, "entry"), 20, settled=21, **entry)
    town.person("hal", state=ProspectState.HELD, zone="", next_due_at=None)
    town.run("paused", 300, settled=301)
    town.run("running", 400)
    town.call("ian", 410)
    town.run("completed", 500)
    return town.evidence()
