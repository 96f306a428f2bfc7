"""The thank-you page: what stands in which order, and news offered once more, unticked."""

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
from petitions.signatures.withdraw import withdraw
from petitions.signers.sealing import Attempt
from petitions.web.views import confirming
from tests.people import AMINA, DAVID, sign, typed

PAGE = "/petitions/protect/"
OFFER = re.compile(r'<form method="post" action="(/t/[^"]*/news/)">(.*?)</form>', re.DOTALL)


def thanks(client: Client, petition: Petition, who: Attempt = AMINA, language: str = "en") -> str:
    token = tokens.link(tokens.CONFIRM, sign(petition, who), 0)
    response = client.post(f"/t/{language}/confirm/{token}/")
    assert response.status_code == 200
    return response.content.decode()


def offered(page: str) -> str:
    """Where the offer is sent; it must stand there once, and unticked."""
    ((path, form),) = OFFER.findall(page)
    assert 'type="checkbox"' in form
    assert "checked" not in form
    return str(path)


def wants_updates() -> bool:
    return Signature.objects.get().wants_updates


def test_thanks_come_first_then_what_happens_next_the_mp_and_sharing_last(
    petition: Petition, client: Client
) -> None:
    page = thanks(client, petition)
    order = [
        "Thank you. Your signature is confirmed.",
        "count-number",
        # Who is held is not in that number yet, and must not wonder.
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
def test_who_ticks_the_offer_gets_news(
    petition: Petition, client: Client, language: str, said: str
) -> None:
    page = thanks(client, petition, language=language)
    assert not wants_updates()

    answer = client.post(offered(page), {"updates": "on"})

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert wants_updates()


def test_who_does_not_tick_it_gets_none(petition: Petition, client: Client) -> None:
    answer = client.post(offered(thanks(client, petition)))
    assert "You will get no news of this petition by email." in answer.content.decode()
    assert not wants_updates()


def test_who_ticked_it_when_signing_is_told_so_and_not_asked_again(
    petition: Petition, client: Client
) -> None:
    page = thanks(client, petition, DAVID)
    assert "You will get news of this petition by email." in page
    assert not OFFER.search(page)
    # One kept page serves each of them.
    offered(thanks(client, petition, AMINA))


def test_who_shares_a_mailbox_is_asked_by_what_they_chose_themselves(
    petition: Petition, client: Client
) -> None:
    """Two in one mailbox are judged step by step, which is another way through the code."""
    offered(thanks(client, petition, AMINA))
    second = replace(AMINA, name="Bashir Example", wants_updates=True)
    assert not OFFER.search(thanks(client, petition, second))
    assert set(Signature.objects.values_list("wants_updates", flat=True)) == {False, True}


def test_two_who_are_thanked_from_one_kept_page_choose_each_for_themselves(
    petition: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    first = offered(thanks(client, petition, AMINA))
    second = offered(thanks(client, petition, replace(AMINA, email="b@example.org")))
    assert first != second

    client.post(second, {"updates": "on"})

    wanting = Signature.objects.get(wants_updates=True)
    assert tokens.read_link(tokens.CONFIRM, second.split("/")[4]).signature_id == wanting.pk


def test_who_typed_the_code_is_offered_the_same(petition: Petition, browser: Client) -> None:
    check = browser.post(PAGE, typed())["Location"]
    outbox.deliver()
    signature = Signature.objects.get()
    page = browser.post(f"{check}code/", {"code": tokens.code(signature.pk, 0)}).content.decode()

    browser.post(offered(page), {"updates": "on"})

    assert wants_updates()


def test_a_link_that_is_found_later_changes_nothing(petition: Petition, client: Client) -> None:
    path = offered(thanks(client, petition))
    long_ago = timezone.now() - confirming.SHOWN_AGAIN_FOR - timedelta(seconds=1)
    Signature.objects.update(confirmed_at=long_ago)

    answer = client.post(path, {"updates": "on"}, follow=True)

    assert "This link has been used" in answer.content.decode()
    assert not wants_updates()


def test_opening_the_address_of_the_answer_changes_nothing(
    petition: Petition, client: Client
) -> None:
    path = offered(thanks(client, petition))
    answer = client.get(path, {"updates": "on"}, follow=True)
    assert "This link has been used" in answer.content.decode()
    assert not wants_updates()


def test_before_confirming_nothing_is_chosen(petition: Petition, client: Client) -> None:
    token = tokens.link(tokens.CONFIRM, sign(petition), 0)
    answer = client.post(f"/t/en/confirm/{token}/news/", {"updates": "on"}, follow=True)
    assert "One more step" in answer.content.decode()
    assert not wants_updates()


def test_who_has_withdrawn_is_told_nothing(petition: Petition, client: Client) -> None:
    path = offered(thanks(client, petition))
    withdraw(signature_id=Signature.objects.get().pk)
    answer = client.post(path, {"updates": "on"}, follow=True)
    assert answer.status_code == 404
    assert not wants_updates()


def test_a_forged_link_is_a_dead_link(petition: Petition, client: Client) -> None:
    answer = client.post("/t/en/confirm/forged/news/", {"updates": "on"}, follow=True)
    assert answer.status_code == 404
    assert "This link does not work" in answer.content.decode()


def test_whose_signature_stood_before_is_offered_nothing_that_would_tell_of_it(
    petition: Petition, client: Client
) -> None:
    thanks(client, petition)
    organisation.invalidate()
    page = thanks(client, petition)
    assert "You have already signed" in page
    assert not OFFER.search(page)
    assert "You will get news" not in page
