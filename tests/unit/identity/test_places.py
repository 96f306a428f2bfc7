"""Postcodes as people type them, and the list of all countries except the UK."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petitions.identity import residence
from petitions.identity.residence import canonical_postcode

INWARD = "ABDEFGHJLNPQRSTUWXYZ"
DIGITS = ["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９"]
# One of each format: A9, A99, AA9, AA99, A9A, AA9A, and the only exception.
REAL = ["M11AE", "M145RX", "CR26XH", "DN551PT", "W1A0AX", "EC1A1BB", "SW1A1AA", "GIR0AA"]

outward = st.one_of(
    st.from_regex(r"(?:[BEGLMNSW]|CR|DN|SW|EC|ZE)(?:[0-9]|[1-9][0-9])", fullmatch=True),
    st.from_regex(r"[BEGLMNSW][0-9][A-HJKPSTUW]", fullmatch=True),
    st.from_regex(r"(?:SW|EC|WC)[0-9][ABEHMNPRVWXY]", fullmatch=True),
)
postcodes = st.builds(
    "{}{}{}".format,
    outward.map(lambda code: code.translate(str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789"))),
    st.sampled_from(string.digits),
    st.text(alphabet=INWARD, min_size=2, max_size=2),
)


@pytest.mark.parametrize("postcode", REAL)
def test_every_uk_postcode_format_is_accepted(postcode: str) -> None:
    assert canonical_postcode(postcode) == postcode


@pytest.mark.parametrize(
    "typed",
    [
        "M14 5RX",
        "m14 5rx",
        "M145RX",
        " m 1 4 5 r x ",
        "M14\u00a05RX",
        "M14\t5RX\n",
        "M14-5RX",
        "M14–5RX",
        "M14.5RX",
        "M14 5RX.",
        "M14 5RX,",
        "(M14 5RX)",
        "“M14 5RX”",
        "M14/5RX",
        "\u202aM14 5RX\u202c",
        "\u2067M14 5RX\u2069",
        "M14\u200b5RX",
        "\ufeffM14 5RX",
        "M١٤ ٥RX",
        "M۱۴ ۵RX",
        "M१४ ५RX",
        "Ｍ１４　５ＲＸ",
        "M¹⁴ 5RX",
    ],
)
def test_postcodes_are_normalised_for_spacing_case_and_digits(typed: str) -> None:
    assert canonical_postcode(typed) == "M145RX"


@given(
    postcodes, st.sampled_from(["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "０１２３４５６７８９"])
)
def test_a_postcode_in_non_latin_digits_is_normalised(postcode: str, digits: str) -> None:
    typed = postcode.lower().translate(str.maketrans(string.digits, digits))

    assert canonical_postcode(typed) == postcode


@given(postcodes)
def test_a_postcode_with_a_space_is_normalised(postcode: str) -> None:
    assert canonical_postcode(f"{postcode[:-3]} {postcode[-3:]}") == postcode


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "M14",
        "M14 5R",
        "M14 5RXX",
        "M14 RX5",
        "14 5RX",
        "MMM1 5RX",
        "Q14 5RX",
        "V1 1AA",
        "X1 1AA",
        "AI1 1AA",
        "AJ1 1AA",
        "AZ1 1AA",
        "ZZ1 1AA",
        "M14 5R0",
        "BFPO",
        "EC1C 1BB",
        "M14 5CX",
        "M14 5RV",
        "M145 5RX",
        "12345",
        "SW1A 1AA; DROP TABLE",
        "M14 5RX M14 5RX",
        "М14 5RX",  # the first letter is Cyrillic
        "M14\u202e5RX",
        "M14\x005RX",
        "M14 5RX\ud800",
        "ⅯXIV 5RX",
        "M፩፬ 5RX9",
    ],
    ids=ascii,
)
def test_an_invalid_postcode_raises_an_error_that_does_not_contain_it(typed: str) -> None:
    with pytest.raises(residence.NotAPostcode) as refusal:
        canonical_postcode(typed)

    assert str(refusal.value) == ""


@given(st.text(max_size=20))
def test_any_text_is_read_as_a_normalised_postcode_or_refused(typed: str) -> None:
    try:
        stored = canonical_postcode(typed)
    except residence.NotAPostcode:
        return
    assert canonical_postcode(stored) == stored
    assert stored.isascii()
    assert 5 <= len(stored) <= 8


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("W1A OAA", "W1A 0AA"), ("SWIA IAA", "SW1A 1AA"), ("0X1 2JD", "OX1 2JD"),
        ("Ll 8JQ", "L1 8JQ"), ("M1I 1AA", "M11 1AA"), ("S014 0AA", "SO14 0AA"),
        ("S01 4AB", "SO1 4AB"), ("M01 2AB", "M1 2AB"), ("CB01 2AB", "CB1 2AB"),
        ("ECIA lBB", "EC1A 1BB"), ("M14 SRX", "M14 5RX"), ("M1A ZRX", "M1A 2RX"),
        ("ECIA BBB", "EC1A 8BB"), ("5W1A 1AA", "SW1A 1AA"),
        ("BFP0 6I", "BFPO 61"), ("1P1 2AB", "IP1 2AB"), ("M14 SGB", "M14 5GB"),
        ("M14 5RX, UK", "M14 5RX"), ("W1A OAA England", "W1A 0AA"), ("SW1A 1AA (GB)", "SW1A 1AA"),
        ("Postcode: M14 5RX", "M14 5RX"), ("Cod post CF10 1AA", "CF10 1AA"),
    ],
)  # fmt: skip
def test_a_corrected_postcode_is_recognised_as_not_read_as_typed(typed: str, meant: str) -> None:
    postcode = canonical_postcode(typed)

    assert residence.spaced(postcode) == meant
    assert not residence.is_read_as_typed(typed, postcode)


@pytest.mark.parametrize("typed", ["m14 5rx", "(M١٤ ٥RX),", "\u202aM14 5RX\u202c", "bfpo 61"])
def test_a_postcode_with_other_spacing_or_case_counts_as_read_as_typed(typed: str) -> None:
    assert residence.is_read_as_typed(typed, canonical_postcode(typed))


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("BFPO 61", "BFPO 61"), ("bfpo61", "BFPO 61"), ("BFPO-5", "BFPO 5"),
        ("B.F.P.O. 1234", "BFPO 1234"), ("BF1 2AB", "BF1 2AB"),
    ],
)  # fmt: skip
def test_bfpo_postcodes_are_accepted(typed: str, written: str) -> None:
    assert residence.spaced(canonical_postcode(typed)) == written


@pytest.mark.parametrize(
    ("typed", "country"),
    [
        ("GX11 1AA", "GI"), ("gx111aa,", "GI"), ("GXII IAA", "GI"), ("JE2 3AB", "JE"),
        ("JE2 4O0", ""), ("GY1 1AA", "GG"), ("IM1 1AF", "IM"), ("FIQQ 1ZZ", "FK"),
        ("STHL 1ZZ", "SH"), ("TKCA 1ZZ", "TC"), ("KY1-1100", "KY"), ("D02 AF30", "IE"),
        ("D6W XY00", "IE"), ("AI-2640", "AI"), ("SIQQ 1ZZ", "GS"), ("BBND 1ZZ", "IO"),
    ],
)  # fmt: skip
def test_postcodes_of_other_countries_are_refused_with_their_country(
    typed: str, country: str
) -> None:
    with pytest.raises(residence.NotAPostcode) as refusal:
        canonical_postcode(typed)

    assert getattr(refusal.value, "country", "") == country
    assert not country or country in dict(residence.countries("en"))


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_every_language_has_a_name_for_the_same_countries(language: str) -> None:
    codes = {code for code, _name in residence.countries("en")}
    listed = residence.countries(language)

    assert {code for code, _name in listed} == codes
    assert len(listed) == len(codes)
    assert all(name and name != code for code, name in listed)


def test_the_list_of_countries_does_not_include_the_uk() -> None:
    assert "GB" not in dict(residence.countries("en"))


def test_the_list_of_countries_includes_those_of_signers_and_no_codes_in_error() -> None:
    listed = dict(residence.countries("en"))

    assert {"SY", "TR", "JO", "LB", "IQ", "DE", "PS", "XK", "TW", "IE", "JE", "US"} <= set(listed)
    assert not {"EU", "UN", "ZZ", "QO", "UK"} & set(listed)


@pytest.mark.parametrize(
    ("language", "first", "last"),
    [("en", "Afghanistan", "Zimbabwe"), ("cy", "Afghanistan", "Zimbabwe")],
)
def test_the_list_of_countries_is_sorted_by_name(language: str, first: str, last: str) -> None:
    listed = [name for _code, name in residence.countries(language)]

    assert (listed[0], listed[-1]) == (first, last)


def test_sorting_countries_ignores_accents_and_the_arabic_article() -> None:
    english = [name for _code, name in residence.countries("en")]
    arabic = [name for _code, name in residence.countries("ar")]

    assert english.index("Åland Islands") < english.index("Albania")
    assert english.index("Côte d’Ivoire") < english.index("Croatia")
    assert arabic.index("الأردن") < arabic.index("تركيا")


def test_country_names_are_translated_and_unknown_codes_returned_unchanged() -> None:
    assert residence.country_name("JO", "en") == "Jordan"
    assert residence.country_name("JO", "ar") == "الأردن"
    assert residence.country_name("ZQ", "cy") == "ZQ"
