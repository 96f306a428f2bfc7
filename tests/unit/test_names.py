"""Names are taken in any script, compared kindly, and hold nothing that deceives."""

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from petitions.identity import names
from petitions.identity.names import folded, tidy

PEOPLE = [
    "Amina Example",
    "أمينة عبد الرحمن",
    "محمّد الأحمد",
    "فاطمه\u200cسادات",
    "Siân Llŷr-Ťhomas",
    "Nguyễn Thị Minh Khai",
    "D’Arcy O'Brien, Jr.",
    "Dr. J.R.R. Example",
    "Şêrko Çîya",
    "Олександр Ґжицький",
    "Ἀλέξανδρος",
    "שָׁלוֹם",
    "अर्जुन शर्मा",
    "แสงดาว",
    "山田 花子",
    "김민준",
    "Ⴀⴋⴈⴌⴀ",
    "ᏣᎳᎩ",
    "𞤀𞤣𞤤𞤢𞤥",
    "X",
]


@pytest.mark.parametrize("name", PEOPLE)
def test_a_name_in_any_script_is_taken(name: str) -> None:
    assert not names.has_forbidden_character(name)
    assert not names.looks_like_a_link(name)
    assert names.has_a_letter(name)
    assert names.folded(name)


def test_a_name_of_two_hundred_characters_is_taken() -> None:
    assert tidy("é" * names.MAX_NAME) == "é" * 200


@pytest.mark.parametrize(
    "char",
    [
        "\0", "\x07", "\n", "\r", "\t", "\x1b", "\x7f", "\x85",
        "\u202a", "\u202b", "\u202c", "\u202d", "\u202e",  # embeddings and overrides
        "\u2066", "\u2067", "\u2068", "\u2069",  # isolates
        "\u200b", "\u200e", "\u200f", "\u061c", "\ufeff", "\u00ad", "\u2060",
        "\ue000", "\U000f0000", "\ud800", "\ufffe", "\U000e0041",
    ],
    ids=ascii,
)  # fmt: skip
def test_control_direction_override_and_private_characters_are_refused(char: str) -> None:
    assert names.has_forbidden_character(f"Ami{char}na")


def test_the_mark_of_bytes_that_were_no_utf8_is_refused() -> None:
    assert names.has_forbidden_character(b"Ami\xffna".decode(errors="replace"))


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"], ids=ascii)
def test_the_joiners_that_persian_names_need_are_no_control_characters(joiner: str) -> None:
    assert not names.has_forbidden_character(f"فاطمه{joiner}سادات")


@pytest.mark.parametrize(
    "name",
    [
        "https://example.org/x",
        "Buy at www.example",
        "example.com",
        "Amina evil.co.uk",
        "EXAMPLE.ORG",
        "bit.ly/abc",
        "t.me/abc",
        "cheap-pills.shop/now",
        "see shop.xyz now",
        "ftp://x",
    ],
)
def test_a_name_that_carries_a_web_address_is_refused(name: str) -> None:
    assert names.looks_like_a_link(name)


@pytest.mark.parametrize("name", ["J. Community", "M.A. Orgad", "St.Clair", "A.B.Comrie", "a/b"])
def test_initials_and_full_stops_are_no_web_address(name: str) -> None:
    assert not names.looks_like_a_link(name)


@pytest.mark.parametrize(
    "blank",
    [
        "", " ", "123", "...", "\u200d", "👍", "\u0301", "\u2800",
        "\u3164", "\u115f\u1160", "\uffa0", "\ufe0f", "\u034f", "ـ",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_shows_no_letter_is_no_name(blank: str) -> None:
    assert not names.has_a_letter(blank)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Amina   Example ", "Amina Example"),
        ("Amina\u00a0\u3000Example\u2028", "Amina Example"),
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("أمينة", "أمينة"),
    ],
)
def test_a_name_is_stored_in_one_form_with_single_spaces(typed: str, stored: str) -> None:
    assert tidy(typed) == stored


@given(st.text())
@example(" \u0301")
@example("a \u3099")
def test_tidying_twice_changes_nothing_more(name: str) -> None:
    assert tidy(tidy(name)) == tidy(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Amina Example", "amina  EXAMPLE"),
        ("Amélie", "Amelie"),
        ("Am\u00e9lie", "Ame\u0301lie"),
        ("Siân Llŷr", "SIAN LLYR"),
        ("Nguyễn Thị", "nguyen thi"),
        ("O'Brien", "O’Brien"),
        ("O`Brien", "OBrien"),
        ("Anne-Marie", "Anne Marie"),
        ("Straße", "STRASSE"),
        ("أمينة", "امينة"),
        ("مُحَمَّد", "محمد"),
        ("محمـــد", "محمد"),
        ("فاطمه\u200cسادات", "فاطمه سادات"),
        ("Işık Yılmaz", "IŞIK YILMAZ"),
        ("İbrahim", "ibrahim"),
        ("Łukasz Gądek", "Lukasz Gadek"),
        ("Søren Đorđe", "Soren Dorde"),
        ("ＡＭＩＮＡ", "Amina"),
        ("Anna\ufe0f ❤", "Anna"),
        ("Олексій", "ОЛЕКСІИ"),
        ("がき", "か\u3099き"),
        ("김민준", unicodedata.normalize("NFD", "김민준")),
    ],
)
def test_case_spacing_and_accents_make_no_other_person(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Amina", "Aminah"),
        ("Ann", "Anne"),
        ("John Smith 1", "John Smith 2"),
        ("علي", "عالي"),
        ("かき", "がき"),
        ("はは", "ぱぱ"),
        ("สุดา", "สูดา"),
        ("कर्म", "करम"),
        ("कमल", "कमला"),
        ("అన", "అన్"),
        ("김민준", "김민주"),
        # The first letter of the second one is Cyrillic.
        ("Amina", "\u0410mina"),
    ],
)
def test_names_that_are_spelt_differently_are_two_people(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@given(st.text(max_size=30))
def test_composed_and_decomposed_spellings_are_one_person(name: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))

    assert folded(composed) == folded(decomposed) == folded(tidy(name))


@given(st.text(alphabet=st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=20))
def test_a_name_in_capitals_is_the_same_person(name: str) -> None:
    # Greek's iota below a vowel is a mark in small letters and a letter in capitals.
    assume("\u0345" not in unicodedata.normalize("NFD", name + name.upper()))

    assert folded(name.upper()) == folded(name)


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=1))
def test_a_name_with_letters_never_folds_to_nothing(name: str) -> None:
    assume(names.has_a_letter(name))

    assert folded(name)
