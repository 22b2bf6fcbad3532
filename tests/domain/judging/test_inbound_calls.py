"""People who ring back, judged: what must be convicted, and what must not."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.judging.evidence import CallRecord, CarrierRecord, Evidence
from dialer.domain.states import CallState, ProspectState
from tests.domain.judging.ledgers import ACCOUNT_SID, CALLER, CAMPAIGN, Town, at, broken, changed

Doctor = Callable[[Evidence], Evidence]
SID = "CA" + "b" * 32


def rang_back() -> Evidence:
    """Ann is busy at second 0, rings back at 30, talks until 50, and is not called again."""
    town = Town()
    busy = town.call("ann", 0, Disposition.BUSY, then=ProspectState.READY, due=65)
    town.people["ann"] = replace(town.people["ann"], state=ProspectState.REACHED, next_due_at=None)
    inbound = replace(
        busy,
        id=uuid4(),
        inbound=True,
        outbound=False,
        carrier_call_id=SID,
        from_phone=busy.to_phone,
        to_phone=CALLER,
        state=CallState.ENDED,
        disposition=Disposition.HUMAN,
        claimed_at=None,
        gated_at=None,
        dialed_at=None,
        zone_set=None,
        ringing_at=at(30),
        answered_at=at(30),
        ended_at=at(50),
        next_state=ProspectState.REACHED,
        next_due_at=None,
    )
    assert busy.to_phone is not None
    record = CarrierRecord(
        carrier_call_id=SID,
        account_sid=ACCOUNT_SID,
        call_id=None,
        to=CALLER,
        from_=busy.to_phone,
        status=CarrierStatus.COMPLETED,
        created_at=at(30),
        answered_at=at(30),
        ended_at=at(50),
        inbound=True,
    )
    found = town.evidence()
    (campaign,) = found.campaigns
    tallied = replace(campaign, tallies={**campaign.tallies, ("inbound", "all"): Decimal(1)})
    return replace(found, calls=(*found.calls, inbound), carrier=(*(found.carrier or ()), record), campaigns=(tallied,))


def also_came_in(evidence: Evidence, **facts: object) -> Evidence:
    """With one more call that came in, of which we have no row."""
    assert evidence.carrier is not None
    another = replace(evidence.carrier[-1], **{"carrier_call_id": "CA" + "c" * 32, **facts})  # type: ignore[arg-type]
    return replace(evidence, carrier=(*evidence.carrier, another))


def called_at(evidence: Evidence, seconds: float, **facts: object) -> Evidence:
    """With one more attempt at Ann, let through at that second."""
    first: CallRecord = evidence.calls[0]
    again = replace(
        first,
        **{  # type: ignore[arg-type]
            "id": uuid4(),
            "carrier_call_id": None,
            "claimed_at": at(seconds),
            "gated_at": at(seconds),
            "ended_at": at(seconds + 5),
            **facts,
        },
    )
    return replace(evidence, calls=(*evidence.calls, again))


def test_whoever_rang_back_and_was_left_alone_breaks_no_rule() -> None:
    assert broken(rang_back()) == set()
    assert broken(replace(rang_back(), carrier=None)) == set()


@pytest.mark.parametrize(
    ("rule", "doctor"),
    [
        ("inbound_calls_known", lambda e: also_came_in(e, created_at=at(100), answered_at=at(101))),
        ("inbound_calls_known", lambda e: changed(e, "calls", 1, inbound=False)),
        ("inbound_calls_known", lambda e: changed(e, "carrier", 1, inbound=False)),
        ("ringing_back_respected", lambda e: called_at(e, 40)),
        ("ringing_back_respected", lambda e: called_at(e, 40, prospect_id=None, campaign_id=CAMPAIGN)),
        ("ringing_back_respected", lambda e: called_at(e, 100)),
        ("tallies_equal_counts", lambda e: changed(e, "calls", 1, disposition=None, state=CallState.INBOUND)),
    ],
)
def test_what_must_not_be_is_convicted(rule: str, doctor: Doctor) -> None:
    assert rule in broken(doctor(rang_back()))


@pytest.mark.parametrize(
    "doctor",
    [
        lambda e: also_came_in(e, created_at=at(100), answered_at=None, status=CarrierStatus.FAILED),
        lambda e: also_came_in(e, created_at=at(-500), answered_at=at(-500)),
        lambda e: also_came_in(e, created_at=at(100), to="+16505550199"),
        lambda e: changed(e, "calls", 1, campaign_id=None, prospect_id=None, contact_id=None, next_state=None),
    ],
)
def test_what_may_be_is_not_convicted_as_unknown(doctor: Doctor) -> None:
    assert "inbound_calls_known" not in broken(doctor(rang_back()))


def test_whoever_kept_their_redial_is_called_again() -> None:
    kept = changed(rang_back(), "calls", 1, next_state=None)
    assert "ringing_back_respected" not in broken(called_at(kept, 100))
