"""The rate limit of news: per provider, halved by 421 and 451, rising again each minute."""

from typing import Any

import pytest

from petitions.mail import pace
from petitions.mail.pace import MINUTE, Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[float]:
    settings.NEWS_PER_PROVIDER_AND_MINUTE = 100
    now = [1_000.0]
    monkeypatch.setattr("petitions.mail.pace.time.monotonic", lambda: now[0])
    return now


def going(paced: Pace, domain: str, number: int = 200) -> int:
    """Return how many of this many mails may go to the domain now."""
    return sum(paced.wait(domain) == 0 for _mail in range(number))


def test_domains_of_one_mail_provider_share_a_rate_limit(
    clock: list[float],
) -> None:
    paced = Pace()
    assert going(paced, "gmail.com") == 100
    assert going(paced, "googlemail.com") == 0
    assert going(paced, "small.example") == 100


def test_mails_over_the_rate_limit_wait_for_a_later_minute(clock: list[float]) -> None:
    paced = Pace()
    assert going(paced, "gmail.com", 100) == 100
    waits = [paced.wait("gmail.com") for _mail in range(200)]
    assert all(0 < wait <= 2 * MINUTE + MINUTE for wait in waits)
    assert sum(wait > MINUTE for wait in waits) >= 100


def test_slowing_one_mail_provider_halves_only_its_limit_until_it_recovers(
    clock: list[float],
) -> None:
    paced = Pace()
    paced.wait("gmail.com")
    paced.slow("gmail.com")
    assert (paced.limit("googlemail.com"), paced.limit("yahoo.com")) == (50, 100)
    paced.slow("gmail.com")
    assert paced.limit("gmail.com") == 25

    for _minute in range(8):
        clock[0] += MINUTE
        paced.wait("gmail.com")
    assert paced.limit("gmail.com") == 100


def test_slowing_all_mail_stops_at_the_minimum_rate(clock: list[float]) -> None:
    paced = Pace()
    paced.wait("gmail.com")
    for _time in range(20):
        paced.slow_all()
        paced.slow("gmail.com")
    assert paced.limit("gmail.com") == paced.limit("yahoo.com") == pace.MIN_NEWS_RATE
