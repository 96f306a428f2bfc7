"""The closing time in everyday words: midnight belongs to the day that ends."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone, translation

from petitions.formatting.languages import closing, last_day
from petitions.models import Petition

LONDON = ZoneInfo("Europe/London")
PATHS = {
    "en": "/petitions/protect/",
    "ar": "/ar/petitions/protect/",
    "cy": "/cy/petitions/protect/",
}


@pytest.mark.parametrize(
    ("closes", "language", "said"),
    [
        ((2026, 6, 1, 0, 0), "en", "at the end of 31 May 2026 (midnight)"),
        ((2026, 6, 1, 0, 0), "ar", "عند نهاية يوم 31 أيار/مايو 2026 (منتصف الليل)"),
        ((2026, 6, 1, 0, 0), "cy", "ar ddiwedd 31 Mai 2026 (hanner nos)"),
        ((2027, 1, 1, 0, 0), "en", "at the end of 31 December 2026 (midnight)"),
        ((2026, 5, 31, 23, 59), "en", "on 31 May 2026 at 23:59, London time"),
        ((2026, 6, 1, 0, 1), "en", "on 1 June 2026 at 00:01, London time"),
        ((2026, 6, 1, 17, 30), "cy", "ar 1 Mehefin 2026 am 17:30, amser Llundain"),
        # The clocks went back that morning. Midnight in winter time still ends the day before.
        ((2026, 10, 26, 0, 0), "en", "at the end of 25 October 2026 (midnight)"),
    ],
)
def test_a_close_at_midnight_is_the_end_of_the_day_before(
    closes: tuple[int, ...], language: str, said: str
) -> None:
    moment = datetime(*closes, tzinfo=LONDON)  # type: ignore[misc, arg-type]

    with translation.override(language):
        assert closing(moment) == said


def test_midnight_in_utc_is_not_midnight_in_london() -> None:
    assert str(last_day(datetime(2026, 6, 1, 0, 0, tzinfo=ZoneInfo("UTC")))) == "2026-06-01"


@pytest.mark.parametrize(
    ("language", "ends"),
    [("en", "Signing ends at"), ("ar", "ينتهي التوقيع"), ("cy", "Daw’r llofnodi i ben")],
)
def test_an_open_petition_shows_its_closing_time(
    petition: Petition, language: str, ends: str
) -> None:
    assert ends not in Client().get(PATHS[language]).content.decode()
    year = timezone.localdate().year + 2
    petition.closes_at = datetime(year, 6, 1, tzinfo=LONDON)
    petition.save()

    for path in (PATHS[language], PATHS[language].removesuffix("protect/")):
        page = Client().get(path).content.decode()
        assert ends in page, path
        with translation.override(language):
            assert closing(petition.closes_at) in page


def test_a_petition_closed_at_midnight_shows_the_previous_day(
    petition: Petition,
) -> None:
    year = timezone.localdate().year - 1
    petition.opens_at = datetime(year, 1, 1, tzinfo=LONDON)
    petition.save()
    Petition.objects.update(closes_at=datetime(year, 6, 1, tzinfo=LONDON))

    page = Client().get(PATHS["en"]).content.decode()

    assert f"It closed at the end of 31 May {year} (midnight)." in page
    assert f'<time datetime="{year}-05-31">31 May {year}</time>' in page
    assert f"1 June {year}" not in page
    listed = Client().get("/petitions/").content.decode()
    assert f"It closed at the end of 31 May {year} (midnight)." in listed
