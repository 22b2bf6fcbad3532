"""The columns of what can be exported."""

from collections.abc import Iterator, Mapping
from typing import Any

from dialer.domain.prospect_matching import DEFAULT_PRIORITY
from dialer.domain.prospect_rows import OTHER_PHONES
from dialer.domain.states import shown_state
from dialer.domain.zones import ZoneSet
from dialer.exporting.columns import Column, Kind, Row, Table

_PERSON = (
    Column(name="phone"),
    Column(name="extension"),
    Column(name="other_phones", kind=Kind.TEXTS, cells=OTHER_PHONES),
    Column(name="external_id"),
    Column(name="name"),
    Column(name="time_zone"),
    Column(name="priority", kind=Kind.INTEGER),
    Column(name="variables", kind=Kind.OBJECT),
    Column(name="dialer_prospect_id"),
    Column(name="dialer_state"),
    Column(name="dialer_held_reason"),
    Column(name="dialer_attempts", kind=Kind.INTEGER),
    Column(name="dialer_next_due_at", kind=Kind.MOMENT),
    Column(name="dialer_last_disposition"),
    Column(name="dialer_last_outcome"),
    Column(name="dialer_time_zones", kind=Kind.TEXTS),
    Column(name="dialer_time_zone_source"),
)
_ORIGIN = (
    Column(name="dialer_import_id"),
    Column(name="dialer_import_row", kind=Kind.INTEGER),
    Column(name="dialer_created_at", kind=Kind.MOMENT),
    Column(name="dialer_updated_at", kind=Kind.MOMENT),
)
_LAST_CALL = (
    Column(name="dialer_call_id"),
    Column(name="dialer_call_number", kind=Kind.INTEGER),
    Column(name="dialer_call_state"),
    Column(name="dialer_from"),
    Column(name="dialer_answered_by"),
    Column(name="dialer_dialed_at", kind=Kind.MOMENT),
    Column(name="dialer_ringing_at", kind=Kind.MOMENT),
    Column(name="dialer_answered_at", kind=Kind.MOMENT),
    Column(name="dialer_ended_at", kind=Kind.MOMENT),
    Column(name="dialer_talk_seconds", kind=Kind.INTEGER),
    Column(name="dialer_detected_language"),
    Column(name="dialer_cost", kind=Kind.NUMBER),
    Column(name="dialer_recording_url"),
    Column(name="dialer_notes"),
)
_CALL = (
    Column(name="id"),
    Column(name="number", kind=Kind.INTEGER),
    Column(name="campaign_id"),
    Column(name="prospect_id"),
    Column(name="external_id"),
    Column(name="name"),
    Column(name="agent_id"),
    Column(name="attempt", kind=Kind.INTEGER),
    Column(name="channel"),
    Column(name="direction"),
    Column(name="from"),
    Column(name="to"),
    Column(name="state"),
    Column(name="disposition"),
    Column(name="outcome"),
    Column(name="deferred_reason"),
    Column(name="answered_by"),
    Column(name="sip_code", kind=Kind.INTEGER),
    Column(name="error_code", kind=Kind.INTEGER),
    Column(name="created_at", kind=Kind.MOMENT),
    Column(name="claimed_at", kind=Kind.MOMENT),
    Column(name="dialed_at", kind=Kind.MOMENT),
    Column(name="ringing_at", kind=Kind.MOMENT),
    Column(name="answered_at", kind=Kind.MOMENT),
    Column(name="ended_at", kind=Kind.MOMENT),
    Column(name="talk_seconds", kind=Kind.INTEGER),
    Column(name="detected_language"),
    Column(name="cost", kind=Kind.NUMBER),
    Column(name="carrier"),
    Column(name="carrier_call_id"),
    Column(name="recording_url"),
    Column(name="notes"),
    Column(name="next_state"),
    Column(name="next_due_at", kind=Kind.MOMENT),
    Column(name="next_reason"),
    Column(name="variables", kind=Kind.OBJECT),
)

_OWN = "dialer_"


def _prospect(stored: Mapping[str, Any]) -> Row:
    return dict(_facts_of_person(stored))


def _result(stored: Mapping[str, Any]) -> Row:
    return dict(_facts_of_person(stored)) | {
        column.name: stored[column.name.removeprefix(_OWN)] for column in _LAST_CALL
    }


def _facts_of_person(stored: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    zones = list(ZoneSet.parse(stored["zone_set"]).names) if stored["zone_set"] else []
    explicit = stored["zone_source"] == "explicit" and len(zones) == 1
    others = zip(stored["other_phones"], stored["other_extensions"], strict=True)
    given = {
        **stored,
        "other_phones": [f"{phone} x{extension}" if extension else phone for phone, extension in others],
        # Only what was said of the person: a zone that we concluded is concluded again wherever they are uploaded.
        "time_zone": zones[0] if explicit else None,
        # Stored priorities grow downwards, those in files upwards.
        "priority": DEFAULT_PRIORITY - stored["priority"],
        "prospect_id": stored["id"],
        "time_zones": zones,
        "time_zone_source": stored["zone_source"],
    }
    for column in (*_PERSON, *_ORIGIN):
        yield column.name, given[column.name.removeprefix(_OWN)]


def _call(stored: Mapping[str, Any]) -> Row:
    given = {**stored, "from": stored["from_phone"], "to": stored["to_phone"], "state": shown_state(stored["state"])}
    return {column.name: given[column.name] for column in _CALL}


PROSPECTS = Table(name="prospects", columns=(*_PERSON, *_ORIGIN), facts=_prospect, spread="variables")
RESULTS = Table(name="results", columns=(*_PERSON, *_LAST_CALL, *_ORIGIN), facts=_result, spread="variables")
"""One row per person, with the last call that was made to them."""
CALLS = Table(name="calls", columns=_CALL, facts=_call)
