"""Answers to enquiries: sent once, sealed, and independent of what an address has done."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from anymail.signals import AnymailTrackingEvent
from django.contrib.auth.models import User
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.formatting.languages import day
from petitions.mail import bounces, enquiries, messages, outbox, suppression
from petitions.mail.enquiries import Letter, Outcome
from petitions.mail.ready_words import Words, ready
from petitions.models import Answer, AuditRecord, Enquiry, Mail, Organisation, Petition
from petitions.privacy import retention
from petitions.signers import sealing
from tests.fault.provider import HOST, Mood, Provider
from tests.people import AMINA, sign_and_confirm
from tests.racing import race

WRITER = "amina@example.org"
TEXT = "Hello,\n\nwe have looked: شكرًا. See https://example.org/."


def write(*, kind: str = "complaint", email: str = WRITER, language: str = "en") -> Enquiry:
    letter = Letter(name="Amina Example", email=email, message="Take me out.", language=language)
    return enquiries.receive(kind=Enquiry.Kind(kind), letter=letter)


def answer(enquiry: Enquiry, actor: User, *, number: int = 1, **changes: Any) -> Outcome:
    asked = {"text": TEXT, "is_last": True, **changes}
    return enquiries.send_answer(
        enquiry_id=enquiry.pk, number=number, actor=actor, screen="test", **asked
    )


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def path_of(enquiry: Enquiry) -> str:
    return f"/admin/petitions/enquiry/{enquiry.pk}/change/"


def press(client: Client, enquiry: Enquiry, act: str, **typed: str) -> str:
    form = {"act": act, "text": TEXT, "number": "1", **typed}
    return client.post(path_of(enquiry), form, follow=True).content.decode()


@pytest.fixture
def smtp(settings: Any) -> Iterator[Provider]:
    """A mail server for one test, which refuses mail on demand."""
    provider = Provider()
    settings.EMAIL_BACKEND = "petitions.mail.letters.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, provider.port
    yield provider
    provider.stop()


# --- Sending -----------------------------------------------------------------------------


def test_an_answer_is_mailed_only_to_the_address_of_the_enquiry(
    organisation: Organisation, organiser: User
) -> None:
    enquiry = write()
    assert answer(enquiry, organiser) is Outcome.SENT
    outbox.deliver()

    (message,) = sent.outbox
    assert isinstance(message, EmailMultiAlternatives)
    assert message.recipients() == [WRITER]
    assert message.extra_headers["Reply-To"] == organisation.privacy_email
    # A person wrote it, so an automatic reply to it (such as "out of office") is welcome.
    assert message.extra_headers["Auto-Submitted"] == "no"
    assert TEXT in str(message.body)
    assert '<a href="https://example.org/" rel="nofollow">' in str(message.alternatives[0][0])
    # Somebody who enters another's address must not be able to send them text through us.
    assert "Take me out" not in str(message.body) + str(message.alternatives)


@pytest.mark.parametrize(
    ("language", "subject", "beginning"),
    [
        ("en", "The answer to your message", "You wrote to us"),
        ("ar", "الرد على رسالتك", "وصلتنا رسالة منك"),
        ("cy", "Yr ateb i’ch neges", "Ysgrifennoch atom"),
    ],
)
def test_an_answer_begins_neutrally_in_the_language_of_the_enquiry(
    organisation: Organisation, organiser: User, language: str, subject: str, beginning: str
) -> None:
    answer(write(language=language), organiser)
    outbox.deliver()

    (message,) = sent.outbox
    body = str(message.body)
    assert message.subject == subject
    assert body.startswith(beginning)
    assert body.index("Hello,") > 150


def test_markup_in_an_answer_is_escaped_in_the_html_part(
    organisation: Organisation, organiser: User
) -> None:
    answer(write(), organiser, text="<script>alert(1)</script> & more")
    outbox.deliver()

    (message,) = sent.outbox
    assert isinstance(message, EmailMultiAlternatives)
    html = str(message.alternatives[0][0])
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html
    assert "<script>alert(1)</script> & more" in str(sent.outbox[0].body)


def test_answers_are_not_kept_in_the_template_cache(
    organisation: Organisation, organiser: User
) -> None:
    messages.invalidate()
    answer(write(), organiser)
    outbox.deliver()
    assert messages._template.cache_info().currsize == 0


def test_an_enquiry_can_have_several_answers_with_one_mail_each(
    organisation: Organisation, organiser: User
) -> None:
    enquiry = write()
    answer(enquiry, organiser, is_last=False)
    enquiry.refresh_from_db()
    assert (enquiry.state, enquiry.answered_on) == (Enquiry.State.STARTED, None)
    assert enquiry.acknowledged_on == timezone.localdate()

    answer(enquiry, organiser, number=2, text="It is done.")
    enquiry.refresh_from_db()
    assert (enquiry.state, enquiry.answered_on) == (Enquiry.State.ANSWERED, timezone.localdate())
    outbox.deliver()
    assert len(sent.outbox) == 2
    done = AuditRecord.objects.filter(object_id=str(enquiry.pk))
    assert {(one.action, one.actor_id) for one in done} == {("answer-sent", organiser.pk)}
    assert done.count() == 2


def test_submitting_an_answer_twice_sends_one_mail(
    organisation: Organisation, organiser: User, django_capture_on_commit_callbacks: Any
) -> None:
    enquiry, client = write(), log_in(organiser)
    assert "The answer is on its way" in press(client, enquiry, "send")
    assert "Nothing was sent again" in press(client, enquiry, "send")
    outbox.deliver()
    assert len(sent.outbox) == 1


def test_an_answer_after_that_of_a_colleague_is_not_sent_and_its_text_is_kept(
    organisation: Organisation, organiser: User
) -> None:
    enquiry = write()
    answer(enquiry, User.objects.create_superuser("olga"), text="The first answer.")
    client = log_in(organiser)

    page = press(client, enquiry, "send", text="My own words.")
    assert "Somebody else has answered in the meantime" in page
    assert "The first answer." in page
    assert "My own words.</textarea>" in page
    assert 'name="number" value="2"' in page
    assert Answer.objects.count() == 1

    assert "on its way" in press(client, enquiry, "send", text="My own words.", number="2")
    assert Answer.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_concurrent_answers_wait_for_a_lock_and_send_one_mail(
    organisation: Organisation, organiser: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Without the lock, the second would fail with an error of the constraint."""
    enquiry = write()
    if not guarded:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_kwargs: rows)

    run = race(
        monkeypatch,
        (enquiries, "_seal_answer" if guarded else "_queue"),
        lambda: answer(enquiry, organiser),
        lambda: answer(enquiry, organiser),
    )

    assert run.second_waited
    assert run.first is Outcome.SENT
    if guarded:
        assert run.second is Outcome.SENT_BEFORE
    else:
        assert isinstance(run.second, IntegrityError)
    assert Mail.objects.filter(kind=Mail.Kind.ANSWER).count() == 1


def test_a_unique_constraint_allows_one_mail_per_answer(
    organisation: Organisation, organiser: User
) -> None:
    answer(write(), organiser)
    first = Mail.objects.get()
    first.pk = None
    with pytest.raises(IntegrityError, match="mail_answer_once"):
        first.save(force_insert=True)


# --- What the mail server says ------------------------------------------------------------


def test_an_answer_is_sent_later_if_the_mail_server_is_unreachable(
    organisation: Organisation, organiser: User, smtp: Provider
) -> None:
    enquiry = write()
    answer(enquiry, organiser)
    with smtp.in_mood(Mood.REFUSING):
        assert outbox.deliver() == 0
    page = log_in(organiser).get(path_of(enquiry)).content.decode()
    assert "Not sent yet; it is tried again" in page
    assert "the mail server does not answer" in page

    Mail.objects.update(due_at=timezone.now())
    assert outbox.deliver() == 1
    assert list(smtp.by_address()) == [WRITER]
    assert " Sent.</p>" in log_in(organiser).get(path_of(enquiry)).content.decode()
    outbox.deliver()
    assert sum(smtp.message_ids().values()) == 1


def test_the_enquiry_page_explains_why_an_address_was_refused(
    organisation: Organisation, organiser: User, smtp: Provider
) -> None:
    enquiry = write(email="writer1@example.org")
    answer(enquiry, organiser)
    with smtp.in_mood(Mood.SAYS_550):
        outbox.deliver()
    page = log_in(organiser).get(path_of(enquiry)).content.decode()
    assert "Not delivered: 550 5.1.1: the server refuses this address." in page
    assert not smtp.by_address()


def test_the_enquiry_page_shows_that_an_answer_bounced(
    organisation: Organisation, organiser: User
) -> None:
    enquiry = write()
    answer(enquiry, organiser)
    outbox.deliver()
    bounced = AnymailTrackingEvent(
        event_type="bounced",
        reject_reason="bounced",
        metadata={"mail": str(Mail.objects.get().pk)},
        esp_event={},
    )
    assert bounces.handle(bounced)
    page = log_in(organiser).get(path_of(enquiry)).content.decode()
    assert "it came back: there is no such mailbox" in page


# --- Nothing leaks -----------------------------------------------------------------------


def test_answers_and_their_mails_are_stored_encrypted(
    organisation: Organisation, organiser: User
) -> None:
    answer(write(), organiser)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_jsonb(a)::text, to_jsonb(m)::text FROM petitions_answer a, petitions_mail m"
        )
        stored = "".join(cursor.fetchone()).lower()
    for readable in ("amina", "example", "looked", "شكرًا"):
        assert readable not in stored
        assert readable.encode().hex() not in stored
    assert not re.search(r"\d\d:\d\d", json.dumps(Answer.objects.values().get(), default=str))


def test_short_and_long_answers_are_sealed_to_the_same_length(
    organisation: Organisation, organiser: User
) -> None:
    answer(write(), organiser, text="No.")
    answer(write(), organiser, text="Hello " * 400)
    assert len({len(bytes(one.sealed)) for one in Answer.objects.all()}) == 1


def test_the_enquiry_page_does_not_reveal_what_its_address_has_done(
    petition: Petition, organiser: User
) -> None:
    """Amina has signed and opted out, and her address bounced. Berta has done nothing."""
    sign_and_confirm(petition, AMINA)
    suppression.suppress_all(inbox=sealing.inbox_of(WRITER))
    suppression.suppress_bounced(address=WRITER)
    Mail.objects.all().delete()
    client, seen = log_in(organiser), []
    # The first request fills caches of content types.
    for address in ("carys@example.org", WRITER, "berta@example.org"):
        enquiry = write(kind="data", email=address)
        pages = []
        with CaptureQueriesContext(connection) as queries:
            pages.append(client.get(path_of(enquiry)).content.decode())
            press(client, enquiry, "send")
            outbox.deliver()
            pages.append(client.get(path_of(enquiry)).content.decode())
        page = "".join(pages).replace(address, "ADDRESS").replace(str(enquiry.pk), "ID")
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
        seen.append((len(queries), page))
    assert seen[1] == seen[2]
    assert [message.to for message in sent.outbox[1:]] == [[WRITER], ["berta@example.org"]]


def test_a_refused_answer_is_logged_without_its_address(
    organisation: Organisation, organiser: User, smtp: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    answer(write(email="writer1@example.org"), organiser)
    with smtp.in_mood(Mood.SAYS_550):
        outbox.deliver()
    assert "not sent (550 5.1.1)" in caplog.text
    assert "writer1" not in caplog.text


def test_moderators_can_neither_read_nor_answer_enquiries(organiser: User, moderator: User) -> None:
    enquiry = write()
    client = log_in(moderator)
    assert client.get(path_of(enquiry)).status_code == 403
    assert client.post(path_of(enquiry), {"act": "send", "text": TEXT}).status_code == 403
    assert not Mail.objects.exists()


# --- The words ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
@pytest.mark.parametrize("words", list(Words))
def test_ready_words_are_complete_and_translated_in_every_language(
    organisation: Organisation, words: Words, language: str
) -> None:
    text = ready(words, enquiry=write(language=language), language=language)
    assert "%(" not in text
    assert organisation.name in text
    assert len(text) < enquiries.MAX_ANSWER / 2
    if language != "en":
        assert text != ready(words, enquiry=write(), language="en")
        english = re.findall(r"\b(?:the|you|and|with)\b", text)
        assert not english


def test_the_answer_form_is_prefilled_with_ready_words_in_the_writers_language(
    organisation: Organisation, organiser: User
) -> None:
    client = log_in(organiser)
    page = client.get(path_of(write(kind="complaint", language="ar"))).content.decode()
    assert "وصلتنا شكواك" in page
    assert "We have received your complaint" in page  # what they mean, for who reads no Arabic
    page = client.get(path_of(write(kind="complaint")) + "?words=erasure").content.decode()
    assert "There you can withdraw a signature" in page
    page = client.get(path_of(write()) + "?words=nonsense").content.decode()
    assert "We have received your complaint" in page


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "Hello,\n\n…\n\nSBC", "a\x00b"])
def test_an_invalid_answer_is_a_form_error_and_is_not_stored(
    organisation: Organisation, organiser: User, text: str
) -> None:
    page = press(log_in(organiser), write(), "send", text=text)
    assert "errorlist" in page
    assert not Answer.objects.exists()
    if text.startswith("Hello"):
        assert "Write your answer in place of “…”." in page
        assert "Hello,\n\n…\n\nSBC</textarea>" in page


# --- Days --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "received", "due"),
    [
        ("complaint", date(2026, 11, 29), date(2026, 12, 29)),
        ("data", date(2026, 11, 29), date(2026, 12, 29)),
        ("data", date(2026, 12, 31), date(2027, 1, 30)),
        ("complaint", date(2027, 1, 31), date(2027, 3, 2)),
        ("data", date(2027, 1, 31), date(2027, 2, 28)),
        ("data", date(2027, 2, 10), date(2027, 3, 10)),
    ],
)
def test_data_requests_are_due_within_a_month_and_complaints_in_thirty_days(
    kind: str, received: date, due: date
) -> None:
    assert enquiries.due_on(Enquiry.Kind(kind), received) == due


def test_enquiries_are_titled_by_their_kind_and_date(
    organisation: Organisation, organiser: User
) -> None:
    enquiry, client = write(), log_in(organiser)
    head = f"Complaint, {day(enquiry.received_on)}"
    page = client.get(path_of(enquiry)).content.decode()
    assert f"<h1>{head}, answer by {day(enquiry.due_on)}</h1>" in page
    assert str(enquiry.pk) not in re.sub(r"<[^>]*>", "", page)
    assert "section 164A" in page

    listed = client.get("/admin/petitions/enquiry/?to_do=waiting").content.decode()
    assert head in listed
    assert "amina" not in listed
    answer(enquiry, organiser)
    assert head not in client.get("/admin/petitions/enquiry/?to_do=waiting").content.decode()
    listed = client.get("/admin/petitions/enquiry/?to_do=finished").content.decode()
    assert f"answered on {day(timezone.localdate())}" in listed


# --- Afterwards --------------------------------------------------------------------------


def test_answers_and_their_mails_are_deleted_together_with_the_enquiry(
    organisation: Organisation, organiser: User
) -> None:
    enquiry = write()
    answer(enquiry, organiser)
    outbox.deliver()
    old = timezone.now() - timedelta(days=30)
    Mail.objects.update(created_at=old, due_at=old)
    retention.apply()
    # The page shows the outcome for as long as it shows the message.
    assert Mail.objects.get().state == Mail.State.SENT

    Enquiry.objects.update(answered_on=timezone.localdate() - timedelta(days=184))
    retention.apply()
    for model in (Enquiry, Answer, Mail):
        assert not model.objects.exists()


def test_deleting_the_mail_of_an_answer_can_use_an_index(db: None) -> None:
    """Retention looks it up, and the table of mails is the second largest."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan TO off")
        cursor.execute(
            "EXPLAIN DELETE FROM petitions_mail WHERE answer_id IN (gen_random_uuid(), %s)",
            ["00000000-0000-0000-0000-000000000000"],
        )
        assert "mail_answer_once" in "".join(line for (line,) in cursor.fetchall())


def test_answers_are_resealed_with_a_new_key_together_with_their_enquiry(
    organisation: Organisation, organiser: User, settings: Any
) -> None:
    enquiry = write()
    answer(enquiry, organiser)
    (old,) = settings.SEALING_KEYS.values()
    settings.SEALING_KEYS = {2: b"n" * 32, 1: old}
    enquiries.reseal(enquiry)

    settings.SEALING_KEYS = {2: b"n" * 32}
    assert enquiries.read_answer(Answer.objects.get()) == TEXT
    enquiry.refresh_from_db()
    assert enquiries.read(enquiry).email == WRITER
