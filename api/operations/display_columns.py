"""The columns of a campaign's results: what each name shows.

A name is a field of the prospect, else of the last call that was made to them, else a property of the campaign's
``extraction_schema``, else one of their variables. ``call.``, ``extraction.`` and ``variables.`` in front say which.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from api.operations.errors import invalid
from dialer.domain.zones import ZoneSet

MOST = 50

Row = Mapping[str, Any]

#: Columns of a prospect's row by the names that clients know.
PROSPECT: Mapping[str, str] = {
    "id": "id",
    "prospect_id": "id",
    "external_id": "external_id",
    "name": "name",
    "phone": "phone",
    "extension": "extension",
    "state": "state",
    "held_reason": "held_reason",
    "attempts": "attempts",
    "disposition": "last_disposition",
    "last_disposition": "last_disposition",
    "outcome": "last_outcome",
    "last_outcome": "last_outcome",
    "next_due_at": "next_due_at",
    "time_zones": "zone_set",
    "time_zone_source": "zone_source",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
#: Columns of a call's row. Those that a prospect has too want ``call.`` before them.
CALL: Mapping[str, str] = {
    "id": "id",
    "number": "number",
    "attempt": "attempt",
    "state": "state",
    "disposition": "disposition",
    "outcome": "outcome",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "next_due_at": "next_due_at",
    "from": "from_phone",
    "to": "to_phone",
    "direction": "direction",
    "answered_by": "answered_by",
    "claimed_at": "claimed_at",
    "dialed_at": "dialed_at",
    "ringing_at": "ringing_at",
    "answered_at": "answered_at",
    "ended_at": "ended_at",
    "talk_seconds": "talk_seconds",
    "cost": "cost",
    "carrier_call_id": "carrier_call_id",
    "sip_code": "sip_code",
    "error_code": "error_code",
    "detected_language": "detected_language",
    "recording_url": "recording_url",
    "notes": "notes",
    "next_state": "next_state",
    "next_reason": "next_reason",
    "call_id": "id",
    "call_number": "number",
    "call_state": "state",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayColumn:
    """One column; ``value`` of a prospect and their last call, if any was made."""

    name: str
    label: str
    of_call: bool
    value: Callable[[Row, Row | None], Any]


def display_columns(campaign: Row, asked: str | None = None) -> list[DisplayColumn]:
    """Those that are asked for (names with commas between them), else the campaign's own. Raises Invalid."""
    names: Sequence[str] = campaign["settings"]["display_columns"]
    if asked is not None:
        names = [name.strip() for name in asked.split(",")]
        if not all(names) or len(names) > MOST:
            raise invalid("columns", "invalid_columns", f"Name 1 to {MOST} columns, with commas between them")
    schema: Mapping[str, Any] = campaign["settings"].get("extraction_schema") or {}
    extracted: Mapping[str, Any] = schema.get("properties") or {}
    return [_column(name, extracted) for name in dict.fromkeys(names)]


def _column(name: str, extracted: Mapping[str, Any]) -> DisplayColumn:
    room, _, inner = name.partition(".")
    if room == "call" and inner in CALL:
        return _call_column(name, CALL[inner])
    if room == "extraction" and inner:
        return _extraction_column(name, inner)
    if room == "variables" and inner:
        return _variable_column(name, inner)
    if name in PROSPECT:
        return _prospect_column(name, PROSPECT[name])
    if name in CALL:
        return _call_column(name, CALL[name])
    return _extraction_column(name, name) if name in extracted else _variable_column(name, name)


def _prospect_column(name: str, column: str) -> DisplayColumn:
    def value(prospect: Row, _call: Row | None) -> Any:
        found = prospect[column]
        if column == "zone_set":
            return list(ZoneSet.parse(found).names) if found else []
        return found

    return DisplayColumn(name=name, label=_label(name), of_call=False, value=value)


def _call_column(name: str, column: str) -> DisplayColumn:
    def value(_prospect: Row, call: Row | None) -> Any:
        return None if call is None else call[column]

    return DisplayColumn(name=name, label=_label(name), of_call=True, value=value)


def _extraction_column(name: str, key: str) -> DisplayColumn:
    """What whoever listened wrote into the call's metadata under ``extraction``."""

    def value(_prospect: Row, call: Row | None) -> Any:
        found = None if call is None else call["metadata"].get("extraction")
        return cast("Row", found).get(key) if isinstance(found, Mapping) else None

    return DisplayColumn(name=name, label=_label(name), of_call=True, value=value)


def _variable_column(name: str, key: str) -> DisplayColumn:
    def value(prospect: Row, _call: Row | None) -> Any:
        return prospect["variables"].get(key)

    return DisplayColumn(name=name, label=_label(name), of_call=False, value=value)


def _label(name: str) -> str:
    words = name.removeprefix("variables.").removeprefix("extraction.").replace(".", " ").replace("_", " ")
    return words.strip().capitalize()
