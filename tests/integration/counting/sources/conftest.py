"""Fixtures and helpers for tests of sources."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from petitions.counting import sources
from petitions.models import Petition, Source, SourceTally
from petitions.signatures import check_email
from petitions.signers.sealing import Attempt
from tests.people import AMINA, confirm, sign, typed

PAGE = "/petitions/protect/"
ADMIN = "/admin/petitions/source/"


@pytest.fixture(autouse=True)
def partner(db: None) -> Source:
    """A registered partner, and a channel, because tests that empty all tables delete channels."""
    Source.objects.get_or_create(code="whatsapp", name="WhatsApp", is_channel=True)
    return Source.objects.create(code="mosque", name="Mosque", note="by the station")


@pytest.fixture(autouse=True)
def _at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show each step at once, except to tests of how late it is."""
    if "late" not in request.node.name:
        monkeypatch.setattr(sources, "_later_by", lambda _counter, _step: 0)


def somebody(number: int, source: str = "mosque") -> Attempt:
    return replace(AMINA, email=f"person{number}@example.org", source=source)


def counted(code: str) -> int:
    """Return the exact stored count of a source."""
    tallies = SourceTally.objects.filter(source__code=code)
    return tallies.aggregate(total=Sum("n"))["total"] or 0


def shown(petition: Petition, code: str) -> int:
    (count,) = [count for count in sources.counts(petition) if count.source.code == code]
    return count.at_least


def several(petition: Petition, first: int, last: int, source: str = "mosque") -> None:
    """Confirmed signatures of the people from one number to another."""
    for number in range(first, last + 1):
        confirm(sign(petition, somebody(number, source)))


def a_day_later() -> None:
    """Change all counts as if they were from yesterday."""
    SourceTally.objects.update(day=timezone.now().date() - timedelta(days=1))


def page_of(browser: Client, address: str) -> check_email.Page:
    response = browser.post(address, typed())
    assert response.status_code == 303, response.content.decode()
    return check_email.Page.open(response["Location"].rstrip("/").rpartition("/")[2])
