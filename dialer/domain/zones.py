"""The time zones a person may be in.

A prospect is callable only while *every* zone of their set is inside a calling window, so a set that is too
wide only costs opening hours, and one that is too narrow rings somebody at night. Every doubt therefore widens
the set.

Sources: a zone written in the row; the address by its state and postal code; every zone that the number may be in.
Numbers are judged by the data of ``phonenumbers``, corrected in two ways. Within the North American plan that data
narrows some area codes by exchange, which is out of date for mobiles: the whole area code counts. Elsewhere it names
one zone for others that share its winter time only (Paris for Algiers, Adelaide for Darwin): the country's own zones,
from the IANA table ``zone.tab``, replace or join those.

Nothing here reads the clock. All functions are safe to call from several threads.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, cast

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

from dialer.domain.address_zones import zones_of_region
from dialer.domain.numbering_plans import calling_code
from dialer.domain.postal_zones import zones_of_postal_code

ZoneSource = Literal["explicit", "address", "phone", "none"]

_NANP = "1"
_AREA_CODE_END = 4
"""Characters of country code and area code in the North American plan: ``1850``."""

_KNOWN_GAPS: Mapping[str, str] = MappingProxyType(
    {
        # Queensland has no summer time; ranges that phonenumbers does not list one by one read as Sydney.
        "617": "Australia/Brisbane",
        # Southern Chile keeps summer time all year and the data names Santiago alone.
        "5661": "America/Punta_Arenas",
        "5667": "America/Punta_Arenas",
        "569": "America/Punta_Arenas",
    }
)
"""Zones that numbers of a prefix may be in as well as in those that the data names."""

_AMBIGUOUS = frozenset({"EST", "MST"})
"""Valid zone names without summer time, which people write for New York and Denver."""


class ZoneUnknown(ValueError):
    """An explicit time zone that is no IANA name. ``message`` never repeats the value."""

    def __init__(self, suggestion: str) -> None:
        super().__init__("The time zone is not an IANA name")
        self.code = "unknown_time_zone"
        self.message = "The time zone is not an IANA name"
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class ZoneSet:
    """IANA zone names, sorted, unique and at least one. ``key`` is its spelling in the database."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("a zone set needs at least one zone")
        if list(self.names) != sorted(set(self.names)):
            raise ValueError("the names of a zone set are sorted and unique: use ZoneSet.of")

    @classmethod
    def of(cls, names: Iterable[str]) -> ZoneSet:
        return cls(tuple(sorted(set(names))))

    @classmethod
    def parse(cls, key: str) -> ZoneSet:
        """The inverse of ``key``. Raises ValueError for an empty key."""
        return cls.of(name for name in key.split("|") if name)

    @property
    def key(self) -> str:
        return "|".join(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedZones:
    """Where a prospect may be and how we know; ``zone_set`` is None exactly when ``source`` is ``none``."""

    zone_set: ZoneSet | None
    source: ZoneSource


def resolve_zones(
    *,
    explicit: str | None = None,
    country: str | None = None,
    region: str | None = None,
    postal_code: str | None = None,
    phone: str | None = None,
    other_phones: Iterable[str] = (),
) -> ResolvedZones:
    """The best known zones of a prospect: as written, else by address, else by number.

    Args: ``explicit`` an IANA name; ``country`` ISO 3166 alpha-2; ``region`` a state or province; ``phone``
    E.164, as ``other_phones`` of the same person: any of them may be where the person is. Raises ZoneUnknown when
    ``explicit`` is given and is no IANA name: a slip must not become a guess.
    """
    if explicit and explicit.strip():
        return ResolvedZones(zone_set=ZoneSet((canonical_zone(explicit),)), source="explicit")
    if country and (found := zones_for_address(country, region, postal_code)):
        return ResolvedZones(zone_set=found, source="address")
    if phone and (found := zones_for_phones((phone, *other_phones))):
        return ResolvedZones(zone_set=found, source="phone")
    return ResolvedZones(zone_set=None, source="none")


def zones_for_phones(phones: Iterable[str]) -> ZoneSet | None:
    """Every zone that one of a person's numbers may be in; None when one of them tells nothing."""
    found = [zones_for_phone(phone) for phone in phones]
    if len(found) == 1:
        return found[0]
    names = [name for zones in found if zones is not None for name in zones.names]
    return ZoneSet.of(names) if names and None not in found else None


def canonical_zone(name: str) -> str:
    """The IANA name meant by ``name`` in any case, a renamed one under its present name.

    Raises ZoneUnknown; abbreviations that hide summer time (EST, MST) are refused as well.
    """
    wanted = name.strip().replace(" ", "_")
    found = _zone_names().get(wanted.casefold())
    if found is None or wanted.upper() in _AMBIGUOUS:
        raise ZoneUnknown("Write Area/City, such as America/New_York or Europe/Rome")
    return found


@lru_cache(maxsize=8192)
def zones_for_address(country: str, region: str | None, postal_code: str | None = None) -> ZoneSet | None:
    """Zones of an address: those of its state and of its postal code, else the one zone of its country.

    Args: ``country`` ISO 3166 alpha-2; ``region`` a state's code or English name. State and postal code narrow each
    other where they agree, and where they contradict each other both count. None when the address does not decide it.
    """
    code = country.strip().upper()
    state = frozenset((region and zones_of_region(code, region)) or ())
    area = frozenset((postal_code and zones_of_postal_code(code, postal_code)) or ())
    if names := state & area or state | area:
        return ZoneSet.of(names)
    own = _distinct(_zones_by_country().get(code, ()))
    return ZoneSet(own) if len(own) == 1 else None


def zones_for_phone(e164: str) -> ZoneSet | None:
    """Every zone that a number may be in; None where a number tells nothing (satellite, international).

    Args: ``e164`` a valid number, ``+`` and digits. Toll-free and other numbers without a place get every zone
    of their numbering plan.
    """
    digits = e164.removeprefix("+")
    if digits.startswith(_NANP):
        return _area_codes().get(digits[:_AREA_CODE_END]) or _by_prefix(_NANP)
    plan = calling_code(digits)
    if plan is None:
        return None
    candidates = _plan_zones(plan)
    if len(candidates) < 2:
        return ZoneSet(candidates) if candidates else None
    return _by_plan(plan, digits)


# -- numbers of plans with several zones -------------------------------------------------------------------


def _by_plan(plan: str, digits: str) -> ZoneSet | None:
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return None
    regions = _regions_valid_for(number, plan)
    if not regions:
        return None
    if _tells_a_place(number, plan):
        found = _by_prefix(_longest_prefix(digits), regions[0])
    else:
        found = _everywhere(plan, regions)
    gaps = [zone for prefix, zone in _KNOWN_GAPS.items() if digits.startswith(prefix)]
    return ZoneSet(_distinct([*found.names, *gaps])) if found and gaps else found


def _tells_a_place(number: phonenumbers.PhoneNumber, plan: str) -> bool:
    """Mobile prefixes of Indonesia name an operator, though phonenumbers takes them for places."""
    kind = phonenumbers.number_type(number)
    if plan == "62" and kind == phonenumbers.PhoneNumberType.MOBILE:
        return False
    return phonenumbers.is_number_geographical(number)


def _regions_valid_for(number: phonenumbers.PhoneNumber, plan: str) -> tuple[str, ...]:
    """The territories of a calling code in which the number exists: Christmas Island is +61 too."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(plan)]
    return tuple(r for r in regions if phonenumbers.is_valid_number_for_region(number, r))


@cache
def _everywhere(plan: str, regions: tuple[str, ...]) -> ZoneSet | None:
    """All zones of the territories, as a mobile may be anywhere in them."""
    names = [
        zone
        for region in regions or phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(plan)]
        for name in _named_under(plan)
        for zone in _in_region(name, region, plan)
    ]
    return ZoneSet(_distinct(names)) if names else None


@lru_cache(maxsize=8192)
def _by_prefix(prefix: str, region: str | None = None) -> ZoneSet | None:
    names = TIMEZONE_DATA.get(prefix)
    if not names:
        return None
    if region is None:
        return ZoneSet.of(names)
    plan = calling_code(prefix) or prefix
    zones = [zone for name in names for zone in _in_region(name, region, plan)]
    return ZoneSet(_distinct(zones)) if zones else _everywhere(plan, (region,))


def _longest_prefix(digits: str) -> str:
    for length in range(min(len(digits), 9), 0, -1):
        if digits[:length] in TIMEZONE_DATA:
            return digits[:length]
    return ""


@cache
def _plan_zones(plan: str) -> tuple[str, ...]:
    """Zones under a calling code that differ in their offsets: one for most countries."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(plan)]
    if len(regions) == 1 and len(own := _distinct(_zones_by_country().get(regions[0], ()))) == 1:
        return own
    found = _everywhere(plan, tuple(regions))
    gaps = [zone for prefix, zone in _KNOWN_GAPS.items() if prefix.startswith(plan)]
    return _distinct([*(found.names if found else ()), *gaps])


@cache
def _named_under(plan: str) -> tuple[str, ...]:
    """Zones that the data of phonenumbers names anywhere under a calling code."""
    under = (zones for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith(plan))
    return tuple(sorted({zone for zones in under for zone in zones}))


@cache
def _in_region(name: str, region: str, plan: str) -> tuple[str, ...]:
    """The zones of one territory that ``name`` stands for: itself, or those with the same winter time.

    A zone of the territory that nothing names joins the one whose winter time it shares, as Darwin Adelaide.
    """
    own = _zones_by_country().get(region, ())
    if not own:
        return (name,)
    same_winter = [zone for zone in own if _winter(zone) == _winter(name)]
    alike = [zone for zone in own if _offsets(zone) == _offsets(name)]
    if name not in own and not alike:
        return _distinct(same_winter)
    named = {_offsets(other) for other in _named_under(plan)}
    hidden = [zone for zone in same_winter if _offsets(zone) not in named]
    return _distinct([name if name in own else alike[0], *hidden])


# -- tables computed once from the installed data ----------------------------------------------------------


@cache
def _area_codes() -> Mapping[str, ZoneSet]:
    """North American area code (``1850``) to the union of the zones of all its exchanges."""
    united: dict[str, set[str]] = {}
    for prefix, names in TIMEZONE_DATA.items():
        if prefix.startswith(_NANP) and len(prefix) >= _AREA_CODE_END:
            united.setdefault(prefix[:_AREA_CODE_END], set()).update(names)
    return MappingProxyType({code: ZoneSet.of(names) for code, names in united.items()})


@cache
def _zones_by_country() -> Mapping[str, tuple[str, ...]]:
    """ISO country code to its zones, most populous first, from zone.tab."""
    zones: dict[str, list[str]] = {}
    for line in _tzdata("zoneinfo", "zone.tab"):
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            zones.setdefault(country, []).append(name)
    return MappingProxyType({country: tuple(names) for country, names in zones.items()})


@cache
def _zone_names() -> Mapping[str, str]:
    """Every accepted spelling, case folded, to the name that we store."""
    current = {name for names in _zones_by_country().values() for name in names}
    names = {n.casefold(): n for n in _tzdata("zones") if "/" in n or n in {"UTC", "GMT"}}
    for line in _tzdata("zoneinfo", "tzdata.zi"):
        if line.startswith("L "):
            _, target, alias = line.split()
            # Only renamed zones: Europe/Stockholm links to Berlin and is still the name of Stockholm's time.
            if target in current and alias not in current:
                names[alias.casefold()] = target
    return MappingProxyType(names)


def _tzdata(*path: str) -> list[str]:
    return resources.files("tzdata").joinpath(*path).read_text("utf-8").splitlines()


@cache
def _offsets(zone: str) -> tuple[timedelta, ...]:
    """Offsets from UTC through two years: zones that agree here never differ for calling hours."""
    # From the installed package and not from the operating system, whose tables may be years old: two zones must
    # not be taken for one because this machine has not heard yet that they parted.
    with resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as file:
        info = zoneinfo.ZoneInfo.from_file(file, key=zone)
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    moments = ((start + timedelta(days=5 * step)).astimezone(info) for step in range(146))
    return tuple(cast(timedelta, moment.utcoffset()) for moment in moments)


def _winter(zone: str) -> timedelta:
    return min(_offsets(zone))


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """One name for each distinct course of offsets, the first given, sorted."""
    kept: dict[tuple[timedelta, ...], str] = {}
    for name in names:
        kept.setdefault(_offsets(name), name)
    return tuple(sorted(kept.values()))
