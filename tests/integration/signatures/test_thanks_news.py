"""The thank-you page: its order, and its offer of news, which is unticked."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from petitions.crypto import tokens
from petitions.mail import outbox
from petitions.models import Petition, Signature
from petitions.publishing import organisation
from petitions.signatures import self_service
from petitions.signatures.withdraw import withdraw
from petitions.signers.sealing import Attempt
from tests.people import AMINA, DAVID, sign, typed

PAGE = "/petitions/protect/"
OFFER = re.compile(r'<form method="post" action="(/t/[^"]*/news/)">(.*?)</form>', re.DOTALL)


def thanks(client: Client, petition: Petition, who: Attempt = AMINA, language: str = "en") -> str:
    token = tokens.link(tokens.CONFIRM, sign(petition, who), 0)
    response = client.post(f"/t/{language}/confirm/{token}/")
    assert response.status_code == 200
    return response.content.decode()


def offered(page: str) -> str:
    """Return the path of the offer's form, which must be there once and unticked."""
    ((path, form),) = OFFER.findall(page)
    assert 'type="checkbox"' in form
    assert "checked" not in form
    return str(path)


def wants_updates() -> bool:
    return Signature.objects.get().wants_updates


def test_the_thank_you_page_shows_its_sections_in_order(petition: Petition, client: Client) -> None:
    page = thanks(client, petition)
    order = [
        "Thank you. Your signature is confirmed.",
        "count-number",
        # A held signer is not in the count yet, and must not notice.
        "Some signatures are checked by a person before they count.",
        "Your reference, should you ever write to us:",
        "What happens next",
        "News by email",
        "Your Member of Parliament",
        "Ask others to read and sign",
    ]
    places = [page.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "You will get news of this petition by email."),
        ("ar", "ستصلك أخبار هذه العريضة بالبريد الإلكتروني."),
        ("cy", "Cewch newyddion am y ddeiseb hon drwy e-bost."),
    ],
)
def test_ticking_the_news_checkbox_subscribes(
    petition: Petition, client: Client, language: str, said: str
) -> None:
    page = thanks(client, petition, language=language)
    assert not wants_updates()

    answer = client.post(offered(page), {"updates": "on"})

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert wants_updates()


def test_submitting_the_news_form_unticked_does_not_subscribe(
    petition: Petition, client: Client
) -> None:
    answer = client.post(offered(thanks(client, petition)))
    assert "You will get no news of this petition by email." in answer.content.decode()
    assert not wants_updates()


def test_the_thank_you_page_does_not_offer_news_to_subscribers(
    petition: Petition, client: Client
) -> None:
    page = thanks(client, petition, DAVID)
    assert "You will get news of this petition by email." in page
    assert not OFFER.search(page)
    # Both are served by the same cached fragment.
    offered(thanks(client, petition, AMINA))


def test_the_news_offer_depends_on_each_signer_of_a_shared_mailbox(
    petition: Petition, client: Client
) -> None:
    """Two people in one mailbox take another path through the code."""
    offered(thanks(client, petition, AMINA))
    second = replace(AMINA, name="Bashir Example", wants_updates=True)
    assert not OFFER.search(thanks(client, petition, second))
    assert set(Signature.objects.values_list("wants_updates", flat=True)) == {False, True}


def test_the_news_form_of_a_cached_page_belongs_to_its_own_signer(
    petition: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    first = offered(thanks(client, petition, AMINA))
    second = offered(thanks(client, petition, replace(AMINA, email="b@example.org")))
    assert first != second

    client.post(second, {"updates": "on"})

    wanting = Signature.objects.get(wants_updates=True)
    assert tokens.read_link(tokens.CONFIRM, second.split("/")[4]).signature_id == wanting.pk


def test_confirming_by_code_shows_the_same_news_offer(petition: Petition, browser: Client) -> None:
    check = browser.post(PAGE, typed())["Location"]
    outbox.deliver()
    signature = Signature.objects.get()
    page = browser.post(f"{check}code/", {"code": tokens.code(signature.pk, 0)}).content.decode()

    browser.post(offered(page), {"updates": "on"})

    assert wants_updates()


def test_an_old_thank_you_page_cannot_change_the_news_choice(
    petition: Petition, client: Client
) -> None:
    path = offered(thanks(client, petition))
    long_ago = timezone.now() - self_service.SHOWN_AGAIN_FOR - timedelta(seconds=1)
    Signature.objects.update(confirmed_at=long_ago)

    answer = client.post(path, {"updates": "on"}, follow=True)

    assert "This link has been used" in answer.content.decode()
    assert not wants_updates()


def test_a_get_request_cannot_change_the_news_choice(petition: Petition, client: Client) -> None:
    path = offered(thanks(client, petition))
    answer = client.get(path, {"updates": "on"}, follow=True)
    assert "This link has been used" in answer.content.decode()
    assert not wants_updates()


def test_a_pending_signature_cannot_choose_news(petition: Petition, client: Client) -> None:
    token = tokens.link(tokens.CONFIRM, sign(petition), 0)
    answer = client.post(f"/t/en/confirm/{token}/news/", {"updates": "on"}, follow=True)
    assert "One more step" in answer.content.decode()
    assert not wants_updates()


def test_a_withdrawn_signature_cannot_choose_news(petition: Petition, client: Client) -> None:
    path = offered(thanks(client, petition))
    withdraw(signature_id=Signature.objects.get().pk)
    answer = client.post(path, {"updates": "on"}, follow=True)
    assert answer.status_code == 404
    assert not wants_updates()


def test_posting_the_news_form_with_a_forged_token_returns_404(
    petition: Petition, client: Client
) -> None:
    answer = client.post("/t/en/confirm/forged/news/", {"updates": "on"}, follow=True)
    assert answer.status_code == 404
    assert "This link does not work" in answer.content.decode()


def test_a_repeated_signing_is_not_told_whether_the_first_subscribed_to_news(
    petition: Petition, client: Client
) -> None:
    thanks(client, petition)
    organisation.invalidate()
    page = thanks(client, petition)
    assert "You have already signed" in page
    assert not OFFER.search(page)
    assert "You will get news" not in page
