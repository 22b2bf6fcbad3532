"""Phone numbers as people and spreadsheets write them, to one E.164 spelling.

A number is accepted only when the numbering plan knows it; nothing is repaired by guessing. What is refused says
why and what to write instead, never repeating the number: messages end in logs and histories, numbers must not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult
from phonenumbers import shortnumberinfo as short_numbers

from dialer.domain.numbering_plans import begins_as_rewritten, calling_code, dialing_habits, ordinary_region

_MAX_LENGTH = 60
"""Longest text looked at: an E.164 number has 15 digits, and extensions and brackets need little more."""

_LEAST_LOST = 3
"""As many trailing zeros in an expanded ``4.479E+11`` mean that the spreadsheet rounded digits away."""

_FEWEST_DIGITS = 7
_CLEAN = re.compile(r"\+[1-9][0-9]{6,14}")
_PLAIN = re.compile(r"(?:\+[1-9]|[0-9(])[0-9 ().-]{5,22}[0-9]")
_PUNCTUATION = MappingProxyType({ord(sign): None for sign in " ().-"})
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SPREADSHEET_TEXT = re.compile(r'="(.*)"')
_SCIENTIFIC = re.compile(r"\+?([0-9])(?:[.,]([0-9]+))?[eE]\+?([0-9]{1,2})")
_FLOAT = re.compile(r"(\+?[0-9]{7,17})[.,]0+")
_LABEL = re.compile(r"(?:tel(?:ephone)?|phone|ph|mobile|mob|cell|whatsapp)\b(?!:\+)[.:]*\s*(?=[+0-9(])", re.IGNORECASE)
_EXTENSION = re.compile(r"[ ,;/]*(?:ext(?:ensi[oó]n)?|extn|xt|x|доб|anexo|poste)[.:=]*\s*[0-9]{1,9}", re.IGNORECASE)
_VANITY = re.compile(r"(?:\+?1[ .-]?)?\(?[2-9][0-9]{2}\)?[ .-][A-Z0-9]+(?:-[A-Z0-9]+)*")
_TWO_NUMBERS = re.compile(r"[0-9][ )]*(?:[/;|,&]|\bor\b|\band\b)[ (]*\+?[0-9][0-9 ().-]{5,}", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_NOTHING = frozenset({"", "-", "--", "n/a", "na", "none", "null", "nan", "nil", "unknown", "#n/a", "?"})
_EMERGENCY = frozenset({"112", "911", "999"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One number.

    ``e164`` is ``+`` and 7–15 digits; ``extension`` its digits or None; ``region`` ISO 3166 alpha-2, or ``001`` for
    services of no country; ``inferred`` when the plus was missing (``447…``) or letters were read as digits.
    """

    e164: str
    extension: str | None
    region: str
    inferred: bool


class PhoneRefused(ValueError):
    """A number that is not dialed: ``code`` is stable, ``message`` and ``suggestion`` are for people."""

    def __init__(self, code: str) -> None:
        message, suggestion = _REFUSALS[code]
        super().__init__(message)
        self.code = code
        self.message = message
        self.suggestion = suggestion


_REFUSALS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "phone_missing": ("There is no phone number", "Write the number with + and country code"),
        "phone_not_a_number": ("This is not a phone number", "Write digits with + and country code"),
        "phone_digits_lost": (
            "A spreadsheet rounded this number and its last digits are lost",
            "Format the column as text in the spreadsheet and enter the number again",
        ),
        "phone_several": ("There are several numbers in one field", "Keep one number per field"),
        "phone_no_country": (
            "The number has no country code and no default country is set",
            "Write the number with + and country code, or set a default region",
        ),
        "phone_too_short": ("The number has too few digits", "Check for missing digits or a missing area code"),
        "phone_too_long": ("The number has too many digits", "Check for a second number or a repeated country code"),
        "phone_invalid": (
            "No such number exists in the numbering plan of its country",
            "Check the digits and the country code",
        ),
        "phone_wrong_country": (
            "The number has no country code and does not exist in the default country",
            "Write the number with + and country code",
        ),
        "phone_emergency": ("Emergency numbers are never dialed", "Remove this row"),
        "phone_short": ("Short numbers are not dialed", "Write the full number with country code"),
        "phone_premium": ("Premium-rate numbers are not dialed", "Use an ordinary number of this person"),
        "phone_shared_cost": ("Shared-cost numbers are not dialed", "Use an ordinary number of this person"),
    }
)

_KINDS_REFUSED: Mapping[int, str] = MappingProxyType(
    {PhoneNumberType.PREMIUM_RATE: "phone_premium", PhoneNumberType.SHARED_COST: "phone_shared_cost"}
)


def parse_phone(raw: str, default_region: str | None) -> Phone:
    """Read a number in any usual spelling.

    Args: ``raw`` as it stands in the file; ``default_region`` ISO 3166 alpha-2, the country of numbers that are
    written without one. Raises PhoneRefused.
    """
    if phone := _plain_phone(raw, default_region):
        return phone
    text = _undo_spreadsheet(_visible(raw))
    region = (default_region or "").strip().upper() or None
    region = region if region in phonenumbers.SUPPORTED_REGIONS else None
    _refuse_words(text)
    _refuse_short_codes(text, region)
    return _first_valid(text, region)


def _plain_phone(raw: str, default_region: str | None) -> Phone | None:
    """Numbers without any riddle, at ten times the speed of parsing; None leaves the verdict to the parser."""
    if _CLEAN.fullmatch(raw):
        return _international(raw[1:])
    if not _PLAIN.fullmatch(raw) or _FLOAT.fullmatch(raw):
        return None
    digits = raw.translate(_PUNCTUATION)
    if digits.startswith("+"):
        return _international(digits[1:])
    return _national(digits, default_region) if default_region and len(digits) >= _FEWEST_DIGITS else None


def _international(digits: str) -> Phone | None:
    code = calling_code(digits)
    if code is None or begins_as_rewritten(code, national := digits[len(code) :]):
        return None
    return _existing(code, national)


def _national(digits: str, default_region: str) -> Phone | None:
    habits = dialing_habits(default_region.strip().upper())
    if habits is None or digits.startswith("00") or habits.exit_code.match(digits):
        return None
    if not habits.rewritten.match(digits):
        return _existing(habits.calling_code, digits)
    # Only a trunk prefix that is always left out: others stand for an area code, or are part of some numbers.
    return _existing(habits.calling_code, digits[len(habits.prefix) :]) if habits.prefix else None


def _existing(code: str, national: str) -> Phone | None:
    region = ordinary_region(code, national)
    return None if region is None else Phone(e164=f"+{code}{national}", extension=None, region=region, inferred=False)


def _first_valid(text: str, region: str | None) -> Phone:
    """Read the text in each way that people mean it, and take the first that is a number of some country."""
    for reading, inferred in _readings(text, region):
        try:
            number = phonenumbers.parse(reading, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            _refuse_costly(number)
            return _phone(number, inferred=inferred or bool(_VANITY.fullmatch(text) and _LETTER.search(text)))
    _refuse_unreadable("+" + text[2:].lstrip(" -.") if text.startswith("00") else text, region)


def _readings(text: str, region: str | None) -> Iterator[tuple[str, bool]]:
    """Spellings to try, with whether the country was read into them."""
    international = text.startswith(("+", "tel:"))
    if text.startswith("00"):
        yield "+" + text[2:].lstrip(" -."), False
    if international or region or text.startswith("00"):
        yield text, False
    if text.startswith("011"):  # after the national reading: 011 is also how Johannesburg and Sheffield begin
        yield "+" + text[3:].lstrip(" -."), False
    if not international and not text.startswith("0"):
        yield "+" + text.lstrip("( "), True


def _phone(number: PhoneNumber, *, inferred: bool) -> Phone:
    region = phonenumbers.region_code_for_number(number) or "001"
    e164 = f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
    return Phone(e164=e164, extension=number.extension or None, region=region, inferred=inferred)


# -- what is written -------------------------------------------------------------------------------------------------


def _visible(raw: str) -> str:
    """The text without signs that cannot be seen, with one sort of space and of digit."""
    text = " ".join(_INVISIBLE.sub("", raw[: _MAX_LENGTH * 4]).split())
    if len(text) > _MAX_LENGTH or "\0" in text:
        _refuse("phone_not_a_number")
    text = "".join(_ascii_sign(sign) for sign in text)
    return text.lstrip("'`\u2019 ")


def _ascii_sign(sign: str) -> str:
    if sign == "\uff0b":  # full-width plus
        return "+"
    return str(int(sign)) if sign.isdecimal() and not sign.isascii() else sign


def _undo_spreadsheet(text: str) -> str:
    """Take back what spreadsheets do to numbers, as long as no digit was lost."""
    if wrapped := _SPREADSHEET_TEXT.fullmatch(text):
        text = wrapped[1].strip()
    text = text.lstrip("= ")
    if text.casefold() in _NOTHING:
        _refuse("phone_missing")
    if match := _SCIENTIFIC.fullmatch(text):
        return _expanded(match[1], match[2] or "", int(match[3]))
    if match := _FLOAT.fullmatch(text):
        return match[1]
    return _LABEL.sub("", text, count=1) if _LABEL.match(text) else text


def _expanded(whole: str, fraction: str, exponent: int) -> str:
    digits = whole + fraction + "0" * max(0, min(exponent, 20) - len(fraction))
    if len(fraction) > exponent or digits.endswith("0" * _LEAST_LOST):
        _refuse("phone_digits_lost")
    return digits


# -- what is refused -------------------------------------------------------------------------------------------------


def _refuse(code: str) -> NoReturn:
    raise PhoneRefused(code) from None


def _refuse_words(text: str) -> None:
    """Letters outside an extension: libphonenumber would read digits into a name."""
    if text.startswith("tel:") or not _LETTER.search(text) or _VANITY.fullmatch(text):
        return
    if _TWO_NUMBERS.search(text):
        _refuse("phone_several")
    if _LETTER.search(_EXTENSION.sub("", text, count=1)):
        _refuse("phone_not_a_number")


def _refuse_short_codes(text: str, region: str | None) -> None:
    """Emergency and service numbers, which are only known within a country."""
    digits = "".join(sign for sign in text if sign.isdecimal())
    if text.startswith("+") or _LETTER.search(text) or not 2 <= len(digits) < _FEWEST_DIGITS:
        return
    if digits in _EMERGENCY or (region and short_numbers.is_emergency_number(digits, region)):
        _refuse("phone_emergency")
    if region is None:
        return
    number = PhoneNumber(phonenumbers.country_code_for_region(region), int(digits))
    if short_numbers.is_valid_short_number_for_region(number, region):
        _refuse("phone_short")


def _refuse_costly(number: PhoneNumber) -> None:
    if refused := _KINDS_REFUSED.get(phonenumbers.number_type(number)):
        _refuse(refused)


def _refuse_unreadable(text: str, region: str | None) -> NoReturn:
    """Say what is wrong with a text that is no number in any reading."""
    if _TWO_NUMBERS.search(text):
        _refuse("phone_several")
    digits = sum(sign.isdecimal() for sign in text)
    international = text.startswith(("+", "tel:"))
    if digits == 0 or (_LETTER.search(text) and not international):
        _refuse("phone_not_a_number")
    if not international and region is None:
        _refuse("phone_no_country" if digits >= _FEWEST_DIGITS else "phone_too_short")
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        _refuse(_PARSE_CODES.get(error.error_type, "phone_not_a_number"))
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        _refuse("phone_too_short")
    if not international:
        _refuse("phone_wrong_country")
    _refuse("phone_too_long" if reason == ValidationResult.TOO_LONG else "phone_invalid")


_PARSE_CODES: Mapping[int, str] = MappingProxyType(
    {
        NumberParseException.INVALID_COUNTRY_CODE: "phone_invalid",
        NumberParseException.TOO_SHORT_AFTER_IDD: "phone_too_short",
        NumberParseException.TOO_SHORT_NSN: "phone_too_short",
        NumberParseException.TOO_LONG: "phone_too_long",
    }
)
