"""The numbering plans of ``phonenumbers``, compiled: is this national number one of the plan, and of which territory.

``phonenumbers`` asks up to a dozen patterns per number through as many function calls. Here those of a territory are
one pattern, which says the same at a tenth of the time. What is asked is only ever "certainly yes": whoever hears no
asks the parser, which knows every exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

_NEVER = re.compile(r"(?!)")
_CODE_LENGTHS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Territory:
    """``numbers`` are all that exist; ``costly`` those that may be of premium rate or shared cost. A territory that
    shares its calling code owns every number that begins with its ``leading_digits``, where it has some."""

    region: str
    numbers: re.Pattern[str]
    costly: re.Pattern[str]
    leading_digits: re.Pattern[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialingHabits:
    """What people of a territory write before a national number.

    ``prefix`` is the trunk prefix where it is nothing but digits (``0``, ``8``), ``rewritten`` what the parser would
    strip or change at the start of a number, ``exit_code`` what begins an international number.
    """

    calling_code: str
    prefix: str | None
    rewritten: re.Pattern[str]
    exit_code: re.Pattern[str]


def calling_code(digits: str) -> str | None:
    """The country calling code that digits begin with (``1``, ``44``, ``353``); None when there is none."""
    return _code_at_start(digits[: _CODE_LENGTHS[-1]])


@lru_cache(maxsize=4096)
def _code_at_start(digits: str) -> str | None:
    codes = _calling_codes()
    return next((digits[:length] for length in _CODE_LENGTHS if digits[:length] in codes), None)


def ordinary_region(code: str, national: str) -> str | None:
    """The territory (ISO 3166 alpha-2) of a number that exists and costs what calls usually cost.

    Args: ``code`` a calling code; ``national`` the number behind it, without a trunk prefix. None is no verdict.
    """
    for territory in _territories(code):
        if territory.leading_digits is None:
            if not territory.numbers.fullmatch(national):
                continue
        elif not territory.leading_digits.match(national):
            continue
        elif not territory.numbers.fullmatch(national):
            return None
        return None if territory.costly.fullmatch(national) else territory.region
    return None


def begins_as_rewritten(code: str, national: str) -> bool:
    """Whether the parser would strip or change something at the start of a number behind its calling code."""
    return _rewritten(code).match(national) is not None


@cache
def dialing_habits(region: str) -> DialingHabits | None:
    """Of a territory (ISO 3166 alpha-2); None when it is not known."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return None
    parsed, plain = metadata.national_prefix_for_parsing, metadata.national_prefix
    literal = parsed is not None and parsed == plain and parsed.isdecimal()
    transformed = metadata.national_prefix_transform_rule is not None
    return DialingHabits(
        calling_code=str(metadata.country_code),
        prefix=plain if literal and not transformed else None,
        rewritten=re.compile(parsed) if parsed else _NEVER,
        exit_code=re.compile(metadata.international_prefix) if metadata.international_prefix else _NEVER,
    )


# -- patterns, compiled once -----------------------------------------------------------------------------------------


@cache
def _calling_codes() -> frozenset[str]:
    return frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


@cache
def _rewritten(code: str) -> re.Pattern[str]:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(
        int(code), phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)][0]
    )
    prefix = metadata.national_prefix_for_parsing if metadata else None
    return re.compile(prefix) if prefix else _NEVER


@cache
def _territories(code: str) -> tuple[_Territory, ...]:
    """In the order in which the parser asks them; services of no country have none."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
    known = ((region, PhoneMetadata.metadata_for_region(region)) for region in regions)
    return tuple(_territory(region, metadata) for region, metadata in known if metadata is not None)


def _territory(region: str, metadata: PhoneMetadata) -> _Territory:
    kinds = (
        metadata.fixed_line,
        metadata.mobile,
        metadata.toll_free,
        metadata.voip,
        metadata.personal_number,
        metadata.pager,
        metadata.uan,
        metadata.voicemail,
        metadata.premium_rate,
        metadata.shared_cost,
    )
    some = "|".join(_unique(map(_pattern, kinds)))
    general = _pattern(metadata.general_desc)
    costly = "|".join(_unique(map(_pattern, (metadata.premium_rate, metadata.shared_cost))))
    return _Territory(
        region=region,
        numbers=re.compile(rf"(?={general}\Z)(?:{some})") if general and some else _NEVER,
        costly=re.compile(costly) if costly else _NEVER,
        leading_digits=re.compile(metadata.leading_digits) if metadata.leading_digits is not None else None,
    )


def _pattern(desc: PhoneNumberDesc | None) -> str:
    """The numbers of one kind, of the lengths that they may have; empty when there are none."""
    if desc is None or not desc.national_number_pattern:
        return ""
    lengths = [length for length in desc.possible_length or () if length > 0]
    if desc.possible_length and not lengths:
        return ""
    sized = rf"(?=(?:{'|'.join(f'[0-9]{{{length}}}' for length in lengths)})\Z)" if lengths else ""
    return rf"(?:{sized}(?:{desc.national_number_pattern}))"


def _unique(patterns: Iterable[str]) -> list[str]:
    return [pattern for pattern in dict.fromkeys(patterns) if pattern]
