"""Where a person may be: too wide costs opening hours, too narrow rings somebody at night."""

import zoneinfo

import phonenumbers
import pytest

from dialer.domain.zones import (
    ZoneSet,
    ZoneUnknown,
    canonical_zone,
    resolve_zones,
    zones_for_address,
    zones_for_phone,
)

MIXED_AREA_CODES = "208 219 250 270 308 418 423 541 574 605 606 620 701 709 775 785 807 812 850 867 879 906 907 928 986"


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("+12025550123", "America/New_York"),
        ("+18505550123", "America/Chicago|America/New_York"),
        ("+19075550123", "America/Adak|America/Anchorage|America/Juneau|Pacific/Honolulu"),
        ("+16715550123", "Pacific/Guam"),
        ("+442079460123", "Europe/London"),
        ("+33199001234", "Europe/Paris"),
        ("+493023125123", "Europe/Berlin"),
        ("+61255501234", "Australia/Sydney"),
        ("+34600000000", "Atlantic/Canary|Europe/Madrid"),
        ("+919555012345", "Asia/Kolkata"),
        ("+525555501234", "America/Mexico_City"),
        ("+74012555123", "Europe/Kaliningrad"),
    ],
)
def test_a_number_has_the_zones_of_its_prefix(phone, key):
    assert zones_for_phone(phone).key == key


@pytest.mark.parametrize("area_code", MIXED_AREA_CODES.split())
def test_an_area_code_on_a_zone_border_has_both_sides_whatever_the_exchange(area_code):
    zones = zones_for_phone(f"+1{area_code}5550123")
    assert len(zones.names) > 1
    assert zones == zones_for_phone(f"+1{area_code}2340123")


@pytest.mark.parametrize(
    ("phone", "zone", "stand_in"),
    [
        ("+213551234567", "Africa/Algiers", "Europe/Paris"),
        ("+212650123456", "Africa/Casablanca", "Atlantic/Canary"),
        ("+35312345678", "Europe/Dublin", "Europe/London"),
    ],
)
def test_a_stand_in_with_another_summer_time_gives_way_to_the_countrys_own_zone(phone, zone, stand_in):
    names = zones_for_phone(phone).names
    assert zone in names
    assert stand_in not in names


def test_places_hidden_behind_a_neighbours_zone_are_counted_in():
    assert "Australia/Darwin" in zones_for_phone("+61855501234").names
    assert "Australia/Brisbane" in zones_for_phone("+61755501234").names
    assert "America/Punta_Arenas" in zones_for_phone("+56612212345").names


def test_a_mobile_of_a_wide_country_may_be_anywhere_in_it():
    names = zones_for_phone("+61491570156").names
    assert {"Australia/Perth", "Australia/Sydney", "Australia/Darwin", "Indian/Cocos"} <= set(names)
    assert "Asia/Jayapura" in zones_for_phone("+62812345678").names
    russia = set(zones_for_phone("+79161234567").names)
    assert {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Anadyr"} <= russia
    assert not {"Europe/Bucharest", "Asia/Almaty"} & russia


def test_a_toll_free_number_has_every_zone_of_its_plan():
    assert len(zones_for_phone("+18005550123").names) == 42


@pytest.mark.parametrize("phone", ["+870773111632", "+80012345678", "+", "+0", ""])
def test_a_number_of_no_country_has_no_zone(phone):
    assert zones_for_phone(phone) is None


def test_every_countrys_numbers_have_zones_that_exist():
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (0, 1):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            zones = zones_for_phone(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
            assert zones is not None, region
            for name in zones.names:
                assert canonical_zone(name) == name
                zoneinfo.ZoneInfo(name)


@pytest.mark.parametrize(
    ("country", "region", "key"),
    [
        ("IT", None, "Europe/Rome"),
        ("it", "", "Europe/Rome"),
        ("DE", "Bayern", "Europe/Berlin"),
        ("US", "NV", "America/Denver|America/Los_Angeles"),
        ("US", "New York", "America/New_York"),
        ("US", "US-ca", "America/Los_Angeles"),
        ("CA", "Québec", "America/Halifax|America/Puerto_Rico|America/Toronto"),
        ("AU", "QLD", "Australia/Brisbane"),
        ("BR", "São Paulo", "America/Sao_Paulo"),
        ("MX", "Sonora", "America/Hermosillo"),
    ],
)
def test_an_address_has_the_zones_of_its_state_or_of_a_country_with_one_zone(country, region, key):
    assert zones_for_address(country, region).key == key


@pytest.mark.parametrize(("country", "region"), [("US", None), ("US", "Atlantis"), ("CN", ""), ("XX", "NV")])
def test_an_address_that_does_not_decide_has_no_zones(country, region):
    assert zones_for_address(country, region) is None


def test_every_state_in_the_tables_names_zones_that_exist():
    for code in ["AK", "AL", "AZ", "CA", "FL", "HI", "ID", "IN", "KY", "MI", "ND", "NE", "OR", "SD", "TN", "TX"]:
        for name in zones_for_address("US", code).names:
            zoneinfo.ZoneInfo(name)


def test_the_row_wins_over_the_address_and_the_address_over_the_number():
    known = {"country": "US", "region": "CA", "phone": "+12025550123"}
    written = resolve_zones(explicit=" europe/rome ", **known)
    assert (written.zone_set.key, written.source) == ("Europe/Rome", "explicit")
    addressed = resolve_zones(explicit=" ", **known)
    assert (addressed.zone_set.key, addressed.source) == ("America/Los_Angeles", "address")
    numbered = resolve_zones(country="US", phone="+12025550123")
    assert (numbered.zone_set.key, numbered.source) == ("America/New_York", "phone")
    nowhere = resolve_zones(phone="+870773111632")
    assert (nowhere.zone_set, nowhere.source) == (None, "none")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Europe/Rome", "Europe/Rome"),
        ("america/new york", "America/New_York"),
        ("US/Pacific", "America/Los_Angeles"),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Europe/Stockholm", "Europe/Stockholm"),
        ("Etc/GMT-13", "Etc/GMT-13"),
        ("utc", "UTC"),
    ],
)
def test_a_written_zone_is_stored_under_its_present_name(written, stored):
    assert canonical_zone(written) == stored


@pytest.mark.parametrize(
    "written", ["EST", "MST", "Mars/Base", "GMT+2", "../../etc/passwd", "Etc/Unknown", "localtime"]
)
def test_a_written_zone_that_is_no_zone_is_refused_and_never_guessed_from_the_number(written):
    with pytest.raises(ZoneUnknown) as refused:
        resolve_zones(explicit=written, phone="+12025550123")
    assert refused.value.code == "unknown_time_zone"
    assert written not in str(refused.value)


def test_a_zone_set_is_sorted_unique_and_survives_its_key():
    zones = ZoneSet.of(["Europe/Rome", "America/New_York", "Europe/Rome"])
    assert zones.key == "America/New_York|Europe/Rome"
    assert ZoneSet.parse(zones.key) == zones
    for names in ((), ("b", "a"), ("a", "a")):
        with pytest.raises(ValueError, match="zone"):
            ZoneSet(names)
