"""What integration tests share: a petition, empty counters, and pages without the page cache."""

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Group, User
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from petitions.mail import enquiries
from petitions.models import (
    Organisation,
    Petition,
    PetitionText,
)
from petitions.screening import rate_limits
from petitions.signatures import check_email, find, submit
from petitions.staff.password_hashing import LimitedHasher
from petitions.staff.roles import MODERATORS, ORGANISERS
from tests import shipped

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def _fresh(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PAGE_CACHE_SECONDS = 0
    # Pages name their style sheets without needing `collectstatic` first.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    # The nudge thread would look for a Redis; that it never matters is shown end to end.
    for module in (submit, check_email, find, enquiries):
        monkeypatch.setattr(module, "nudge", lambda: None)
    # What others did is counted exactly, so that tests can count along: see `test_limits`.
    monkeypatch.setattr(rate_limits, "_LOWERED_BY", {})
    # A busy machine must not look like a stalled Redis.
    monkeypatch.setattr("petitions.infra.redis.TIMEOUT", 2.0)
    # A third of a second of the processor for each password: tests/unit/crypto has it in full.
    monkeypatch.setattr(LimitedHasher, "iterations", 1)
    with redis.Redis.from_url(settings.REDIS_URL) as counters:
        counters.flushdb()


@pytest.fixture
def places(db: None) -> None:
    """The two lines of the count that are no constituency, also after a table was truncated."""
    shipped.write_places()


@pytest.fixture
def organisation(db: None) -> Organisation:
    return Organisation.objects.create(name="SBC", privacy_email="privacy@example.org")


@pytest.fixture
def petition(organisation: Organisation, places: None) -> Petition:
    now = timezone.now()
    petition = Petition.objects.create(
        slug="protect", state=Petition.State.OPEN, opens_at=now - timedelta(days=5)
    )
    for language, title in (
        ("en", "Protect people"),
        ("ar", "احموا الناس"),
        ("cy", "Diogelwch bobl"),
    ):
        PetitionText.objects.create(
            petition=petition,
            language=language,
            title=title,
            addressee="the British Government",
            ask="Protect people now.",
            body="Because **it matters**.",
            published_at=now,
        )
    return petition


@pytest.fixture
def browser() -> Client:
    """A client that sends what a browser sends with our own forms."""
    return Client(headers=SAME_ORIGIN)


def _staff(name: str, group: str) -> User:
    user = User.objects.create_user(name, password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def moderator(db: None) -> User:
    return _staff("mona", MODERATORS)


@pytest.fixture
def refuse_address(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the mail server refuse one address, and take all others."""

    def refuse(address: str) -> None:
        send = EmailMessage.send

        def send_to_others(letter: EmailMessage, **options: Any) -> int:
            if address in letter.to:
                raise SMTPRecipientsRefused({address: (550, b"5.1.1 no such user")})
            return send(letter, **options)

        monkeypatch.setattr(EmailMessage, "send", send_to_others)

    return refuse


@pytest.fixture
def organiser(db: None) -> User:
    return _staff("omar", ORGANISERS)
