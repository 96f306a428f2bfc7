"""Numbers as the reader's language has them."""

import pytest
from django.utils import translation

from petitions.languages import grouped


@pytest.mark.parametrize(
    ("language", "number", "written"),
    [
        ("en", 1284, "1,284"),
        ("cy", -1284, "-1,284"),
        ("ar", 1284, "1,284"),
        # The mark keeps the sign before its number among words that run from right to left.
        ("ar", -1284, "\u200e-1,284"),
    ],
)
def test_numbers_are_grouped_and_keep_their_sign_before_them(
    language: str, number: int, written: str
) -> None:
    with translation.override(language):
        assert grouped(number) == written
