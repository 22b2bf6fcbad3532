"""Further phones of the same person in columns of their own."""

import pytest

from dialer.domain.person_phones import Line
from tests.prospect_file.files import ANN, BOB, EVE, read


@pytest.mark.parametrize("header", ["phone_2", "Phone 2", "phone2", "Second Phone", "alternate phone", "Telefono2"])
def test_a_second_phone_is_known_by_its_header(header: str):
    shape, [row], errors = read(f"name,phone,{header}\nAnn,{ANN},{BOB}\n".encode())
    assert errors == []
    assert shape.mapping["phone_2"] == header
    assert (row.phone, row.other_phones) == (ANN, (Line(BOB),))
    assert row.variables == {}


def test_a_mapping_names_further_phones():
    data = f"tel,cell,office\n{ANN},{BOB},{EVE} ext. 12\n".encode()
    _, [row], _ = read(data, mapping={"phone": "tel", "phone_2": "office", "phone_3": "cell"})
    assert (row.phone, row.other_phones) == (ANN, (Line(EVE, "12"), Line(BOB)))


def test_another_kind_of_phone_is_no_second_one_unless_it_says_so():
    _, [row], _ = read(f"phone,mobile\n{ANN},{BOB}\n".encode())
    assert row.other_phones == ()
    assert row.variables == {"mobile": BOB}


def test_equal_phones_are_kept_once_and_the_first_one_filled_comes_first():
    data = f"phone,phone_2,phone_3,extension\n{ANN},{ANN},{BOB},5\n,{BOB},{EVE},5\n".encode()
    _, [first, second], errors = read(data)
    assert errors == []
    assert (first.phone, first.extension, first.other_phones) == (ANN, "5", (Line(BOB),))
    assert (second.phone, second.extension, second.other_phones) == (BOB, None, (Line(EVE),))


@pytest.mark.parametrize(
    ("second", "code"), [("ask Bob", "phone_not_a_number"), ("+19005550123", "phone_premium"), ("911", None)]
)
def test_a_bad_second_phone_fails_its_row_and_names_its_column(second: str, code: str | None):
    _, rows, [error] = read(f"phone,Phone 2\n{ANN},{second}\n{BOB},\n".encode(), default_region="US")
    assert [row.phone for row in rows] == [BOB]
    assert (error.row, error.column, error.value) == (2, "Phone 2", second)
    assert code is None or error.code == code


def test_a_person_is_where_any_of_their_numbers_may_be():
    _, [both, written], _ = read(
        b"phone,phone_2,zone\n+14155550100,+12125550100,\n+14155550101,+12125550101,America/Denver\n"
    )
    assert both.zone_set is not None
    assert {"America/Los_Angeles", "America/New_York"} <= set(both.zone_set.split("|"))
    assert both.zone_source == "phone"
    assert (written.zone_set, written.zone_source) == ("America/Denver", "explicit")


def test_a_number_that_tells_no_zone_leaves_the_person_without_one():
    _, [row], _ = read(b"phone,phone_2\n+14155550100,+870773111632\n")
    assert (row.zone_set, row.zone_source) == (None, "none")
