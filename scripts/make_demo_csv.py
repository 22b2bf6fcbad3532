"""Write the prospects of the bundled demo: ``python scripts/make_demo_csv.py > dialer/demo/prospects.csv``.

Everybody is invented. Every number lies in a range that its regulator keeps for fiction: 555-0100 to 555-0199 of any
North American area code, Ofcom's, ACMA's, ARCEP's, BNetzA's and PTS's drama numbers. Time zones from Guam to Honolulu
mean that at any hour somebody may be called and somebody must wait. A few rows are bad on purpose.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

HEADER = ("external_id", "name", "phone", "country", "state", "time_zone", "product", "renewal_month")
SEED = 20260301
ROWS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A range of fiction numbers: ``prefix`` completed by ``digits`` digits from ``first`` on."""

    country: str
    state: str
    prefix: str
    first: int
    digits: int
    room: int
    people: int


def _america(area_code: int, state: str, people: int, country: str = "US") -> Place:
    return Place(
        country=country, state=state, prefix=f"+1{area_code}5550", first=100, digits=3, room=100, people=people
    )


def _other(country: str, prefix: str, digits: int, room: int, people: int, state: str = "", first: int = 0) -> Place:
    return Place(country=country, state=state, prefix=prefix, first=first, digits=digits, room=room, people=people)


PLACES = (
    _america(212, "NY", 14),
    _america(617, "MA", 10),
    _america(305, "", 8),
    _america(850, "", 6),
    _america(312, "IL", 12),
    _america(713, "TX", 10),
    _america(303, "CO", 10),
    _america(602, "AZ", 6),
    _america(415, "CA", 14),
    _america(206, "WA", 10),
    _america(907, "AK", 6),
    _america(808, "HI", 12),
    _america(671, "", 8, "GU"),
    _america(787, "", 5, "PR"),
    _america(416, "ON", 8, "CA"),
    _america(604, "BC", 6, "CA"),
    _america(902, "NS", 4, "CA"),
    _america(709, "", 3, "CA"),
    _other("GB", "+4420794", 5, 1000, 22, first=60000),
    _other("GB", "+44161496", 4, 1000, 12),
    _other("GB", "+44131496", 4, 1000, 8),
    _other("FR", "+331990", 5, 9999, 14),
    _other("FR", "+334657", 5, 9999, 8, first=10000),
    _other("DE", "+493023125", 3, 1000, 14),
    _other("DE", "+498999998", 3, 1000, 10),
    _other("SE", "+463139006", 2, 50, 8),
    _other("AU", "+6125550", 4, 10000, 14, "NSW"),
    _other("AU", "+6135550", 4, 10000, 8, "VIC"),
    _other("AU", "+6175550", 4, 10000, 8, "QLD"),
    _other("AU", "+6185550", 4, 10000, 12, "WA"),
    _other("AU", "+61491570", 3, 1, 1, first=156),
    _other("AU", "+61491570", 3, 1, 1, first=157),
)

TRAVELLERS = ("Asia/Tokyo", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore")
"""People whose row says where they live, whatever their number says."""

NAMES = {
    "US": (
        "Avery Blake Casey Dana Ellis Frankie Harper Jordan Kendall Logan Morgan Parker Quinn Riley Sawyer Taylor",
        "Ashdown Brightwater Coppergate Dunmore Everhart Fairbrook Greenhollow Hartwick Ironwood Kingsley Larkspur "
        "Moorland Northcote Oakhurst Pemberly Quillfeather Redfern Silverton Thornbury Underhill Westlake",
    ),
    "FR": (
        "Amélie Basile Céline Damien Élodie Fabrice Hélène Loïc Maëlle Noël Océane Rémi",
        "Boisclair Champfleury Duverger Fontbelle Lagrange-Vert Montclair Rochebrune Valdoré",
    ),
    "DE": (
        "Anke Björn Dörte Frauke Günter Heike Jörg Käthe Lüder Swantje Ulf Wiebke",
        "Apfelbaum Birkengrund Eichenhöfer Grünwiese Kieselbach Lindenthal Mühlbrück Silberstein Weißdorn",
    ),
    "SE": ("Åsa Björn Elsa Göran Ingrid Lars Maja Örjan", "Björkäng Granström Lingonsjö Norrvik Stenhammar Älvdal"),
}

PRODUCTS = ("solar panels", "heat pump", "home insurance", "fibre internet", "car lease", "dental plan")
MONTHS = ("January", "March", "April", "June", "September", "November")

BAD_ROWS = (
    "D-901,Short Row,+12125550198",
    "D-902,No Number,ask at reception,US,NY,,heat pump,March",
    "D-903,Too Short,+1 212 555,US,NY,,heat pump,March",
    "D-904,Premium Rate,+44 909 8790 123,GB,,,heat pump,March",
    "D-905,Mars Colonist,+13125550199,US,IL,Mars/Olympus_Mons,heat pump,March",
    "D-906,Spreadsheet Victim,4.42079E+11,GB,,,heat pump,March",
    "D-907,Comma, Too Many,+13035550199,US,CO,,heat pump,March",
)
"""Rows that must fail, each for another reason."""


def main(out: TextIO) -> None:
    chance = random.Random(SEED)
    people = [person for place in PLACES for person in _people(place, chance)]
    chance.shuffle(people)
    people = people[: ROWS - len(BAD_ROWS) - 1]
    for person, zone in zip(people[40::60], TRAVELLERS, strict=False):
        person[4], person[5] = "", zone
    lines = [[f"D-{number:03d}", *person[1:]] for number, person in enumerate(people, 1)]
    lines.append(["D-900", *_same_number(lines)])
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(HEADER)
    gap = len(lines) // len(BAD_ROWS)
    for index, line in enumerate(lines):
        if index % gap == gap // 2 and index // gap < len(BAD_ROWS):
            out.write(BAD_ROWS[index // gap] + "\n")
        rows.writerow(line)


def _people(place: Place, chance: random.Random) -> list[list[str]]:
    chosen = chance.sample(range(min(place.room, 10**place.digits - place.first)), place.people)
    return [_person(place, place.first + offset, chance) for offset in chosen]


def _person(place: Place, number: int, chance: random.Random) -> list[str]:
    first, last = NAMES.get(place.country, NAMES["US"])
    name = f"{chance.choice(first.split())} {chance.choice(last.split())}"
    phone = _spelled(place, f"{place.prefix}{number:0{place.digits}d}", chance)
    return ["", name, phone, place.country, place.state, "", chance.choice(PRODUCTS), chance.choice(MONTHS)]


def _spelled(place: Place, e164: str, chance: random.Random) -> str:
    """E.164 mostly; some as people of the country write it."""
    if chance.random() < 0.75:
        return e164
    if place.prefix.startswith("+1"):
        return f"({e164[2:5]}) {e164[5:8]}-{e164[8:]}"
    return f"00{e164[1:3]} {e164[3:]}"


def _same_number(lines: Sequence[Sequence[str]]) -> list[str]:
    """Somebody from the list once more, under another name and in another spelling."""
    twin = next(line for line in lines if line[2].startswith("+1"))
    phone = f"{twin[2][:2]}-{twin[2][2:5]}-{twin[2][5:8]}-{twin[2][8:]}"
    return ["Same Person Again", phone, *twin[3:]]


if __name__ == "__main__":
    main(sys.stdout)
