"""Fixtures for the people of a team and their browsers."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from petitions.staff.roles import ADMINISTRATORS


@pytest.fixture
def administrator(db: None) -> User:
    ada = User.objects.create_user("ada", "ada@example.org", is_staff=True)
    ada.groups.add(Group.objects.get(name=ADMINISTRATORS))
    return ada


@pytest.fixture
def ada(administrator: User) -> Client:
    """A client logged in as the administrator."""
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def both(moderator: User, organiser: User) -> User:
    person = User.objects.create_user("both", is_staff=True)
    person.groups.set(Group.objects.filter(name__in=["Moderators", "Organisers"]))
    return person
