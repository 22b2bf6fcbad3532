"""One prospect from the text of its fields: what is accepted, and what is said about what is not.

A row fails for its first problem only, so that every bad row has exactly one complaint. Complaints quote the value
in a field of its own and never in the message: values are personal data, messages reach logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dialer.domain.countries import country_code
from dialer.domain.person_phones import Line, once_each
from dialer.domain.phones import Phone, PhoneRefused, parse_phone
from dialer.domain.zones import ZoneSource, ZoneUnknown, resolve_zones

OTHER_PHONES = ("phone_2", "phone_3", "phone_4", "phone_5")
"""Further phones of the same person, in the order in which they are tried."""

FIELDS = (
    "phone",
    *OTHER_PHONES,
    "extension",
    "external_id",
    "name",
    "first_name",
    "last_name",
    "country",
    "region",
    "postal_code",
    "time_zone",
    "priority",
)
"""What a column can mean to the dialer; every other column is a variable of the conversation."""

SPOKEN_FIELDS = frozenset({"first_name", "last_name", "country", "region", "postal_code"})
"""Fields that stay variables as well: nothing else keeps them, and agents speak of them."""

VARIABLES_FIELD = "dialer_variables"
"""The text of a JSON object of further variables, for those that no column can hold as they are."""

VARIABLES_LIMIT = 16 * 1024
"""Bytes of the variables of one prospect as JSON in UTF-8."""

NAME_LIMIT = 200
EXTERNAL_ID_LIMIT = 200
VALUE_LIMIT = 200
"""Characters of a refused value that a complaint quotes."""

PRIORITY_LIMIT = 1000
"""Priorities lie between minus and plus this number; higher is dialed first and 0 is usual."""

_PHONES = ("phone", *OTHER_PHONES)
_INTEGER = re.compile(r"[+-]?[0-9]{1,6}(?:\.0+)?")
_EXTENSION = re.compile(r"[0-9]{1,9}")
_DEEPEST = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProspectRow:
    """A good row. ``row`` counts as a spreadsheet does, the header being 1.

    ``phone`` is E.164 and, with ``external_id`` where present, what makes a prospect unique in its campaign;
    ``other_phones`` are further ones of the same person, in order.
    ``zone_set`` is a ``ZoneSet.key``, None when nothing tells where the person is: such a prospect is held.
    """

    row: int
    phone: str
    extension: str | None
    external_id: str | None
    name: str | None
    variables: dict[str, Any]
    zone_set: str | None
    zone_source: ZoneSource
    priority: int
    other_phones: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A bad row. ``column`` is the header as the file has it, None when the whole row is meant; ``value`` at most
    VALUE_LIMIT characters of what stands there, fit to be stored; ``code`` is stable. ``cells`` is the row as it
    stands in the file, by ``error_files.kept_cells``."""

    row: int
    column: str | None
    value: str
    code: str
    message: str
    suggestion: str
    cells: tuple[str, ...] = ()


def complaint(*, row: int, column: str | None, value: str, code: str, message: str, suggestion: str) -> RowError:
    """A RowError whose value is shortened and free of what PostgreSQL cannot hold (NUL, undecoded bytes)."""
    shown = _UNSTORABLE.sub("\ufffd", value[:VALUE_LIMIT])
    return RowError(row=row, column=column, value=shown, code=code, message=message, suggestion=suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProspectText:
    """The text of one row: ``fields`` by the names of FIELDS and VARIABLES_FIELD, ``variables`` by header, ``columns``
    the header of each field. Cells are stripped and empty ones left out."""

    row: int
    fields: Mapping[str, str]
    variables: Mapping[str, str]
    columns: Mapping[str, str]


class _Bad(Exception):
    def __init__(self, field: str | None, code: str, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.message = message
        self.suggestion = suggestion


def read_prospect(text: ProspectText, *, default_region: str | None) -> ProspectRow | RowError:
    """Judge one row. ``default_region`` (ISO 3166 alpha-2) is the country of numbers that neither carry nor stand
    beside one."""
    try:
        return _read(text, default_region)
    except _Bad as bad:
        return complaint(
            row=text.row,
            column=text.columns.get(bad.field, bad.field) if bad.field else None,
            value=text.fields.get(bad.field, "") if bad.field else "",
            code=bad.code,
            message=bad.message,
            suggestion=bad.suggestion,
        )


def _read(text: ProspectText, default_region: str | None) -> ProspectRow:
    fields = text.fields
    country = country_code(fields["country"]) if "country" in fields else None
    # A country that we cannot read leaves no default: the campaign's own would be a guess about this person.
    phone, *others = _phones(fields, country if "country" in fields else default_region)
    try:
        zones = resolve_zones(
            explicit=fields.get("time_zone"),
            country=country or _country_of_address(fields, phone, default_region),
            region=fields.get("region"),
            postal_code=fields.get("postal_code"),
            phone=phone.e164,
            other_phones=[other.e164 for other in others],
        )
    except ZoneUnknown as unknown:
        raise _Bad("time_zone", unknown.code, unknown.message, unknown.suggestion) from None
    return ProspectRow(
        row=text.row,
        phone=phone.e164,
        extension=_extension(fields, phone),
        other_phones=once_each(Line(each.e164, each.extension) for each in (phone, *others))[1:] if others else (),
        external_id=_at_most(EXTERNAL_ID_LIMIT, "external_id", fields.get("external_id")),
        name=_name(fields),
        variables=_variables(text),
        zone_set=zones.zone_set.key if zones.zone_set else None,
        zone_source=zones.source,
        priority=_priority(fields.get("priority")),
    )


def _country_of_address(fields: Mapping[str, str], phone: Phone, default_region: str | None) -> str | None:
    """The country that a state or postal code without one is in: the upload's, if the number is of that country too."""
    if "country" in fields or default_region is None or not ("region" in fields or "postal_code" in fields):
        return None
    return phone.region if phone.region == default_region.strip().upper() else None


def _phones(fields: Mapping[str, str], region: str | None) -> list[Phone]:
    """All phones of a row in order, one at least."""
    filled = [name for name in _PHONES if name in fields]
    return [_phone(fields, name, region) for name in filled or ["phone"]]


def _phone(fields: Mapping[str, str], column: str, region: str | None) -> Phone:
    try:
        return parse_phone(fields.get(column, ""), region)
    except PhoneRefused as refused:
        if refused.code == "phone_no_country" and "country" in fields:
            suggestion = "Write its ISO code, such as DE, or the number with + and country code"
            raise _Bad("country", "country_unknown", "This is no country that we know", suggestion) from None
        raise _Bad(column, refused.code, refused.message, refused.suggestion) from None


def _extension(fields: Mapping[str, str], phone: Phone) -> str | None:
    written = fields.get("extension") if "phone" in fields else None
    if written is None:
        return phone.extension
    if not _EXTENSION.fullmatch(written):
        raise _Bad("extension", "extension_not_digits", "The extension is not a number", "Write 1 to 9 digits")
    return written


def _name(fields: Mapping[str, str]) -> str | None:
    parts = (fields.get("first_name"), fields.get("last_name"))
    return _at_most(NAME_LIMIT, "name", fields.get("name") or " ".join(part for part in parts if part) or None)


def _at_most(limit: int, field: str, value: str | None) -> str | None:
    if value is not None and len(value) > limit:
        raise _Bad(field, "too_long", f"The value has more than {limit} characters", "Shorten it")
    return value


def _priority(value: str | None) -> int:
    if value is None:
        return 0
    if not _INTEGER.fullmatch(value) or abs(int(float(value))) > PRIORITY_LIMIT:
        allowed = f"Write a whole number from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}, or leave it empty"
        raise _Bad("priority", "priority_not_a_number", "The priority is no number that can be used", allowed)
    return int(float(value))


def _variables(text: ProspectText) -> dict[str, Any]:
    further = text.fields.get(VARIABLES_FIELD, "")
    kept = {**text.variables, **_further_variables(further)} if further else dict(text.variables)
    characters = sum(map(len, text.variables)) + sum(map(len, text.variables.values())) + 8 * len(text.variables)
    # At most 6 bytes a character in JSON: most rows need no measuring.
    if (characters + len(further)) * 6 > VARIABLES_LIMIT:
        size = len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if size > VARIABLES_LIMIT:
            message = f"The variables of this row take more than {VARIABLES_LIMIT // 1024} KB"
            raise _Bad(None, "variables_too_large", message, "Shorten long texts or leave out columns")
    return kept


def _further_variables(written: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(written)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or _depth(cast("dict[str, Any]", found)) > _DEEPEST:
        suggestion = 'Write an object such as {"size": 5}, or leave the cell empty'
        raise _Bad(VARIABLES_FIELD, "variables_not_json", "This is no JSON object of variables", suggestion)
    return cast("dict[str, Any]", found)


def _depth(value: object) -> int:
    """How deep lists and objects lie in each other. Without recursion, since text from anywhere decides it."""
    level: list[object] = [value]
    depth = 0
    while level:
        depth += 1
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += cast("dict[str, object]", each).values()
            elif isinstance(each, list):
                inner += cast("list[object]", each)
        level = inner
    return depth
