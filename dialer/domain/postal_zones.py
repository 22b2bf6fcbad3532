"""Time zones by postal code, for the countries where the code tells more than the country does.

A postal code is read by its longest prefix in the tables. An area that a zone border crosses lists both sides, and one
that is missing here (military mail, ranges not given out) decides nothing. A leading zero that a spreadsheet dropped
is put back where codes of the country have one length and begin with zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from dialer.domain.address_zones import SHORT_NAMES

# Prefixes and ranges of prefixes, then the zones: short names, or IANA names where only this module has them.
_US = """
005 010-089 100-212 214-268 270-322 326-339 341-342 344 346-347 349 374 376 379 398-400 402-418 430-462 466-468 470
472-474 478 480-497 569: E; 323-324 401 425-427 463 465 469 471 475-476 479 498-499: E C; 368 373 377-378: C E;
325 350-367 369-372 375 380-397 420-424 464 477 500-528 530-567 570-574 580-584 600-658 660-676 680-689 700-738 740-797:
C; 575-576 585-588 677-679 690-692 739 798: C M; 577 590-599 693 799-834 836-837 840-847 870-885: M; 835 898 979: M P;
838 889-897 900-961 970-978 980-994: P; 850-857 863-864: AZ; 859-860 865: AZ M; 995: AK ADAK; 996-998: AK; 999: AK P;
967-968: HI; 96799: AS; 9691-9692 96931-96932: GU; 9695: MP; 006-007 009: PR; 008: VI
"""
_CA = """
A: NL AT; A1: NL; B C E: AT; G: TOR AT PR; G1-G3: TOR; H J K L M N: TOR; P: TOR WPG; P1-P7: TOR; R: WPG; S: SK EDM;
S4 S7: SK; T: EDM; V: VAN EDM FN; V2-V9: VAN; X: TOR WPG EDM; X1: EDM; Y: YT
"""
_AU = """
02 10-39 70-89: SYD; 08-09: DRW; 0872: DRW ADL PER EUC; 2406: SYD BNE; 2879-2880: SYD ADL; 2898: LHI;
2899: Pacific/Norfolk; 40-49 90-99: BNE; 4375 4377 4380 4383 4385: BNE SYD; 4825: BNE DRW; 50-59: ADL; 5690: ADL EUC;
60-69: PER; 6443: PER EUC; 6798: Indian/Christmas; 6799: Indian/Cocos
"""
_BR = """
01-68 70-77 80-99: BRT; 539: BRT FNT; 69: AMT ACT; 690-691 693: AMT; 699: ACT; 768-769: AMT; 78-79: AMT BRT
"""
_MX = """
00-20 24 28-30 34-62 68-76 78-79 86 90-99: MEX; 21-22: TIJ; 23: MZT; 25-27 64-67 87-89: MEX MAT; 31-33: MEX JUA OJI;
63: MZT MEX; 77: CUN; 80-82: MZT; 83-85: HMO
"""
_RU = """
101-135 140-144 150-157 160-175 180-199 214-216 241-249 300-309 344-347 350-369 385 390-404 420-425 428-431 440-442
600-607 610-613: Europe/Moscow; 236-238: Europe/Kaliningrad; 410-413: Europe/Saratov; 414-416: Europe/Astrakhan;
426-427 443-446: Europe/Samara; 432-433: Europe/Ulyanovsk; 450-457 460-462 614-629 640-641: Asia/Yekaterinburg;
644-646: Asia/Omsk; 630-633: Asia/Novosibirsk; 634-636: Asia/Tomsk; 650-654: Asia/Novokuznetsk; 649 656-659:
Asia/Barnaul; 647 655 660-663 667-668: Asia/Krasnoyarsk; 664-666 669-671: Asia/Irkutsk; 672-674 687: Asia/Chita;
675-676: Asia/Yakutsk; 677-678: Asia/Yakutsk Asia/Khandyga Asia/Vladivostok Asia/Ust-Nera Asia/Srednekolymsk;
679-682 690-692: Asia/Vladivostok; 683-684 688: Asia/Kamchatka; 685-686: Asia/Magadan; 689: Asia/Anadyr; 693-694:
Asia/Sakhalin
"""
_ID = """
10-69: Asia/Jakarta; 70-72 75-77 80-96: Asia/Makassar; 73-74: Asia/Jakarta; 78-79: Asia/Pontianak; 97-99: Asia/Jayapura
"""
_ES = "01-34 36-37 39-50: Europe/Madrid; 35 38: Atlantic/Canary; 51-52: Africa/Ceuta"
_PT = "1-8: Europe/Lisbon; 90-94: Atlantic/Madeira; 95-99: Atlantic/Azores"
_FR = """
01-95 980: Europe/Paris; 971 977-978: America/Guadeloupe; 972: America/Martinique; 973: America/Cayenne;
974: Indian/Reunion; 975: America/Miquelon; 976: Indian/Mayotte; 986: Pacific/Wallis;
987: Pacific/Tahiti Pacific/Marquesas Pacific/Gambier; 988: Pacific/Noumea
"""
_DK = "39: America/Nuuk America/Danmarkshavn America/Scoresbysund America/Thule"
_CN = "01-82 85: Asia/Shanghai; 83-84: Asia/Shanghai Asia/Urumqi"
_CL = """
1-5 7-9: America/Santiago; 277: America/Santiago Pacific/Easter; 60: America/Santiago America/Coyhaique;
61-62: America/Punta_Arenas; 63-69: America/Santiago
"""
_EC = "01-19 21-24: America/Guayaquil; 20: Pacific/Galapagos"
_NZ = "0-9: Pacific/Auckland; 8016 8942: Pacific/Auckland Pacific/Chatham"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Country:
    """How a country's codes look: ``form`` of one without spaces and hyphens, and the zones of each prefix.

    ``length`` is that of whole codes, to which one lost zero may be added; 0 where no code begins with a zero.
    """

    form: re.Pattern[str]
    zones: Mapping[str, tuple[str, ...]]
    longest: int
    length: int


_TABLES: Mapping[str, tuple[str, str, int]] = MappingProxyType(
    {
        "US": (_US, "[0-9]{5}(?:[0-9]{4})?", 5),
        "CA": (_CA, "[A-Z][0-9][A-Z](?:[0-9][A-Z][0-9])?", 0),
        "AU": (_AU, "[0-9]{4}", 4),
        "BR": (_BR, "[0-9]{8}", 8),
        "MX": (_MX, "[0-9]{5}", 5),
        "RU": (_RU, "[1-9][0-9]{5}", 0),
        "ID": (_ID, "[1-9][0-9]{4}", 0),
        "ES": (_ES, "[0-9]{5}", 5),
        "PT": (_PT, "[1-9][0-9]{3}(?:[0-9]{3})?", 0),
        "FR": (_FR, "[0-9]{5}", 5),
        "DK": (_DK, "[0-9]{4}", 0),
        "CN": (_CN, "[0-9]{6}", 6),
        "CL": (_CL, "[1-9][0-9]{6}", 0),
        "EC": (_EC, "[0-9]{6}", 6),
        "NZ": (_NZ, "[0-9]{4}", 4),
    }
)

_DECORATION = re.compile(r"[\s\u2010-\u2015-]+")
_FLOAT = re.compile(r"\.0+$")
_ZIP_AND_MORE = 8
"""Digits of ZIP+4 after its leading zero was lost."""


def zones_of_postal_code(country: str, postal_code: str) -> tuple[str, ...] | None:
    """IANA zones of the area of a postal code; None when the code, or the country, is not known here.

    Args: ``country`` ISO 3166 alpha-2 in capitals; ``postal_code`` as people and spreadsheets write it.
    """
    known = _country(country)
    if known is None:
        return None
    code = _plain(postal_code, country, known)
    if not known.form.fullmatch(code):
        return None
    prefixes = (code[:length] for length in range(known.longest, 0, -1))
    return next((zones for prefix in prefixes if (zones := known.zones.get(prefix))), None)


def _plain(postal_code: str, country: str, known: _Country) -> str:
    code = _FLOAT.sub("", _DECORATION.sub("", postal_code)).upper()
    if not code.isascii() or not code.isdecimal():
        return code
    lost = len(code) == known.length - 1 or (country == "US" and len(code) == _ZIP_AND_MORE)
    return "0" + code if lost else code


@cache
def _country(country: str) -> _Country | None:
    if country not in _TABLES:
        return None
    text, form, length = _TABLES[country]
    zones: dict[str, tuple[str, ...]] = {}
    for entry in " ".join(text.split()).split(";"):
        prefixes, _, names = entry.partition(": ")
        for prefix in _expanded(prefixes):
            zones[prefix] = tuple(SHORT_NAMES.get(name, name) for name in names.split())
    return _Country(form=re.compile(form), zones=MappingProxyType(zones), longest=max(map(len, zones)), length=length)


def _expanded(prefixes: str) -> Iterator[str]:
    """``010 011 012`` for ``010-012``, ``G1 G2`` for ``G1-G2``."""
    for prefix in prefixes.split():
        first, _, last = prefix.partition("-")
        letter = first.rstrip("0123456789")
        digits = first[len(letter) :]
        if not last:
            yield first
            continue
        for number in range(int(digits), int(last[len(letter) :]) + 1):
            yield f"{letter}{number:0{len(digits)}}"
