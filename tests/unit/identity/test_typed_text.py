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
def test_invisible_characters_are_removed(char: str) -> None:
    assert without_invisible(f"{char}Ami{char}na{char}") == "Amina"


@pytest.mark.parametrize(
    "char",
    [
        "\0", "\x07", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u202d", "\u202e",
        "\ue000", "\U000f0000", "\ud800", "\ufffe", "\U0003ffff", "\ufdd0",
    ],
    ids=ascii,
)  # fmt: skip
def test_control_bidi_override_and_private_use_characters_are_forbidden(char: str) -> None:
    assert has_forbidden_character(without_invisible(f"Ami{char}na"))


def test_the_unicode_replacement_character_is_forbidden() -> None:
    assert has_forbidden_character(b"Ami\xffna".decode(errors="replace"))


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"], ids=ascii)
def test_zero_width_joiners_in_names_are_kept(joiner: str) -> None:
    name = f"فاطمه{joiner}سادات"

    assert without_invisible(name) == name
    assert not has_forbidden_character(name)


@pytest.mark.parametrize("char", ["\U0002ebf0", "\U0001fae9", "\U0003fffd"], ids=ascii)
def test_unassigned_code_points_are_accepted(char: str) -> None:
    assert without_invisible(f"李{char}") == f"李{char}"
    assert not has_forbidden_character(f"李{char}")


def test_flag_emoji_sequences_are_handled_as_a_whole() -> None:
    assert typed_text.without_flags(f"Siân {WALES}") == "Siân "
    assert typed_text.parts_by_flag(f"a{WALES}b") == ["a", WALES, "b"]


@given(st.text())
def test_removing_invisible_characters_is_idempotent(text: str) -> None:
    assert without_invisible(without_invisible(text)) == without_invisible(text)
