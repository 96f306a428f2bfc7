"""Lists that could reveal whether one person signed are recorded however a moderator opens them.

Anybody can sign with any domain, name or postcode. From an unconfirmed form of their own, a
moderator could list all signatures like it.
"""

from dataclasses import replace
from urllib.parse import quote
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client

from petitions.models import Alert, AuditRecord, Petition
from petitions.moderation import alert_causes
from petitions.signers import sealing
from tests.held import LIST, button
from tests.people import sign, sign_and_confirm, somebody

VERA = replace(somebody(1), name="Vera Example", email="vera@verity.example", postcode="EH991SP")
LIKE_HER = {"domain_of": "domain", "name_of": "name", "postcode_of": "postcode"}


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


@pytest.fixture
def own(petition: Petition) -> UUID:
    """A form sent by the moderator with a signer's domain, name and postcode."""
    sign_and_confirm(petition, VERA)
    return sign(petition, replace(VERA, email="own@verity.example"))


def looks() -> list[str]:
    """Return the kinds of recorded looks."""
    records = AuditRecord.objects.filter(action=AuditRecord.Action.SEARCHED).order_by("pk")
    return list(records.values_list("why", flat=True))


@pytest.mark.parametrize("condition", LIKE_HER)
@pytest.mark.parametrize(
    "cursor", ["", "&after=nonsense", "&after=2099-01-01T00:00:00%2B00:00_" + "f" * 32]
)
def test_a_list_of_signatures_like_one_form_is_audited_for_every_cursor(
    own: UUID, mona: Client, condition: str, cursor: str
) -> None:
    page = mona.get(f"{LIST}?petition=protect&{condition}={own}{cursor}")
    assert VERA.name in [line.name for line, _url in page.context["lines"]]
    assert looks() == [LIKE_HER[condition]]


def test_the_list_of_a_searched_address_is_audited_on_every_view(own: UUID, mona: Client) -> None:
    url = mona.post(LIST, {"sought": VERA.email})["Location"]
    for _time in range(2):
        assert mona.get(url).status_code == 200
    assert looks() == ["address, typed", "address", "address"]


@pytest.mark.parametrize("condition", LIKE_HER)
def test_a_signature_page_has_no_previous_or_next_link_in_an_audited_list(
    own: UUID, mona: Client, condition: str
) -> None:
    came_from = quote(f"petition=protect&{condition}={own}")
    context = mona.get(f"{LIST}{own}/change/?list={came_from}").context
    assert (context["before"], context["after"]) == ("", "")
    assert f"{condition}={own}" in context["list_url"]


def test_the_bulk_preview_about_a_domain_is_audited(own: UUID, mona: Client) -> None:
    asked = button("remove", "automated") | {"scope": "all"}
    answer = mona.post(f"{LIST}?petition=protect&domain_of={own}", asked)
    assert looks() == ["domain"]

    page = mona.get(answer["Location"])
    assert VERA.name in [line.name for line in page.context["sample"]]
    assert looks() == ["domain"] * 2


def test_the_page_of_a_domain_alert_is_audited(
    own: UUID, petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff can raise an alert about a domain by sending forms, unless it is a large provider's."""
    monkeypatch.setattr(alert_causes, "DOMAIN_BURST", 2)
    assert alert_causes.raise_burst_alerts() == 1
    alert = Alert.objects.get()
    page = mona.get(f"/admin/petitions/alert/{alert.pk}/change/")
    states = dict(page.context["figures"].states)
    assert states == {"confirmed": 1, "waiting for confirmation": 1}
    assert looks() == ["domain"]


@pytest.mark.parametrize("has_signed", [True, False])
def test_following_the_link_of_a_domain_alert_is_audited_even_without_signatures(
    petition: Petition, mona: Client, has_signed: bool
) -> None:
    """An alert about forms that staff sent themselves has the domain's blind index of the day."""
    if has_signed:
        sign_and_confirm(petition, VERA)
    index = sealing.domain_index(VERA.email).hex()
    answer = mona.get(f"{LIST}?petition=protect&domain={index}")
    assert ("domain_of=" in answer["Location"]) is has_signed
    assert looks() == ["domain"]


def test_the_bulk_preview_about_a_domain_alert_is_audited_on_every_view(
    own: UUID, petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_causes, "DOMAIN_BURST", 2)
    alert_causes.raise_burst_alerts()
    asked = button("remove", "automated") | {"narrow": ""}
    answer = mona.post(f"/admin/petitions/alert/{Alert.objects.get().pk}/change/", asked)
    before = looks()

    page = mona.get(answer["Location"])
    assert VERA.name in [line.name for line in page.context["sample"]]
    assert looks() == [*before, "domain"]
