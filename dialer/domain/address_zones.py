"""Time zones of states and provinces, for the countries that have several zones, and the short names of zones.

States that a zone border crosses list both sides. Names are in English and compared without accents; a state
that is missing here is simply not decided by its address.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "E": "America/New_York",
        "C": "America/Chicago",
        "M": "America/Denver",
        "P": "America/Los_Angeles",
        "AZ": "America/Phoenix",
        "AK": "America/Anchorage",
        "ADAK": "America/Adak",
        "HI": "Pacific/Honolulu",
        "TOR": "America/Toronto",
        "WPG": "America/Winnipeg",
        "EDM": "America/Edmonton",
        "VAN": "America/Vancouver",
        "AT": "America/Halifax",
        "NL": "America/St_Johns",
        "SK": "America/Regina",
        "YT": "America/Whitehorse",
        "FN": "America/Fort_Nelson",
        "PR": "America/Puerto_Rico",
        "GU": "Pacific/Guam",
        "MP": "Pacific/Saipan",
        "AS": "Pacific/Pago_Pago",
        "VI": "America/St_Thomas",
        "SYD": "Australia/Sydney",
        "BNE": "Australia/Brisbane",
        "ADL": "Australia/Adelaide",
        "DRW": "Australia/Darwin",
        "PER": "Australia/Perth",
        "EUC": "Australia/Eucla",
        "LHI": "Australia/Lord_Howe",
        "BRT": "America/Sao_Paulo",
        "AMT": "America/Manaus",
        "ACT": "America/Rio_Branco",
        "FNT": "America/Noronha",
        "MEX": "America/Mexico_City",
        "CUN": "America/Cancun",
        "MZT": "America/Mazatlan",
        "HMO": "America/Hermosillo",
        "TIJ": "America/Tijuana",
        "JUA": "America/Ciudad_Juarez",
        "OJI": "America/Ojinaga",
        "MAT": "America/Matamoros",
    }
)

# One state per entry: code, name and zones (the short names above).
_US = """
AL Alabama: C E; AK Alaska: AK ADAK; AZ Arizona: AZ M; AR Arkansas: C; CA California: P; CO Colorado: M;
CT Connecticut: E; DE Delaware: E; DC District of Columbia: E; FL Florida: E C; GA Georgia: E; HI Hawaii: HI;
ID Idaho: M P; IL Illinois: C; IN Indiana: E C; IA Iowa: C; KS Kansas: C M; KY Kentucky: E C; LA Louisiana: C;
ME Maine: E; MD Maryland: E; MA Massachusetts: E; MI Michigan: E C; MN Minnesota: C; MS Mississippi: C;
MO Missouri: C; MT Montana: M; NE Nebraska: C M; NV Nevada: P M; NH New Hampshire: E; NJ New Jersey: E;
NM New Mexico: M; NY New York: E; NC North Carolina: E; ND North Dakota: C M; OH Ohio: E; OK Oklahoma: C M;
OR Oregon: P M; PA Pennsylvania: E; RI Rhode Island: E; SC South Carolina: E; SD South Dakota: C M;
TN Tennessee: C E; TX Texas: C M; UT Utah: M; VT Vermont: E; VA Virginia: E; WA Washington: P;
WV West Virginia: E; WI Wisconsin: C; WY Wyoming: M; PR Puerto Rico: PR; GU Guam: GU;
MP Northern Mariana Islands: MP; AS American Samoa: AS; VI Virgin Islands: VI
"""
_CA = """
AB Alberta: EDM; BC British Columbia: VAN EDM FN; MB Manitoba: WPG; NB New Brunswick: AT;
NL Newfoundland and Labrador: NL AT; NS Nova Scotia: AT; NT Northwest Territories: EDM; NU Nunavut: TOR WPG EDM;
ON Ontario: TOR WPG; PE Prince Edward Island: AT; QC Quebec: TOR AT PR; SK Saskatchewan: SK EDM; YT Yukon: YT
"""
_AU = """
ACT Australian Capital Territory: SYD; NSW New South Wales: SYD ADL LHI; NT Northern Territory: DRW;
QLD Queensland: BNE; SA South Australia: ADL EUC; TAS Tasmania: SYD; VIC Victoria: SYD;
WA Western Australia: PER EUC
"""
_BR = """
AC Acre: ACT; AL Alagoas: BRT; AP Amapa: BRT; AM Amazonas: AMT ACT; BA Bahia: BRT; CE Ceara: BRT;
DF Distrito Federal: BRT; ES Espirito Santo: BRT; GO Goias: BRT; MA Maranhao: BRT; MT Mato Grosso: AMT BRT;
MS Mato Grosso do Sul: AMT BRT; MG Minas Gerais: BRT; PA Para: BRT; PB Paraiba: BRT; PR Parana: BRT;
PE Pernambuco: BRT FNT; PI Piaui: BRT; RJ Rio de Janeiro: BRT; RN Rio Grande do Norte: BRT;
RS Rio Grande do Sul: BRT; RO Rondonia: AMT; RR Roraima: AMT; SC Santa Catarina: BRT; SP Sao Paulo: BRT;
SE Sergipe: BRT; TO Tocantins: BRT
"""
_MX = """
AGU Aguascalientes: MEX; BCN Baja California: TIJ; BCS Baja California Sur: MZT; CAM Campeche: MEX;
CHP Chiapas: MEX; CHH Chihuahua: MEX JUA OJI; CMX Ciudad de Mexico: MEX;
COA Coahuila: MEX MAT; COL Colima: MEX;
DUR Durango: MEX; GUA Guanajuato: MEX; GRO Guerrero: MEX; HID Hidalgo: MEX; JAL Jalisco: MEX; MEX Mexico: MEX;
MIC Michoacan: MEX; MOR Morelos: MEX; NAY Nayarit: MZT MEX; NLE Nuevo Leon: MEX MAT; OAX Oaxaca: MEX;
PUE Puebla: MEX; QUE Queretaro: MEX; ROO Quintana Roo: CUN; SLP San Luis Potosi: MEX; SIN Sinaloa: MZT;
SON Sonora: HMO; TAB Tabasco: MEX; TAM Tamaulipas: MEX MAT; TLA Tlaxcala: MEX; VER Veracruz: MEX;
YUC Yucatan: MEX; ZAC Zacatecas: MEX
"""


def zones_of_region(country: str, region: str) -> tuple[str, ...] | None:
    """Zones of a state or province, by code (``NV``, ``US-NV``) or name; None when not known."""
    states = _tables().get(country)
    return states.get(_fold(region.removeprefix(f"{country}-"))) if states else None


@cache
def _tables() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    sources = {"US": _US, "CA": _CA, "AU": _AU, "BR": _BR, "MX": _MX}
    return MappingProxyType({country: _table(text) for country, text in sources.items()})


def _table(text: str) -> Mapping[str, tuple[str, ...]]:
    zones: dict[str, tuple[str, ...]] = {}
    for entry in text.replace("\n", " ").split(";"):
        names, _, shorts = entry.partition(":")
        code, _, name = names.strip().partition(" ")
        zones[_fold(code)] = zones[_fold(name)] = tuple(SHORT_NAMES[short] for short in shorts.split())
    return MappingProxyType(zones)


def _fold(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in plain if letter.isalpha()).casefold()
