"""Names: any script, tolerant comparison, and no deceptive characters."""

import time
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from petitions.identity import names
from petitions.identity.names import folded, tidy
from petitions.identity.typed_text import has_forbidden_character, without_invisible

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
def test_names_in_any_script_are_accepted(name: str) -> None:
    assert not has_forbidden_character(without_invisible(name))
    assert not names.looks_like_a_link(name)
    assert names.has_a_letter(name)
    assert names.folded(name)


def test_the_maximum_name_length_is_200_characters() -> None:
    assert tidy("é" * names.MAX_NAME) == "é" * 200


@pytest.mark.parametrize(
    "name",
    [
        "https://example.org/x", "http:example", "ftp://x", "Buy at www.example", "WWW.EXAMPLE.ORG",
        "example.com", "EXAMPLE.ORG", "evil.co.uk", "my-shop.xyz", "a.b.example.net",
        "bit.ly/abc", "t.me/abc", "cheap-pills.shop/now", "see example.com/x now",
        "ｗｗｗ．ｅｖｉｌ．ｃｏｍ", "evil。com", "ｈｔｔｐ：evil",
    ],
)  # fmt: skip
def test_web_addresses_in_a_name_are_recognised(name: str) -> None:
    assert names.looks_like_a_link(name)


@pytest.mark.parametrize(
    "name",
    [
        "J.Smith/M.Jones", "Dr.Co", "J. Community", "M.A. Orgad", "St.Clair", "A.B.Comrie", "a/b",
        "Dr.Io", "Prof.Ru", "J.Li/M.Wu", "j.smith/m.jones", "Anna Smith/Ben Co", "J.Com", "St.Me",
        "M.Orgill", "c/o J.Info",
    ],
)  # fmt: skip
def test_initials_titles_and_joint_names_are_not_web_addresses(name: str) -> None:
    assert not names.looks_like_a_link(name)


@pytest.mark.parametrize(
    "name", ["amina@example.org", "Amina <amina@example.org>", "Amina amina@mail.example.org"]
)
def test_an_email_address_in_a_name_is_recognised(name: str) -> None:
    assert names.looks_like_an_address(name)
    assert not names.looks_like_an_address("Amina @ home")


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>", "Robert'); DROP TABLE--", "</b>", "<img src=x onerror=y>",
        "' or 1=1", "x'; select 1", "{{7*7}}", "${jndi:ldap}", "#{x}", "{% now %}",
        '=HYPERLINK("x")', "=cmd|' /C calc'!A0", "javascript:alert(1)", "&lt;b&gt;",
        "Amina evil.co.uk", "Buy at pills.shop now", "1 UNION SELECT name", "＜script＞alert(1)",
        "Amina ｅｖｉｌ．com",
    ],
)  # fmt: skip
def test_markup_and_code_in_a_name_are_recognised(name: str) -> None:
    assert names.holds_markup(name)


@pytest.mark.parametrize(
    "name",
    [
        *PEOPLE, "Anna & Ben", "O'Brien; Jones", "Anna (Ben)", "I <3 peace", "Anna -- Ben", "J.Co",
        "D'Or", "Marks 'n' Sons", "Robert 'Bob' Orr", "50% Anna", "Anna+Ben", "-Anna", "O'Drop",
        "Selecta Table", "'Abd al-Rahman", "Sa'id or Sayyid",
    ],
)  # fmt: skip
def test_real_names_are_not_mistaken_for_code(name: str) -> None:
    assert not names.holds_markup(name)


def test_unassigned_code_points_count_as_letters_in_names() -> None:
    new = "\U0003fffd"  # in no version of Unicode so far

    assert unicodedata.category(new) == "Cn"
    assert names.has_a_letter(new)
    assert folded(f"李{new}") != folded("李")
    assert not has_forbidden_character(f"李{new}")


@pytest.mark.parametrize(
    "blank",
    [
        "", " ", "123", "...", "\u200d", "👍", "\u0301", "\u2800",
        "\u3164", "\u115f\u1160", "\uffa0", "\ufe0f", "\u034f", "ـ",
    ],
    ids=ascii,
)  # fmt: skip
def test_text_without_a_visible_letter_is_not_a_name(blank: str) -> None:
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
def test_names_are_normalised_to_nfc_with_single_spaces(typed: str, stored: str) -> None:
    assert tidy(typed) == stored


@given(st.text())
@example(" \u0301")
@example("a \u3099")
def test_tidying_a_name_is_idempotent(name: str) -> None:
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
def test_folded_names_ignore_case_spacing_and_accents(one: str, other: str) -> None:
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
        # The first letter of the second name is Cyrillic.
        ("Amina", "\u0410mina"),
    ],
)
def test_folded_names_differ_for_different_spellings(one: str, other: str) -> None:
    assert folded(one) != folded(other)


@given(st.text(max_size=30))
def test_folded_names_are_equal_in_nfc_and_nfd(name: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))

    assert folded(composed) == folded(decomposed) == folded(tidy(name))


@given(st.text(alphabet=st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=20))
def test_folded_names_ignore_capital_letters(name: str) -> None:
    # The Greek iota below a vowel is a mark in lower case and a letter in capitals.
    assume("\u0345" not in unicodedata.normalize("NFD", name + name.upper()))

    assert folded(name.upper()) == folded(name)


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=1))
def test_a_name_with_a_letter_never_folds_to_empty_text(name: str) -> None:
    assume(names.has_a_letter(name))

    assert folded(name)


def test_comparing_two_maximum_length_names_takes_under_a_second() -> None:
    """Names have the form's maximum length, with ligatures that fold to 15 and to 7 letters."""
    began = time.process_time()
    names.is_spelling_of("\ufdfa" * 200, "\ufdfb" * 200)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "other", "is_one"),
    [
        ("Amnia Exmaple", "Amina Example", True),
        ("Amina", "Amina Example", True),
        ("Amina Example", "Bob Smith", False),
        ("Amina Example " * 14, "Amina Exmaple " * 14, True),
    ],
)
def test_is_spelling_of_recognises_misspellings_of_a_name(
    name: str, other: str, is_one: bool
) -> None:
    assert names.is_spelling_of(name, other) is is_one
