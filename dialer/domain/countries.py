"""Countries as people write them, to ISO 3166 alpha-2."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

import phonenumbers

# Spellings that the English names of the IANA table iso3166.tab do not hold: three letters, short and own names.
_ALSO = """
US usa unitedstatesofamerica america estadosunidos etatsunis statiuniti vereinigtestaaten; GB uk gbr england scotland
wales northernireland unitedkingdom greatbritain; DE deu germania allemagne alemania deutschland; FR fra francia
frankreich; IT ita italia italie italien; ES esp espana spagna espagne spanien; PT prt; IE irl eire; NL nld holland
nederland thenetherlands; BE bel belgie belgique belgien; AT aut osterreich; CH che schweiz suisse svizzera; CA can;
AU aus; NZ nzl; MX mex; BR bra brasil; AR arg; CL chl; CO col; PE per; JP jpn; KR kor southkorea; CN chn; IN ind;
SG sgp; AE are uae; ZA zaf; SE swe sverige; NO nor norge; DK dnk danmark; FI fin suomi; PL pol polska; CZ cze czechia;
RU rus russianfederation; TR tur turkiye; UA ukr; IL isr; GR grc; HU hun; RO rou; VN vietnam
"""


def country_code(text: str) -> str | None:
    """``DE`` for ``de``, ``Germany``, ``DEU`` or ``Deutschland``; None when it is no country that we know."""
    return _names().get(_fold(text))


def is_region(code: str) -> bool:
    """True for the ISO 3166 alpha-2 code of a country or territory that has phone numbers."""
    return code in phonenumbers.SUPPORTED_REGIONS


@cache
def _names() -> Mapping[str, str]:
    table = (resources.files("tzdata") / "zoneinfo" / "iso3166.tab").read_text("utf-8")
    lines = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    short = Counter(_fold(name.partition("(")[0]) for _, name in lines)
    names: dict[str, str] = {}
    for code, name in lines:
        names[_fold(name)] = names[code.casefold()] = code
        before_bracket = _fold(name.partition("(")[0])
        if short[before_bracket] == 1:  # "Britain (UK)" is one country, "Korea (South)" one of two
            names[before_bracket] = code
    for entry in _ALSO.split(";"):
        code, *spellings = entry.split()
        names.update((spelling, code) for spelling in spellings)
    return MappingProxyType(names)


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if letter.isalpha()).casefold()
