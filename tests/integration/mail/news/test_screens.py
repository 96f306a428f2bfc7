"""The news screens, as an organiser: write, review, test, send, watch."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.test import Client

from petitions.admin import acting
from petitions.mail import news as use_cases
from petitions.mail import news_sending
from petitions.models import News, Petition
from tests.integration.mail.news.conftest import supporter

ADD = "/admin/petitions/news/add/"


@pytest.fixture
def page(omar: User, client: Client) -> Client:
    client.force_login(omar)
    return client


def typed(petition: Petition, **changes: Any) -> dict[str, Any]:
    return {
        "petition": petition.pk, "region": "", "place": "",
        "texts-TOTAL_FORMS": 1, "texts-INITIAL_FORMS": 0,
        "texts-0-language": "en", "texts-0-subject": "Protect people: handed in",
        "texts-0-body": "It **was**.", **changes,
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_an_organiser_can_write_preview_test_and_send_news_in_the_admin(
    petition: Petition, page: Client, omar: User
) -> None:
    for number in range(2):
        supporter(petition, number)
    answer = page.post(ADD, typed(petition), follow=True)
    news = News.objects.get()
    send = f"/admin/petitions/news/{news.pk}/send/"
    assert answer.redirect_chain[-1][0] == send
    shown = answer.content.decode()
    assert "Fewer than 25 people, 1 language, about 1 minute" in shown
    assert "No text in Arabic and Welsh: their readers get the English one." in shown
    assert "Send to fewer than 25 people" in shown

    tested = page.post(send, {"act": "test"}, follow=True).content.decode()
    assert f"1 message was mailed to {omar.email}." in tested
    assert [message.to for message in sent.outbox] == [[omar.email]]
    sent.outbox.clear()
    assert (
        "You can pause or stop it"
        in page.post(send, {"act": "start"}, follow=True).content.decode()
    )
    during = page.get(send).content.decode()
    assert "<progress" in during
    assert 'value="pause"' in during
    news_sending.run_due()

    after = page.get(send).content.decode()
    assert "2 of 2 sent" in after
    assert 'name="act"' not in after
    assert "2 people" in page.get("/admin/petitions/news/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_send_page_says_if_another_organiser_has_to_approve(
    petition: Petition, page: Client, news: News, settings: Any
) -> None:
    supporter(petition, 0)
    send, said = f"/admin/petitions/news/{news.pk}/send/", "Another organiser has to approve it"
    assert said not in page.get(send).content.decode()
    settings.NEWS_APPROVAL_FROM = 1
    assert said in page.get(send).content.decode()


@pytest.mark.django_db(transaction=True)
def test_news_cannot_be_changed_or_deleted_once_started(
    petition: Petition, page: Client, news: News, omar: User
) -> None:
    supporter(petition, 1)
    page.post(f"/admin/petitions/news/{news.pk}/send/", {"act": "start"})
    text = news.texts.get(language="en")
    form = typed(petition, **{"texts-INITIAL_FORMS": 1, "texts-0-id": text.pk})

    assert page.post(f"/admin/petitions/news/{news.pk}/change/", form).status_code == 403
    assert page.post(f"/admin/petitions/news/{news.pk}/delete/", {"post": "yes"}).status_code == 403
    assert news.texts.get(language="en").subject == text.subject


def test_starting_news_requires_a_recent_password_and_stopping_does_not(
    petition: Petition, page: Client, news: News
) -> None:
    session = page.session
    session[acting.TYPED_AT] -= acting.PASSWORD_VALID_FOR
    session.save()
    send = f"/admin/petitions/news/{news.pk}/send/"

    asked = page.post(send, {"act": "start"})
    assert "password-again" in asked["Location"]
    assert News.objects.get().state == News.State.DRAFT
    News.objects.update(state=News.State.RUNNING)
    stopped = page.post(send, {"act": "stop"})

    assert stopped["Location"] == send
    assert News.objects.get().state == News.State.CANCELLED


def test_the_news_preview_is_a_sandboxed_same_origin_frame(page: Client, news: News) -> None:
    path = f"/admin/petitions/news/{news.pk}/text/ar/"
    frame = page.get(path)
    assert 'dir="rtl"' in frame.content.decode()
    assert "sandbox" in frame["Content-Security-Policy"]
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    neutral = page.get(f"{path}?neutral").content.decode()
    assert neutral.index("طُلب منا") < neutral.index("لقد")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"texts-0-body": "[x](/here)"}, "does not work in a mail"),
        ({"texts-0-body": "[x](https://example..org)"}, "does not work in a mail"),
        ({"texts-0-body": "[x](http://[a)"}, "does not work in a mail"),
        ({"texts-0-body": "[x](https://exam ple.org)"}, "is not a link"),
        ({"texts-0-body": "[x](https://example.org"}, "is not a link"),
        ({"texts-0-body": "[**x**] (https://example.org)"}, "is not a link"),
        ({"texts-0-body": "[x](javascript:alert(1))"}, "is not a link"),
        ({"region": "E12000007", "place": "abroad"}, "not both"),
        ({"texts-0-subject": ""}, "required"),
        ({"texts-0-body": "x" * 20_001}, "20000"),
    ],
)
def test_invalid_links_or_fields_are_form_errors_when_news_is_saved(
    petition: Petition, page: Client, changes: dict[str, Any], said: str
) -> None:
    assert said in page.post(ADD, typed(petition, **changes)).content.decode()
    assert not News.objects.exists()


def test_news_without_an_english_text_says_which_text_other_readers_get(
    petition: Petition, page: Client
) -> None:
    shown = page.post(ADD, typed(petition, **{"texts-0-language": "ar"}), follow=True)
    told = "No text in English and Welsh: their readers get the Arabic one."
    assert told in shown.content.decode()


def test_a_line_break_in_a_news_subject_cannot_inject_a_header(
    petition: Petition, page: Client, omar: User
) -> None:
    page.post(ADD, typed(petition, **{"texts-0-subject": "one\r\nBcc: victim@example.net"}))
    news = News.objects.get()
    assert news.texts.get().subject == "one Bcc: victim@example.net"

    news.texts.update(subject="one\nBcc: victim@example.net")
    page.post(f"/admin/petitions/news/{news.pk}/send/", {"act": "test"})

    (message,) = sent.outbox
    assert message.message()["Bcc"] is None


def test_moderators_cannot_open_the_news_pages(news: News, moderator: User, client: Client) -> None:
    client.force_login(moderator)
    assert client.get(f"/admin/petitions/news/{news.pk}/send/").status_code == 403
    assert client.get(f"/admin/petitions/news/{news.pk}/text/en/").status_code == 403


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("place", ["", "abroad"])
def test_the_number_of_subscribers_is_rounded_before_news_is_sent(
    petition: Petition, page: Client, monkeypatch: pytest.MonkeyPatch, number: int, place: str
) -> None:
    """Somebody who reloads the page after a signing must not learn what the signer chose."""
    monkeypatch.setattr(News, "FEWEST", 2)
    for n in range(number):
        supporter(petition, n, postcode="", country="FR")
    page.post(ADD, typed(petition, place=place))
    shown = page.get(f"/admin/petitions/news/{News.objects.get().pk}/send/").content.decode()
    assert "1 person" not in shown
    assert "3 people" not in shown
    if number >= 2:
        assert "At least 2 people, 1 language" in shown
        assert "Send to at least 2 people" in shown
    elif place:
        assert "You chose fewer than 2 people" in shown
        assert "None of the people that you chose" not in shown
    else:
        assert (
            "Send to fewer than 2 people" if number else "None of the people that you chose"
        ) in shown


@pytest.mark.django_db(transaction=True)
def test_a_list_counted_up_to_a_limit_shows_its_exact_size_once_queued(
    petition: Petition, page: Client, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "MAX_COUNTED", 2)
    monkeypatch.setattr(News, "FEWEST", 1)
    for n in range(3):
        supporter(petition, n)
    send = f"/admin/petitions/news/{news.pk}/send/"
    assert "At least 2 people, 3 languages, at least 1 minute" in page.get(send).content.decode()
    page.post(send, {"act": "start"})
    news_sending.run_due()
    assert "3 of 3 sent" in page.get(send).content.decode()


def test_news_that_was_changed_since_it_was_opened_is_not_started(
    petition: Petition, page: Client
) -> None:
    supporter(petition, 1)
    page.post(ADD, typed(petition))
    news = News.objects.get()
    send = f"/admin/petitions/news/{news.pk}/send/"
    pressed = {"act": "start", "seen": page.get(send).context["seen"]}
    news.texts.update(body="Other words")

    refused = page.post(send, pressed, follow=True)
    assert "It was changed after you opened it" in refused.content.decode()
    news.refresh_from_db()
    assert news.state == News.State.DRAFT

    page.post(send, {**pressed, "seen": refused.context["seen"]})
    news.refresh_from_db()
    assert news.state == News.State.RUNNING


@pytest.mark.django_db(transaction=True)
def test_the_admin_home_lists_news_that_waits_for_an_organiser(
    petition: Petition, page: Client, news: News, omar: User, second: User, settings: Any
) -> None:
    """Regression test: it said "Nothing needs you" to the one who had to approve it."""
    settings.NEWS_APPROVAL_FROM = 1
    supporter(petition, 0)
    other = Client()
    other.force_login(second)
    send = f"/admin/petitions/news/{news.pk}/send/"
    assert send not in other.get("/admin/").content.decode()

    use_cases.start(news=news, actor=omar, screen="tests")
    home = other.get("/admin/").content.decode()
    assert f'<a href="{send}">What Protect people has done</a>' in home
    assert "nobody has got it yet. Started by omar" in " ".join(home.split())

    use_cases.approve(news=news, actor=second, screen="tests")
    assert send not in other.get("/admin/").content.decode()
    News.objects.update(pause=News.Pause.COMPLAINTS)
    assert "stopped by itself: too many reported it" in page.get("/admin/").content.decode()
