"""Fixtures of the news tests: supporters, a news item with texts, and a second organiser."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import Group, User

from petitions.models import News, NewsText, Petition, Signature
from petitions.signers.sealing import Attempt
from petitions.staff.roles import ORGANISERS
from tests.people import sign_and_confirm, somebody

WORDS = {
    "en": ("What Protect people has done", "It **worked**: [read on](https://example.org/on)."),
    "ar": ("ما حققته العريضة", "لقد **نجحت**."),
    "cy": ("Beth mae’r ddeiseb wedi’i wneud", "Fe **weithiodd**."),
}


def supporter(petition: Petition, number: int, **changes: str) -> Signature:
    """Return a confirmed signature whose signer asked for news."""
    return sign_and_confirm(petition, asking(somebody(number), **changes))


def asking(attempt: Attempt, **changes: str) -> Attempt:
    return replace(attempt, wants_updates=True, **changes)  # type: ignore[arg-type]


@pytest.fixture
def omar(organiser: User) -> User:
    organiser.email = "omar@example.org"
    organiser.save()
    return organiser


@pytest.fixture
def second(db: None) -> User:
    user = User.objects.create_user("sara", "sara@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name=ORGANISERS))
    return user


@pytest.fixture
def news(petition: Petition) -> News:
    """A draft in three languages."""
    news = News.objects.create(petition=petition)
    for language, (subject, body) in WORDS.items():
        NewsText.objects.create(news=news, language=language, subject=subject, body=body)
    return news
