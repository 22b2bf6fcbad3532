"""Phone numbers as people write them. All numbers lie in ranges reserved for fiction, or cannot exist."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.domain.phones import Phone, PhoneRefused, parse_phone

LONDON = "+442079460123"
WASHINGTON = "+12025550123"


@pytest.mark.parametrize(
    ("written", "region"),
    [
        (LONDON, None),
        ("+44 20 7946 0123", None),
        ("+44 (0)20 7946 0123", None),
        ("020 7946 0123", "GB"),
        ("020 7946 0123", " gb "),
        ("442079460123", "GB"),
        ("0044 20 7946 0123", "US"),
        ("0044 20 7946 0123", None),
        ("011 44 20 7946 0123", "US"),
        ("011 44 20 7946 0123", None),
        ("tel:+44-20-7946-0123", None),
        ("Tel. +44 20 7946 0123", None),
        ("'+442079460123", None),
        ('="+442079460123"', None),
        ("=+442079460123", None),
        ("\ufeff+44\u00a020\u00a07946\u00a00123", None),
        ("\u202a+442079460123\u202c", None),
        ("\uff0b\uff14\uff14\uff12\uff10\uff17\uff19\uff14\uff16\uff10\uff11\uff12\uff13", None),
        ("\u0660\u0662\u0660 \u0667\u0669\u0664\u0666 \u0660\u0661\u0662\u0663", "GB"),
        ("442079460123.0", "GB"),
        ("4.42079460123E+11", "GB"),
        ("4,42079460123e11", "GB"),
    ],
)
def test_every_spelling_of_a_number_gives_the_same_e164(written, region):
    phone = parse_phone(written, region)
    assert (phone.e164, phone.region, phone.inferred) == (LONDON, "GB", False)


@pytest.mark.parametrize("region", [None, "US", "XX", ""])
def test_a_full_number_without_its_plus_is_accepted_and_marked_as_inferred(region):
    assert parse_phone("442079460123", region) == Phone(e164=LONDON, extension=None, region="GB", inferred=True)


@pytest.mark.parametrize("written", ["+1 202 555 0123 ext. 45", "+1 202-555-0123x45", "tel:+12025550123;ext=45"])
def test_an_extension_is_kept_apart_from_the_number(written):
    phone = parse_phone(written, None)
    assert (phone.e164, phone.extension) == (WASHINGTON, "45")


def test_a_vanity_number_is_read_and_marked_as_inferred():
    phone = parse_phone("1-800-FLOWERS", "US")
    assert (phone.e164, phone.inferred) == ("+18003569377", True)


@pytest.mark.parametrize(
    ("written", "region", "code"),
    [
        ("", "US", "phone_missing"),
        (" N/A ", "US", "phone_missing"),
        ("nan", "US", "phone_missing"),
        ("+abc", "US", "phone_not_a_number"),
        ("ask at reception", "US", "phone_not_a_number"),
        ("Ann 2025550123", "US", "phone_not_a_number"),
        ("2025550123 Ann", "US", "phone_not_a_number"),
        ("202555 John", "US", "phone_not_a_number"),
        ("+" * 5000, "US", "phone_not_a_number"),
        ("1" * 5000, "US", "phone_not_a_number"),
        ("\0+12025550123", "US", "phone_not_a_number"),
        ("4.42079E+11", "GB", "phone_digits_lost"),
        ("4.420794E+11", "GB", "phone_digits_lost"),
        ("4.4E+99", "GB", "phone_digits_lost"),
        ("+442079460123/+442079460124", None, "phone_several"),
        ("2025550123 or 2025550124", "US", "phone_several"),
        ("+442079460123; +442079460124", None, "phone_several"),
        ("2025550123", None, "phone_no_country"),
        ("020 7946 0123", "US", "phone_wrong_country"),
        ("7700900123", "US", "phone_wrong_country"),
        ("+1 202 555", None, "phone_too_short"),
        ("555-0123", "US", "phone_too_short"),
        ("+1202555012345678", None, "phone_too_long"),
        ("+12025550123456", None, "phone_too_long"),
        ("+1 000 000 0000", None, "phone_invalid"),
        ("+999123456789", None, "phone_invalid"),
        ("911", "US", "phone_emergency"),
        ("112", "US", "phone_emergency"),
        ("112", None, "phone_emergency"),
        ("999", "GB", "phone_emergency"),
        ("+1911", None, "phone_too_short"),
        ("116123", "GB", "phone_short"),
        ("+1 900 555 0123", None, "phone_premium"),
        ("0909 8790 123", "GB", "phone_premium"),
        ("+49 180 1 123456", None, "phone_shared_cost"),
    ],
)
def test_what_cannot_be_dialed_is_refused_with_its_reason(written, region, code):
    with pytest.raises(PhoneRefused) as refused:
        parse_phone(written, region)
    assert refused.value.code == code
    assert refused.value.message
    assert refused.value.suggestion


def test_no_message_repeats_the_number():
    for written in ("+1 202 555", "+999123456789", "2025550123", "+19005550123"):
        with pytest.raises(PhoneRefused) as refused:
            parse_phone(written, None)
        digits = "".join(sign for sign in written if sign.isdecimal())
        told = "".join(sign for sign in str(refused.value) if sign.isdecimal())
        assert digits not in told


def test_a_national_number_that_begins_like_an_exit_code_stays_national():
    assert parse_phone("011 402 3000", "ZA").e164 == "+27114023000"


@given(text=st.text(max_size=40), region=st.sampled_from([None, "US", "GB", "IT", "BR"]))
def test_any_text_is_a_number_or_is_refused(text, region):
    try:
        phone = parse_phone(text, region)
    except PhoneRefused:
        return
    assert parse_phone(phone.e164, None).e164 == phone.e164


@given(
    region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)),
    kind=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7]),
    tail=st.text(alphabet="0123456789", max_size=5),
)
def test_the_quick_way_for_clean_numbers_agrees_with_the_parser(region, kind, tail):
    example = phonenumbers.example_number_for_type(region, kind)
    if example is None:
        return
    whole = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    written = whole[: len(whole) - len(tail)] + tail
    try:
        number = phonenumbers.parse(written)
    except phonenumbers.NumberParseException:
        number = phonenumbers.PhoneNumber()
    costly = (phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST)
    dialable = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) not in costly
    try:
        phone = parse_phone(written, None)
    except PhoneRefused:
        assert not dialable
    else:
        assert dialable
        assert phone.e164 == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert phone.region == (phonenumbers.region_code_for_number(number) or "001")


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str | None]:
    """An example of a country, some of its digits changed, as people there or abroad write it, and a default region."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6])))
    number = example or phonenumbers.example_number(region)
    text = phonenumbers.format_number(number, draw(st.sampled_from([0, 1, 2])))
    tail = draw(st.text(alphabet="0123456789", max_size=4))
    text = text[: len(text) - len(tail)] + tail
    head = draw(st.sampled_from(["", "", "", "0", "1", "8", "00", "011", "(", "+"]))
    sign = draw(st.sampled_from(["", "", " ", "-", ".", "(", ")", "/"]))
    place = draw(st.integers(0, len(text)))
    return head + text[:place] + sign + text[place:], draw(st.sampled_from([None, region, region, "US", "IT", "BR"]))


def judged(text: str, region: str | None) -> Phone | str:
    try:
        return parse_phone(text, region)
    except PhoneRefused as refused:
        return refused.code


@given(written=spelled())
def test_the_quick_way_for_plain_numbers_agrees_with_the_careful_one(written):
    text, region = written
    # A sign that cannot be seen, which is left out, is enough of a riddle for the careful way.
    assert judged(text, region) == judged("\u200b" + text, region)
