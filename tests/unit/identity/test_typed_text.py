"""Invisible characters are dropped, deceptive ones refused, and new ones accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petitions.identity import typed_text
from petitions.identity.typed_text import has_forbidden_character, without_invisible

WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@pytest.mark.parametrize(
    "char",
    [
        "\u200b", "\u200e", "\u200f", "\u061c", "\ufeff", "\u00ad", "\u2060", "\u180e", "\u2064",
        "\u202a", "\u202b", "\u202c",  # embeddings, and their end
        "\u2066", "\u2067", "\u2068", "\u2069",  # isolates
        "\U000e0041", "\ufffc", "\u2800",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_nobody_sees_is_dropped(char: str) -> None:
    assert without_invisible(f"{char}Ami{char}na{char}") == "Amina"


@pytest.mark.parametrize(
    "char",
    [
        "\0", "\x07", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u202d", "\u202e",
        "\ue000", "\U000f0000", "\ud800", "\ufffe", "\U0003ffff", "\ufdd0",
    ],
    ids=ascii,
)  # fmt: skip
def test_control_override_and_private_characters_are_refused(char: str) -> None:
    assert has_forbidden_character(without_invisible(f"Ami{char}na"))


def test_the_mark_of_bytes_that_were_no_utf8_is_refused() -> None:
    assert has_forbidden_character(b"Ami\xffna".decode(errors="replace"))


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"], ids=ascii)
def test_the_joiners_that_persian_names_need_stay(joiner: str) -> None:
    name = f"فاطمه{joiner}سادات"

    assert without_invisible(name) == name
    assert not has_forbidden_character(name)


@pytest.mark.parametrize("char", ["\U0002ebf0", "\U0001fae9", "\U0003fffd"], ids=ascii)
def test_a_character_newer_than_the_interpreter_is_taken(char: str) -> None:
    assert without_invisible(f"李{char}") == f"李{char}"
    assert not has_forbidden_character(f"李{char}")


def test_a_flag_in_invisible_letters_goes_or_stays_whole() -> None:
    assert typed_text.without_flags(f"Siân {WALES}") == "Siân "
    assert typed_text.parts_by_flag(f"a{WALES}b") == ["a", WALES, "b"]


@given(st.text())
def test_what_is_left_after_dropping_is_left_by_dropping_again(text: str) -> None:
    assert without_invisible(without_invisible(text)) == without_invisible(text)
