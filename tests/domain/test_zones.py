"""Where a person may be: too wide costs opening hours, too narrow rings somebody at night."""

import zoneinfo

import phonenumbers
import pytest

from dialer.domain.postal_zones import zones_of_postal_code
from dialer.domain.prospect_rows import ProspectRow, ProspectText, read_prospect
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


@pytest.mark.parametrize(
    ("country", "postal_code", "key"),
    [
        ("US", "10001", "America/New_York"),
        ("US", "02138-1234", "America/New_York"),
        ("US", "73301", "America/Chicago"),
        ("US", " 8 9 1 0 1 ", "America/Los_Angeles"),
        ("US", "32456", "America/Chicago|America/New_York"),
        ("US", "83549", "America/Denver|America/Los_Angeles"),
        ("US", "96813", "Pacific/Honolulu"),
        ("US", "96799", "Pacific/Pago_Pago"),
        ("US", "00601", "America/Puerto_Rico"),
        ("us", "99546", "America/Adak|America/Anchorage"),
        ("CA", "k1a 0b1", "America/Toronto"),
        ("CA", "M5V", "America/Toronto"),
        ("CA", "V6B 1A1", "America/Vancouver"),
        ("CA", "A0P 1C0", "America/Halifax|America/St_Johns"),
        ("AU", "3000", "Australia/Sydney"),
        ("AU", "4000", "Australia/Brisbane"),
        ("AU", "2880", "Australia/Adelaide|Australia/Sydney"),
        ("BR", "01310-100", "America/Sao_Paulo"),
        ("BR", "69020-000", "America/Manaus"),
        ("MX", "77500", "America/Cancun"),
        ("RU", "690000", "Asia/Vladivostok"),
        ("ID", "80361", "Asia/Makassar"),
        ("ES", "35001", "Atlantic/Canary"),
        ("ES", "28001", "Europe/Madrid"),
        ("PT", "9500-321", "Atlantic/Azores"),
        ("PT", "9000", "Atlantic/Madeira"),
        ("FR", "75001", "Europe/Paris"),
        ("FR", "97400", "Indian/Reunion"),
        ("CL", "6200000", "America/Punta_Arenas"),
        ("IT", "00100", "Europe/Rome"),
    ],
)
def test_a_postal_code_tells_the_zones_of_its_area(country, postal_code, key):
    assert zones_for_address(country, None, postal_code).key == key


@pytest.mark.parametrize(
    ("country", "written", "meant"),
    [
        ("US", "2138", "02138"),
        ("US", "21381234", "02138"),
        ("US", "2138.0", "02138"),
        ("AU", "800", "0800"),
        ("BR", "1310100", "01310-100"),
        ("MX", "1000", "01000"),
        ("ES", "8001", "08001"),
    ],
)
def test_a_zero_that_a_spreadsheet_dropped_is_put_back(country, written, meant):
    assert zones_for_address(country, None, written) == zones_for_address(country, None, meant) is not None


@pytest.mark.parametrize(
    ("country", "postal_code"),
    [
        ("US", "09012"),
        ("US", "34001"),
        ("US", "601"),
        ("US", "K1A 0B1"),
        ("CA", "10001"),
        ("AU", "10001"),
        ("CA", "2138"),
    ],
)
def test_military_mail_and_codes_of_another_form_decide_nothing(country, postal_code):
    assert zones_for_address(country, None, postal_code) is None


@pytest.mark.parametrize(
    ("region", "postal_code", "key"),
    [
        ("NV", "89101", "America/Los_Angeles"),
        ("NV", "09012", "America/Denver|America/Los_Angeles"),
        ("Atlantis", "89101", "America/Los_Angeles"),
        ("NY", "90001", "America/Los_Angeles|America/New_York"),
    ],
)
def test_state_and_postal_code_narrow_each_other_and_both_count_where_they_disagree(region, postal_code, key):
    assert zones_for_address("US", region, postal_code).key == key


def test_every_postal_code_of_a_country_in_several_zones_has_zones_that_exist():
    for country, digits in {"US": 5, "AU": 4, "ES": 5, "MX": 5, "ID": 5, "FR": 5, "NZ": 4}.items():
        for code in range(0, 10**digits, 7):
            zones = zones_of_postal_code(country, f"{code:0{digits}}")
            for name in zones or ():
                assert canonical_zone(name) == name


def test_states_and_postal_codes_agree_on_where_a_state_is():
    known = {"CA": "90001", "NY": "10001", "TX": "75001", "AZ": "85001", "HI": "96801", "OH": "43001", "WA": "98001"}
    for state, postal_code in known.items():
        assert set(zones_of_postal_code("US", postal_code)) <= set(zones_for_address("US", state).names)


@pytest.mark.parametrize(
    ("fields", "region", "zones", "source"),
    [
        # The upload says where its numbers are from, and this one is from there.
        ({"phone": "(212) 555-0123", "postal_code": "90001"}, "US", "America/Los_Angeles", "address"),
        ({"phone": "(212) 555-0123", "region": "CA"}, "US", "America/Los_Angeles", "address"),
        ({"phone": "+12125550123", "region": "CA", "country": "US"}, None, "America/Los_Angeles", "address"),
        # A number from abroad: its address may be abroad too.
        ({"phone": "+442079460123", "postal_code": "90001"}, "US", "Europe/London", "phone"),
        ({"phone": "+14165550123", "region": "CA"}, "US", "America/Toronto", "phone"),
        # Nothing says which country's code this is.
        ({"phone": "+12125550123", "postal_code": "90001"}, None, "America/New_York", "phone"),
        # A country that we cannot read is not replaced by another.
        ({"phone": "+12125550123", "postal_code": "90001", "country": "Elbonia"}, "US", "America/New_York", "phone"),
        ({"phone": "+12125550123", "postal_code": "n/a"}, "US", "America/New_York", "phone"),
    ],
)
def test_an_address_without_a_country_counts_only_beside_a_number_of_the_uploads_country(fields, region, zones, source):
    row = read_prospect(ProspectText(row=2, fields=fields, variables={}, columns={}), default_region=region)
    assert isinstance(row, ProspectRow)
    assert (row.zone_set, row.zone_source) == (zones, source)


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
