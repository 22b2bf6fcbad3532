"""What must hold whenever anything is committed, and whenever a request leaves for the carrier.

Everything is judged by what is committed, as PostgreSQL shows it to a stranger, and by what the carrier has; none of
the product's own queries is asked.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dialer.carriers.base import DialOrder
from dialer.domain.states import FINAL_PROSPECT_STATES, LIVE_STATES, PROGRESS, CallState
from dialer.domain.timing import Timing
from tests.model.carriers import CREATES, Answer, ImaginaryCarrier
from tests.model.stages import Actor, Stage, Violation

LIVE = frozenset(state.value for state in LIVE_STATES)
FINAL = frozenset(state.value for state in FINAL_PROSPECT_STATES)
OVER = frozenset({"ended", "deferred"})
#: A tick of the model's clock is a microsecond, and one transaction has many.
INSTANT = timedelta(seconds=0.05)

_SNAPSHOT = """
    SELECT json_build_object('moments', (SELECT last_value FROM model_moments),
        'campaigns', (SELECT json_agg(c) FROM (SELECT id, status, settings_version, settings FROM campaigns
            WHERE workspace_id = w.id) AS c),
        'prospects', (SELECT json_agg(p) FROM (SELECT id, campaign_id, phone, state, next_due_at, attempts,
                ARRAY(SELECT o.phone FROM prospect_phones o WHERE o.prospect_id = prospects.id) || phone AS phones
            FROM prospects WHERE workspace_id = w.id ORDER BY created_at, id) AS p),
        'calls', (SELECT json_agg(k) FROM (SELECT id, campaign_id, prospect_id, contact_id, to_phone, attempt, state,
            carrier_account_id, phone_number_id, settings_version, claimed_at, gated_at, deadline_at, amd_due_at,
            late_at, hang_up_at, dialed_at, answered_at, carrier_call_id, disposition, talk_seconds
            FROM calls WHERE workspace_id = w.id ORDER BY number) AS k),
        'suppressions', (SELECT json_agg(s) FROM (SELECT id, phone, campaign_id FROM suppressions
            WHERE workspace_id = w.id ORDER BY created_at, id) AS s),
        'tallies', (SELECT json_agg(t) FROM (SELECT campaign_id, kind, key, sum(n) AS n FROM tallies
            WHERE workspace_id = w.id GROUP BY 1, 2, 3 HAVING sum(n) <> 0) AS t))
    FROM workspaces w WHERE w.id = %s"""

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is committed, by id."""

    campaigns: Mapping[str, Row]
    prospects: Mapping[str, Row]
    calls: Mapping[str, Row]
    suppressions: Mapping[str, Row]
    tallies: Mapping[tuple[str, str, str], int]

    @property
    def live(self) -> list[Row]:
        return [call for call in self.calls.values() if call["state"] in LIVE]

    def suppressing(self, phone: str, campaign_id: str | None) -> list[str]:
        return [
            entry["id"]
            for entry in self.suppressions.values()
            if entry["phone"] == phone and entry["campaign_id"] in (None, campaign_id)
        ]


@dataclass(kw_only=True)
class Limits:
    """What one world allows. A campaign's own limit is in its settings."""

    workspace: int
    account: int
    number: int


@dataclass(kw_only=True)
class Promises:
    """Watches one workspace."""

    stage: Stage
    carrier: ImaginaryCarrier
    workspace_id: UUID
    limits: Limits
    timing: Timing
    last: Snapshot | None = None
    rules: dict[tuple[str, int], Row] = field(default_factory=dict[tuple[str, int], Row])
    answered: set[str] = field(default_factory=set[str])
    """Campaigns that do not call, and entries in force, of which the API may have said so: nothing is undecided."""
    looks: int = 0

    async def look(self, actor: Actor | None = None) -> None:
        """Judge what has just been committed."""
        now = await self.read()
        before, self.last = self.last, now
        self.looks += 1
        for campaign in now.campaigns.values():
            self.rules[campaign["id"], campaign["settings_version"]] = campaign["settings"]
        try:
            self._one_call_each(now)
            self._nobody_is_lost(now)
            self._attempts_are_counted(now)
            self._tallies_are_right(now)
            self._given_back_calls_never_rang(now)
            if before is not None:
                for call in now.calls.values():
                    self._moves_on(before.calls.get(call["id"]), call, before)
                self._limits_hold(before, now)
                self._completed_means_done(before, now)
        except Violation as violation:
            by = "setting up" if actor is None else actor.name
            raise Violation(f"{violation} (committed by {by} at {self.stage.now:%H:%M:%S})") from None
        self._note_answers(now)

    async def read(self) -> Snapshot:
        ((found,),) = await self.stage.ask(_SNAPSHOT, (self.workspace_id,))
        self.stage.moments = found.pop("moments")
        kinds = {kind: {row["id"]: row for row in found[kind] or []} for kind in found if kind != "tallies"}
        tallies = {(t["campaign_id"], t["kind"], t["key"]): int(t["n"]) for t in found["tallies"] or []}
        return Snapshot(tallies=tallies, **kinds)

    # -- never twice -----------------------------------------------------------------------------------------------

    async def leaving(self, order: DialOrder) -> None:
        """A request is about to leave for the carrier."""
        if any(call_id == order.call_id for call_id, _, _ in self.carrier.requests):
            self._broken(f"call {order.call_id} is asked for twice")
        now = await self.read()
        call = now.calls[str(order.call_id)]
        if call["state"] != CallState.DIALING:
            self._broken(f"call {order.call_id} is dialed while it is {call['state']}")
        gate_age = self.stage.now - moment(call["gated_at"])
        if gate_age > timedelta(seconds=self.timing.gate_age_s) + INSTANT:
            self._broken(f"call {order.call_id} is dialed {gate_age} after its gate")
        silenced = {call["campaign_id"], *now.suppressing(call["to_phone"], call["campaign_id"])} & self.answered
        if silenced:
            self._broken(f"call {order.call_id} is dialed although {silenced} said that nobody is")
        talking = [
            line.carrier_call_id
            for line in self.carrier.lines
            if line.to == order.to and not line.over and not line.asked_to_end
        ]
        if talking:
            self._broken(f"call {order.call_id} rings somebody who is in call {talking} at the carrier")

    def _broken(self, what: str) -> None:
        violation = Violation(f"{what} (at {self.stage.now:%H:%M:%S})")
        self.stage.violation = self.stage.violation or violation

    def _one_call_each(self, now: Snapshot) -> None:
        for key in ("contact_id", "prospect_id", "to_phone"):
            twice = _repeated(call[key] for call in now.live if call[key] is not None)
            _check(not twice, f"in two live calls: {key} {twice}")
        twice = _repeated(
            phone
            for call in now.live
            if call["prospect_id"] is not None
            for phone in now.prospects[call["prospect_id"]]["phones"]
        )
        _check(not twice, f"in two live calls on two phones of one person: {twice}")
        twice = _repeated(
            (call["prospect_id"], call["attempt"])
            for call in now.calls.values()
            if call["state"] != "deferred" and call["prospect_id"] is not None
        )
        _check(not twice, f"the same attempt twice: {twice}")

    def _given_back_calls_never_rang(self, now: Snapshot) -> None:
        rang = {str(call_id) for call_id, _, answer in self.carrier.requests if answer in CREATES}
        for call in now.calls.values():
            _check(call["state"] != "deferred" or call["id"] not in rang, f"call {call['id']} was deferred and dialed")

    # -- never lost ------------------------------------------------------------------------------------------------

    def _nobody_is_lost(self, now: Snapshot) -> None:
        busy = {call["prospect_id"] for call in now.live}
        waiting = {call["prospect_id"] for call in now.calls.values() if call["amd_due_at"] is not None}
        for person in now.prospects.values():
            state = person["state"]
            if state == "ready":
                _check(person["next_due_at"] is not None, f"{person['id']} is ready and never due")
            if state == "in_call":
                _check(person["id"] in busy | waiting, f"{person['id']} is in a call that does not exist")
            else:
                _check(person["id"] not in busy, f"{person['id']} is {state} and in a live call")

    def _attempts_are_counted(self, now: Snapshot) -> None:
        made = Counter(call["prospect_id"] for call in now.calls.values() if self._counts(call))
        for person in now.prospects.values():
            wrong = f"{person['id']} has {person['attempts']} attempts, and {made[person['id']]} calls"
            _check(person["attempts"] == made[person["id"]], wrong)

    def _counts(self, call: Row) -> bool:
        """Whether the carrier may have accepted it, as far as the product can know; decided calls only."""
        if call["state"] != "ended" or call["amd_due_at"] is not None:
            return False
        known = call["carrier_call_id"] is not None and call["late_at"] is None
        return known or call["disposition"] == "unknown"

    def _tallies_are_right(self, now: Snapshot) -> None:
        counted: Counter[tuple[str, str, str]] = Counter()
        for person in now.prospects.values():
            counted[person["campaign_id"], "state", person["state"]] += 1
            counted[person["campaign_id"], "attempts", str(person["attempts"])] += 1
        for call in now.calls.values():
            campaign = call["campaign_id"]
            counted[campaign, "dialed", "all"] += call["dialed_at"] is not None and call["state"] != "deferred"
            counted[campaign, "answered", "all"] += call["answered_at"] is not None
            counted[campaign, "talk_seconds", "all"] += call["talk_seconds"] or 0
            if call["disposition"] is not None:
                counted[campaign, "disposition", call["disposition"]] += 1
        kinds = {kind for _, kind, _ in counted}
        tallied = {key: n for key, n in now.tallies.items() if key[1] in kinds}
        real = {key: n for key, n in counted.items() if n}
        wrong = {key: (tallied.get(key, 0), real.get(key, 0)) for key in tallied.keys() ^ real.keys()}
        wrong |= {key: (tallied[key], real[key]) for key in tallied.keys() & real.keys() if tallied[key] != real[key]}
        _check(not wrong, f"tallied and counted differ: {wrong}")

    def swept(self, before: Snapshot, after: Snapshot, at: datetime) -> None:
        """A whole sweep that nobody disturbed leaves no slot to a call that is over."""
        talking = {line.carrier_call_id for line in self.carrier.lines if not line.over}
        ringing = {str(line.call_id) for line in self.carrier.lines if not line.over}
        for call in after.live:
            known = before.calls.get(call["id"])
            if known is None or call["carrier_call_id"] in talking or call["id"] in ringing:
                continue
            began = moment(call["gated_at"] or call["claimed_at"])
            overdue = moment(known["deadline_at"]) < at - INSTANT
            patience = timedelta(seconds=self.timing.grace_s) if call["carrier_call_id"] is None else timedelta(0)
            if overdue and at - began > patience + INSTANT:
                raise Violation(f"call {call['id']} is {call['state']} past its deadline, and the sweep leaves it so")

    # -- never wrong -----------------------------------------------------------------------------------------------

    def _moves_on(self, was: Row | None, call: Row, before: Snapshot) -> None:
        if was is None:
            return self._claimed_rightly(call, before)
        old, new = CallState(was["state"]), CallState(call["state"])
        given_back = (old, new) == (CallState.DIALING, CallState.DEFERRED)
        _check(PROGRESS[new] >= PROGRESS[old] or given_back, f"call {call['id']} went from {old} back to {new}")
        _check(old.value not in OVER or new is old, f"call {call['id']} was {old} and is {new}")
        known = was["carrier_call_id"]
        _check(known in (None, call["carrier_call_id"]), f"call {call['id']} has another carrier id")
        if was["gated_at"] is None and call["gated_at"] is not None:
            self._gated_rightly(call, before)
        return None

    def _claimed_rightly(self, call: Row, before: Snapshot) -> None:
        """Judged by what was committed before the claim."""
        campaign, person = before.campaigns[call["campaign_id"]], before.prospects[call["prospect_id"]]
        _check(campaign["status"] == "running", f"claimed while the campaign is {campaign['status']}")
        _check(person["state"] == "ready", f"claimed somebody who is {person['state']}")
        _check(moment(person["next_due_at"]) <= moment(call["claimed_at"]), "claimed before the redial was due")
        allowed = self._rules_of(call)["redial"]["max_attempts"]
        _check(person["attempts"] < allowed, f"claimed for attempt {person['attempts'] + 1} of {allowed}")

    def _gated_rightly(self, call: Row, before: Snapshot) -> None:
        """Judged by what was committed before the gate."""
        campaign = before.campaigns[call["campaign_id"]]
        _check(campaign["status"] == "running", f"a gate passed while the campaign is {campaign['status']}")
        version = (campaign["settings_version"], call["settings_version"])
        _check(version[0] == version[1], f"a gate passed under other settings: {version}")
        _check(not before.suppressing(call["to_phone"], call["campaign_id"]), "a gate passed for a suppressed phone")
        _check(before.calls[call["id"]]["hang_up_at"] is None, "a gate passed for a call that was to be hung up")
        (window,) = self._rules_of(call)["calling_hours"]["windows"]
        gated = moment(call["gated_at"])
        for at in (gated, gated + timedelta(seconds=self.timing.window_margin_s)):
            inside = window["start"] <= f"{at:%H:%M}" < window["end"]
            _check(inside, f"a gate passed at {gated:%H:%M:%S}, outside {window['start']}-{window['end']}")

    def _limits_hold(self, before: Snapshot, now: Snapshot) -> None:
        """Whoever adds a live call keeps below every limit; one that was lowered may be exceeded by older calls."""
        added = [call for call in now.live if call["id"] not in before.calls]
        scopes = (
            ("carrier_account_id", self.limits.account),
            ("phone_number_id", self.limits.number),
        )
        for call in added:
            _check(len(now.live) <= self.limits.workspace, f"{len(now.live)} live calls in the workspace")
            for key, limit in scopes:
                used = sum(other[key] == call[key] for other in now.live)
                _check(used <= limit, f"{used} live calls of {limit} for {key}")
            used = sum(other["campaign_id"] == call["campaign_id"] for other in now.live)
            limit = self._rules_of(call)["pace"]["max_concurrent"]
            _check(used <= limit, f"{used} live calls of {limit} for the campaign")

    def _completed_means_done(self, before: Snapshot, now: Snapshot) -> None:
        for campaign in now.campaigns.values():
            if campaign["status"] == "completed" != before.campaigns[campaign["id"]]["status"]:
                left = [
                    person["state"]
                    for person in now.prospects.values()
                    if person["campaign_id"] == campaign["id"] and person["state"] in ("ready", "in_call")
                ]
                _check(not left, f"completed with {left}")

    def _note_answers(self, now: Snapshot) -> None:
        def undecided(call: Row) -> bool:
            return call["state"] in ("dialing", "unknown") and call["carrier_call_id"] is None

        silent = {row["id"]: [] for row in now.campaigns.values() if row["status"] != "running"}
        for call in now.calls.values():
            if call["campaign_id"] in silent and undecided(call):
                silent[call["campaign_id"]].append(call["id"])
        for entry in now.suppressions.values():
            silent[entry["id"]] = [
                call["id"] for call in now.calls.values() if call["to_phone"] == entry["phone"] and undecided(call)
            ]
        self.answered = {key for key in silent if key in self.answered or not silent[key]}

    def _rules_of(self, call: Row) -> Row:
        return self.rules[call["campaign_id"], call["settings_version"]]

    # -- the end ---------------------------------------------------------------------------------------------------

    def ended_well(self, now: Snapshot) -> None:
        """Everything is healed and time has passed."""
        _check(not now.live, f"still live: {[(call['id'], call['state']) for call in now.live]}")
        for person in now.prospects.values():
            _check(person["state"] in FINAL | {"held"}, f"{person['id']} is {person['state']} for ever")
        for line in self.carrier.lines:
            known = now.calls[str(line.call_id)]["carrier_call_id"]
            _check(known == line.carrier_call_id, f"the carrier's call {line.carrier_call_id} is known as {known}")
        for call_id, _, answer in self.carrier.requests:
            call = now.calls[str(call_id)]
            if answer is Answer.ACCEPTS:
                _check(call["state"] == "ended", f"call {call_id} was accepted and is {call['state']}")


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, n in Counter(values).items() if n > 1]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _check(holds: bool, broken: str) -> None:
    if not holds:
        raise Violation(broken)
