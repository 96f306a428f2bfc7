"""News reaches each supporter who wants it once, and goes out after all other mail."""

import time
from dataclasses import replace
from email import message_from_bytes, policy
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import OperationalError

from petitions.crypto.tokens import Inbox
from petitions.mail import news as use_cases
from petitions.mail import news_counts, news_sending, outbox, suppression
from petitions.models import Mail, News, Petition, Signature
from petitions.moderation import reindex
from petitions.signatures import withdraw
from petitions.signers import sealing
from petitions.signers.sealing import Use
from petitions.staff.refusal import Refused
from tests.integration.mail.news.conftest import WORDS, asking, supporter
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm, somebody

pytestmark = pytest.mark.django_db(transaction=True)


def _start(news: News, actor: User) -> News:
    assert use_cases.start(news=news, actor=actor, screen="test")
    sent.outbox.clear()
    return news


def _run(news: News) -> News:
    news_sending.run_due()
    news.refresh_from_db()
    return news


def _news_sent() -> list[Any]:
    found = [one for one in sent.outbox if "List-Unsubscribe" in one.extra_headers]
    return sorted(found, key=lambda message: message.to[0])


def _got() -> list[str]:
    return [message.to[0] for message in _news_sent()]


def test_each_supporter_gets_the_news_once_in_their_language(
    petition: Petition, news: News, omar: User
) -> None:
    for number, language in enumerate(WORDS):
        supporter(petition, number, language=language)
    sign_and_confirm(petition, somebody(7))
    sign(petition, asking(somebody(8)))

    _run(_start(news, omar))
    _run(news)

    assert _got() == [f"p{n}@mail{n}.example" for n in range(3)]
    assert {message.subject for message in sent.outbox} >= {words[0] for words in WORDS.values()}
    assert (news.state, news.done, news.fraction) == (News.State.DONE, 3, 1.0)
    assert news_counts.totals(news)["sent"] == 3


def test_a_shared_mailbox_gets_the_news_once(petition: Petition, news: News, omar: User) -> None:
    sign_and_confirm(petition, asking(AMINA))
    sign_and_confirm(petition, asking(BASHIR))

    _run(_start(news, omar))

    assert _got() == [AMINA.email]
    assert (news.done, news.skipped) == (1, 1)


def test_a_shared_mailbox_gets_news_once_even_if_the_index_key_is_rotated(
    petition: Petition, news: News, omar: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_sending, "BATCH", 1)
    sign_and_confirm(petition, asking(AMINA))
    sign_and_confirm(petition, asking(BASHIR))
    news = _start(news, omar)
    assert news_sending._queue_batch(news)

    settings.INDEX_KEYS = {9: b"another key of thirty-two bytes!", **settings.INDEX_KEYS}
    _run(news)

    assert _got() == [AMINA.email]
    assert (news.done, news.skipped) == (1, 1)


def test_news_mails_have_a_blind_index_of_their_own_also_after_reindexing(
    petition: Petition, news: News, omar: User
) -> None:
    signature = supporter(petition, 1)
    _run(_start(news, omar))
    reindex._move_mails({signature.pk: b"s" * 16})

    mine = Mail.objects.get(kind=Mail.Kind.NEWS)
    assert bytes(mine.global_mailbox_ix) == sealing.stored_index(Use.NEWS, _inbox(1), of=news.pk)
    others = Mail.objects.exclude(pk=mine.pk).values_list("global_mailbox_ix", flat=True)
    assert {bytes(ix) for ix in others} == {b"s" * 16}


def test_queued_news_is_not_sent_to_people_who_left_in_the_meantime(
    petition: Petition, news: News, omar: User
) -> None:
    """They withdrew, unsubscribed, objected, were removed or bounced after it was queued."""
    gone = [supporter(petition, number) for number in range(6)]
    supporter(petition, 6)
    _start(news, omar)
    assert news_sending._queue_batch(news)

    withdraw.withdraw(signature_id=gone[0].pk)
    Signature.objects.filter(pk=gone[1].pk).update(wants_updates=False)
    suppression.suppress_all(inbox=_inbox(2))
    suppression.suppress_bounced(address="p3@mail3.example")
    suppression.suppress_news(inbox=_inbox(4), petition_id=petition.pk)
    Signature.objects.filter(pk=gone[5].pk).update(state=Signature.State.REMOVED)
    _run(news)

    assert _got() == ["p6@mail6.example"]
    assert news_counts.totals(news) == {
        "sent": 1, "withheld": 6, "refused": 0, "returned": 0, "unsubscribed": 0, "complained": 0
    }  # fmt: skip
    assert news.state == News.State.DONE


def test_news_is_done_without_a_mail_if_all_recipients_withdraw(
    petition: Petition, news: News, omar: User
) -> None:
    everybody = [supporter(petition, number) for number in range(3)]
    _start(news, omar)
    assert news_sending._queue_batch(news)
    for one in everybody:
        withdraw.withdraw(signature_id=one.pk)

    _run(news)

    assert (_got(), news.state) == ([], News.State.DONE)
    assert not Mail.objects.filter(kind=Mail.Kind.NEWS, state=Mail.State.QUEUED).exists()


def refusing(monkeypatch: pytest.MonkeyPatch, words: bytes) -> None:
    """A server that refuses every recipient, with time slices short enough to check in between."""

    class Backend(BaseEmailBackend):
        def open(self) -> bool:
            return True

        def send_messages(self, email_messages: Any) -> int:
            (message,) = email_messages
            time.sleep(0.05)
            raise SMTPRecipientsRefused({message.to[0]: (550, words)})

    monkeypatch.setattr(outbox, "get_connection", lambda **_kwargs: Backend())
    monkeypatch.setattr(outbox, "NEWS_TIME_SLICE", 0.1)
    monkeypatch.setattr(news_sending, "CHECK_EVERY", 0.1)


def stop_by_refusals(news: News, monkeypatch: pytest.MonkeyPatch, words: bytes) -> int:
    """Send through that server until the news pauses; return how many mails were refused."""
    with monkeypatch.context() as broken:
        refusing(broken, words)
        # The worker also runs it repeatedly.
        for _time in range(12):
            _run(news)
    assert (news.state, news.pause) == (News.State.RUNNING, News.Pause.RETURNED)
    refused = news_counts.totals(news)["refused"]
    assert news_sending.MIN_RETURNED <= refused < 12
    assert any("came back" in message.body for message in sent.outbox)
    return refused


def test_news_pauses_if_a_server_refuses_all_and_reaches_everybody_once_resumed(
    petition: Petition, news: News, omar: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        supporter(petition, number)
    outbox.deliver()
    refused = stop_by_refusals(_start(news, omar), monkeypatch, b"no")
    gone, left = Mail.objects.filter(news=news, state="refused")[:2]
    assert gone.signature
    withdraw.withdraw(signature_id=gone.signature.pk)
    Mail.objects.filter(pk=left.pk).update(state="failed", code="451 4.7.1", attempts=40)

    use_cases.resume(news=news, actor=omar, screen="test")
    assert news_counts.totals(news)["refused"] == 1, "of who has withdrawn"
    _run(news)
    assert news.state == News.State.DONE
    assert len(_got()) == len(set(_got())) == 11
    totals = news_counts.totals(news)
    assert (totals["sent"], totals["refused"]) == (11, 1)
    assert refused > 2


def test_resumed_news_is_not_sent_again_to_mailboxes_that_do_not_exist(
    petition: Petition, news: News, omar: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        supporter(petition, number)
    outbox.deliver()
    refused = stop_by_refusals(_start(news, omar), monkeypatch, b"5.1.1 no such user")
    bounced = Mail.objects.filter(news=news, state="refused").first()
    assert bounced
    Mail.objects.filter(pk=bounced.pk).update(code="bounced")

    use_cases.resume(news=news, actor=omar, screen="test")
    _run(news)
    assert news.state == News.State.DONE
    assert len(_got()) == 12 - refused
    assert news_counts.totals(news)["refused"] == refused


def test_resumed_news_is_tried_only_once_more_at_a_refused_mailbox(
    petition: Petition, news: News, omar: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        supporter(petition, number)
    outbox.deliver()
    stop_by_refusals(_start(news, omar), monkeypatch, b"no")
    with monkeypatch.context() as broken:
        refusing(broken, b"no")
        use_cases.resume(news=news, actor=omar, screen="test")
        _run(news)
        use_cases.pause(news=news, actor=omar, screen="test")
    before = news_counts.totals(news)["refused"]
    use_cases.resume(news=news, actor=omar, screen="test")
    _run(news)

    assert news.state == News.State.DONE
    assert (len(_got()), news_counts.totals(news)["refused"]) == (12 - before, before)


def _inbox(number: int) -> Inbox:
    return sealing.inbox_of(f"p{number}@mail{number}.example")


def test_news_to_one_place_needs_a_minimum_number_of_recipients(
    petition: Petition, news: News, omar: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    supporter(petition, 1)
    abroad = replace(asking(DAVID), email="david@example.net")
    sign_and_confirm(petition, abroad)
    News.objects.filter(pk=news.pk).update(place="abroad")
    with pytest.raises(Refused, match="fewer than 25"):
        use_cases.start(news=news, actor=omar, screen="test")

    monkeypatch.setattr(News, "FEWEST", 1)
    assert not use_cases.start(news=news, actor=omar, screen="test")
    sent.outbox.clear()
    use_cases.approve(news=news, actor=User.objects.create_superuser("olga"), screen="test")
    _run(news)

    assert _got() == [DAVID.email]


def test_confirmation_mails_are_sent_before_news_that_was_queued_earlier(
    petition: Petition, news: News, omar: User
) -> None:
    for number in range(3):
        supporter(petition, number)
    outbox.deliver()
    _start(news, omar)
    assert news_sending._queue_batch(news)
    sign(petition, AMINA)

    _run(news)

    assert sent.outbox[0].to == [AMINA.email]
    assert len(_got()) == 3


def test_the_ordinary_outbox_does_not_send_news(petition: Petition, news: News, omar: User) -> None:
    supporter(petition, 1)
    outbox.deliver()
    _start(news, omar)
    news_sending._queue_batch(news)

    assert outbox.deliver() == 0
    assert Mail.objects.get(kind="news").attempts == 0


def test_a_crash_between_news_batches_neither_skips_nor_repeats_a_recipient(
    petition: Petition, news: News, omar: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_sending, "BATCH", 2)
    for number in range(5):
        supporter(petition, number)
    outbox.deliver()
    _start(news, omar)
    insert, calls = news_sending._insert, []

    def broken(*args: Any) -> int:
        calls.append(insert(*args))
        if len(calls) == 2:
            raise OperationalError
        return calls[-1]

    monkeypatch.setattr(news_sending, "_insert", broken)
    with pytest.raises(OperationalError):
        _run(news)
    _run(news)

    assert _got() == [f"p{n}@mail{n}.example" for n in range(5)]
    assert news.done == 5


@pytest.mark.parametrize(("reply", "limit"), [(451, 150), (421, 150), (550, 300), (452, 300)])
def test_a_421_or_451_reply_lowers_the_news_rate_of_its_domain(
    petition: Petition,
    news: News,
    omar: User,
    monkeypatch: pytest.MonkeyPatch,
    reply: int,
    limit: int,
) -> None:
    class Backend(BaseEmailBackend):
        def open(self) -> bool:
            return True

        def send_messages(self, email_messages: Any) -> int:
            (message,) = email_messages
            raise SMTPRecipientsRefused({message.to[0]: (reply, b"later, please")})

    supporter(petition, 1)
    outbox.deliver()
    _start(news, omar)
    monkeypatch.setattr(outbox, "get_connection", lambda **_kwargs: Backend())
    _run(news)

    assert outbox._pace.limit("mail1.example") == limit
    refused = news_counts.totals(news)["refused"]
    assert (news.state, refused) == ((News.State.DONE, 1) if reply == 550 else ("running", 0))


def test_signers_who_withheld_their_name_get_a_neutral_subject_and_beginning(
    petition: Petition, news: News, omar: User
) -> None:
    supporter(petition, 1, name_use=Signature.NameUse.WITHHELD)
    supporter(petition, 2, name_use=Signature.NameUse.GOVERNMENT)
    _run(_start(news, omar))

    neutral, named = _news_sent()
    assert neutral.subject == "The news that you asked for"
    assert "worked" not in str(neutral.body)[:150]
    assert "worked" in str(neutral.body)
    assert named.subject == WORDS["en"][0]


def test_news_has_one_click_unsubscribe_a_text_part_and_no_tracking(
    petition: Petition, news: News, omar: User
) -> None:
    supporter(petition, 1)
    _run(_start(news, omar))

    (message,) = _news_sent()
    assert isinstance(message, EmailMultiAlternatives)
    whole = message.message()
    link = str(whole["List-Unsubscribe"])
    assert whole["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link[1:-1] in str(message.body)
    html = str(message.alternatives[0][0])
    assert link[1:-1] in html
    assert "<img" not in html
    assert "It worked: read on <https://example.org/on>." in str(message.body)
    assert "<strong>worked</strong>" in html
    assert (message.track_clicks, message.track_opens) == (False, False)  # type: ignore[attr-defined]


def test_the_prebuilt_news_message_has_the_headers_that_django_would_write(
    petition: Petition, news: News, omar: User
) -> None:
    supporter(petition, 1)
    _run(_start(news, omar))

    (message,) = _news_sent()
    raw = message.raw
    assert raw
    written, django = (
        message_from_bytes(one, policy=policy.default)
        for one in (raw, message.message().as_bytes())
    )
    names = ("To", "Subject", "Message-ID", "Date", "List-Unsubscribe", "List-Unsubscribe-Post")
    assert [written[name] for name in names] == [django[name] for name in names]
    assert str(written["List-Unsubscribe"]).strip() == message.extra_headers["List-Unsubscribe"]
