"""Unsubscribing from news: by one click in a mail program or one button on the page, for good."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.test import Client

from petitions.crypto import tokens
from petitions.mail import bounces, news_counts, news_sending, outbox, suppression
from petitions.mail import news as use_cases
from petitions.mail.suppression import Addressee
from petitions.models import Mail, News, Objection, Petition, Signature
from petitions.signatures import self_service
from petitions.signers import sealing
from tests.integration.mail.news.conftest import asking, supporter
from tests.integration.mail.test_bounces import PASSWORD, from_postmark, report
from tests.people import AMINA, BASHIR, sign, sign_and_confirm

pytestmark = pytest.mark.django_db(transaction=True)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def send(news: News, actor: User) -> dict[str, str]:
    """Send the news to all; return the link to unsubscribe for each address."""
    assert use_cases.start(news=news, actor=actor, screen="test")
    news_sending.run_due()
    return {
        message.to[0]: str(message.extra_headers["List-Unsubscribe"])[1:-1]
        for message in sent.outbox
        if "List-Unsubscribe" in message.extra_headers
    }


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def test_a_one_click_post_without_cookie_or_csrf_token_unsubscribes(
    petition: Petition, news: News, omar: User
) -> None:
    signature = supporter(petition, 1)
    (link,) = send(news, omar).values()
    foreign = Client(enforce_csrf_checks=True, headers={"Sec-Fetch-Site": "cross-site"})

    first = foreign.post(path_of(link), ONE_CLICK)
    again = foreign.post(path_of(link), ONE_CLICK)

    assert (first.status_code, again.status_code, dict(first.cookies)) == (200, 200, {})
    signature.refresh_from_db()
    assert not signature.wants_updates
    assert Objection.objects.get().reason == "no-news"
    assert news_counts.totals(news)["unsubscribed"] == 1


def test_a_get_request_to_the_unsubscribe_link_unsubscribes_nobody(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    supporter(petition, 1, language="cy")
    (link,) = send(news, omar).values()

    page = client.get(path_of(link))

    assert "Atal y newyddion hyn" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert not Objection.objects.exists()


def test_unsubscribing_applies_to_the_whole_mailbox_but_not_to_confirmations(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    both = [sign_and_confirm(petition, asking(one)) for one in (AMINA, BASHIR)]
    (link,) = send(news, omar).values()
    client.post(path_of(link), ONE_CLICK)
    sent.outbox.clear()

    third = replace(AMINA, name="Third Person")
    sign(petition, third)
    outbox.deliver()

    wanting = Signature.objects.filter(pk__in=[one.pk for one in both], wants_updates=True)
    assert not wanting.exists()
    assert [message.to for message in sent.outbox] == [[AMINA.email]]


def test_an_unsubscribed_mailbox_gets_no_news_even_if_wants_updates_is_set(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    """As it is after an import, or after a backup of the table was restored."""
    supporter(petition, 1)
    (link,) = send(news, omar).values()
    client.post(path_of(link), ONE_CLICK)
    Signature.objects.update(wants_updates=True)
    sent.outbox.clear()

    second = News.objects.create(petition=petition)
    second.texts.create(language="en", subject="More", body="More")
    assert send(second, omar) == {}
    assert news_counts.totals(second)["withheld"] == 1
    to = {1: Addressee(petition.pk, "p1@mail1.example")}
    assert suppression.reasons(to) == {}


def test_subscribing_again_by_self_service_lifts_the_news_objection(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    signature = supporter(petition, 1)
    (link,) = send(news, omar).values()
    client.post(path_of(link), ONE_CLICK)

    recipient = sealing.recipient_of("p1@mail1.example")
    self_service.choose_updates(
        recipient=recipient, reference=signature.reference, wants_updates=True
    )

    assert not Objection.objects.exists()


def test_subscribing_again_on_the_thank_you_page_lifts_the_news_objection(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    signature = supporter(petition, 1)
    (link,) = send(news, omar).values()
    client.post(path_of(link), ONE_CLICK)

    own = tokens.Link(signature.pk, 0)
    self_service.choose_updates_once_confirmed(link=own, wants_updates=True)

    assert not Objection.objects.exists()


def test_the_unsubscribe_page_can_also_opt_out_of_all_mail(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    supporter(petition, 1)
    (link,) = send(news, omar).values()

    page = client.post(path_of(link), {"no_mail": "1"})

    assert "mail-again" in page.content.decode()
    assert sorted(Objection.objects.values_list("reason", flat=True)) == ["no-mail", "no-news"]


def test_the_unsubscribe_link_works_after_the_recipient_list_is_deleted(
    petition: Petition, news: News, omar: User, client: Client
) -> None:
    supporter(petition, 1)
    (link,) = send(news, omar).values()
    Mail.objects.filter(kind="news").delete()
    News.objects.filter(pk=news.pk).update(has_list=False)

    assert client.post(path_of(link), ONE_CLICK).status_code == 200
    assert Objection.objects.count() == 1


def test_a_forged_unsubscribe_link_and_that_of_a_news_test_change_nothing(
    petition: Petition, news: News, client: Client
) -> None:
    nobody = tokens.Subscription(news.pk, UUID(int=0), 0, tokens.Inbox(0, bytes(16)))
    link = f"/t/en/no-news/{tokens.subscription_link(nobody)}/"

    assert client.post(link, {**ONE_CLICK, "no_mail": "1"}).status_code == 200
    assert client.post("/t/en/no-news/forged/", ONE_CLICK).status_code == 404
    assert not Objection.objects.exists()


def test_bounces_and_complaints_about_news_are_counted_once_each(
    petition: Petition, news: News, omar: User, settings: Any
) -> None:
    settings.MAIL_PROVIDER = "postmark"
    settings.MAIL_WEBHOOK_SECRET = PASSWORD
    settings.ANYMAIL = {"WEBHOOK_SECRET": PASSWORD, "POSTMARK_SERVER_TOKEN": "token"}
    one, other = (
        sign_and_confirm(
            petition, asking(replace(AMINA, email=f"quokka{n}@gmail.com", name=f"P {n}"))
        )
        for n in (1, 2)
    )
    send(news, omar)
    bounced = Mail.objects.get(kind="news", signature=one)
    complained = Mail.objects.get(kind="news", signature=other)

    for _twice in range(2):
        assert report(from_postmark(bounced.pk)) == 200
        complaint = {**from_postmark(complained.pk, "SpamComplaint"), "RecordType": "SpamComplaint"}
        assert report(complaint) == 200

    count = news.counts.get()
    assert (count.provider, count.returned, count.complained, count.sent) == ("Gmail", 1, 1, 2)
    complained.refresh_from_db()
    assert complained.code == bounces.COMPLAINED
