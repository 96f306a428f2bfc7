"""Numbers and durations in the reader's language."""

from datetime import timedelta

import pytest
from django.utils import translation

from petitions.formatting.languages import days, grouped, hours, minutes


@pytest.mark.parametrize(
    ("language", "number", "written"),
    [
        ("en", 1284, "1,284"),
        ("cy", -1284, "-1,284"),
        ("ar", 1284, "1,284"),
        # The mark keeps the minus sign before its number in right-to-left text.
        ("ar", -1284, "\u200e-1,284"),
    ],
)
def test_numbers_are_grouped_with_a_leading_sign_in_every_language(
    language: str, number: int, written: str
) -> None:
    with translation.override(language):
        assert grouped(number) == written


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", {1: "1 day", 2: "2 days", 14: "14 days", 183: "183 days"}),
        (
            # In Arabic, one and two are written as words after a preposition.
            "ar",
            {
                1: "يوم واحد", 2: "يومين", 3: "3 أيام", 14: "14 يومًا", 100: "100 يوم",
                101: "101 يوم", 102: "102 يوم", 183: "183 يومًا",
            },
        ),
        ("cy", {1: "1 diwrnod", 2: "2 ddiwrnod", 3: "3 diwrnod", 14: "14 diwrnod"}),
    ],
)  # fmt: skip
def test_days_use_the_right_plural_form_in_every_language(
    language: str, written: dict[int, str]
) -> None:
    with translation.override(language):
        assert {n: days(n) for n in written} == written


@pytest.mark.parametrize(
    ("language", "hour", "two", "minute", "five"),
    [
        ("en", "one hour", "2 hours", "1 minute", "5 minutes"),
        ("ar", "ساعة واحدة", "ساعتين", "دقيقة واحدة", "5 دقائق"),
        ("cy", "awr", "2 awr", "1 munud", "5 munud"),
    ],
)
def test_hours_and_minutes_use_the_right_plural_form_in_every_language(
    language: str, hour: str, two: str, minute: str, five: str
) -> None:
    with translation.override(language):
        assert hours(timedelta(hours=1)) == hour
        assert hours(timedelta(hours=2)) == two
        assert minutes(timedelta(minutes=1)) == minute
        assert minutes(timedelta(seconds=300)) == five


def test_two_minutes_are_mutated_in_welsh() -> None:
    with translation.override("cy"):
        assert minutes(timedelta(minutes=2)) == "2 funud"
