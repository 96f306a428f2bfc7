"""Times and numbers that pages and mails promise are those of the settings."""

from datetime import timedelta
from typing import Any

import pytest

from petitions.crypto import tokens
from petitions.mail import messages, reminders
from petitions.models import Petition
from petitions.privacy import retention
from petitions.screening import rate_limits
from petitions.signatures import check_email
from petitions.web import long_pages
from tests.pages import Visitor

TYPED_IN = (
    "14 days",
    "13 days",
    "183 days",
    "24 hours",
    "six months",
    "within a day",
    "the day that we allow",
    "works for an hour",
    "older than an hour",
    "older than one hour",
    "in five minutes",
    "in 5 minutes",
    "five times",
    "5 times",
    "five such",
)
PROMISED = {
    "check mail": ["The link works for 11 days", "within 20 hours, we remind you once"],
    "confirm": ["deleted after 11 days"],
    "petition": ["deleted after 11 days", "deleted 99 days after the petition closes"],
    "closed today": ["still works for 36 hours after it"],
    "too late to confirm": ["the 36 hours that we allow"],
    "find, too many": ["Try again in 7 minutes"],
    "find, sent": [
        "works for 2 hours",
        "after 11 days",
        "personal data 99 days",
        "At most 9 messages",
    ],
    "mine, masked": ["works for 2 hours"],
    "mine, expired": ["older than 2 hours", "its link works for 2 hours"],
    "help": ["A link works for 11 days", "we email you a link, which works for 2 hours"],
}


@pytest.fixture
def promised(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other times and numbers than the shipped ones."""
    settings.PENDING_DAYS = 11
    settings.MAILS_PER_MAILBOX_AND_DAY = 9
    monkeypatch.setattr(retention, "KEPT_AFTER_CLOSE", timedelta(days=99))
    monkeypatch.setattr(retention, "KEPT_AFTER_ANSWER", timedelta(days=99))
    monkeypatch.setattr(long_pages, "CONFIRMING_AFTER_CLOSE", timedelta(hours=36))
    monkeypatch.setattr(reminders, "AFTER", timedelta(hours=20))
    monkeypatch.setattr(tokens, "FIND_SECONDS", 7200)
    monkeypatch.setattr(rate_limits, "RETRY_AFTER", 420)
    monkeypatch.setattr(check_email, "CODE_TRIES", 7)
    messages.invalidate()


@pytest.mark.usefixtures("promised")
def test_periods_and_limits_on_pages_and_in_mails_come_from_the_settings(
    petition: Petition,
) -> None:
    visitor = Visitor(petition, "en")
    walked = {name: " ".join(page.split()) for name, page in visitor.walk()}
    mails = [" ".join(words.split()) for _kind, words in visitor.mails()]

    for name, said in PROMISED.items():
        for words in said:
            assert words.lower() in walked[name].lower(), name
    assert any("works for 11 days; after that" in words for words in mails)
    assert any("not used within 20 hours, one reminder" in words for words in mails)
    assert any("The link works for 2 hours. It shows" in words for words in mails)
    for words in [*walked.values(), *mails]:
        assert not [typed for typed in TYPED_IN if typed in words], words


def test_the_reminder_mail_states_one_day_less(petition: Petition) -> None:
    said = " ".join(words for kind, words in Visitor(petition, "en").mails() if kind == "text")
    assert "It works for 14 days; after that" in said
    assert "It works for 13 days; after that" in said
