"""A copy of the database and one form: what somebody learns who has no key.

Mallory signs with Amina's address, gets a copy of the database, and finds the rows of that form. No
index in them may equal one of what Amina did before.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.apps import apps
from django.core import mail as sent
from django.db import connection, models
from django.test import Client
from django.utils import timezone

from petitions.crypto import tokens
from petitions.mail import news_sending, outbox, reminders, suppression
from petitions.models import Mail, News, Petition, Signature
from petitions.screening.screen import Evidence
from petitions.signatures import find, self_service
from petitions.signatures.check_email import Page
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.people import AMINA, sign, sign_and_confirm, typed

Act = Callable[[Petition], object]


def ask_for_a_link(_petition: Petition) -> None:
    find.request_links(address=AMINA.email, language="en", evidence=Evidence())
    find.settle()


def say_that_it_was_not_me(petition: Petition) -> None:
    inbox = sealing.inbox_of(AMINA.email)
    mailbox = tokens.Mailbox(UUID(int=0), 0, petition.pk, inbox.key_id, inbox.ix)
    suppression.suppress_petition(mailbox=mailbox)


def bounce(_petition: Petition) -> None:
    suppression.suppress_bounced(address=AMINA.email)


def want_no_mail(_petition: Petition) -> None:
    suppression.suppress_all(inbox=sealing.inbox_of(AMINA.email))


def sign_another(_petition: Petition) -> None:
    other = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    sign_and_confirm(other, AMINA)


def stored_bytes(*, of: UUID | None = None) -> set[bytes]:
    """All values of bytes in all tables; `of`: only those of the rows of one signature."""
    found: set[bytes] = set()
    for model in apps.get_app_config("petitions").get_models():
        names = [f.attname for f in model._meta.fields if isinstance(f, models.BinaryField)]
        rows = model._default_manager.all()
        if of is not None:
            if not any(field.attname == "signature_id" for field in model._meta.fields):
                continue
            rows = rows.filter(signature_id=of)
        # The domain's index is of the day, and of everybody at that domain.
        for name in set(names) - {"domain_ix", "network_ix"}:
            found |= {bytes(value) for value in rows.values_list(name, flat=True) if value}
    return found


@pytest.mark.parametrize(
    "act",
    [
        sign_and_confirm,
        sign_another,
        ask_for_a_link,
        say_that_it_was_not_me,
        bounce,
        want_no_mail,
    ],
)
def test_a_pending_form_shares_no_stored_bytes_with_earlier_acts_of_its_address(
    petition: Petition, act: Act
) -> None:
    act(petition)
    before = stored_bytes()
    assert before

    forged = sign(petition, AMINA)

    assert len(stored_bytes(of=forged)) >= 5
    assert not stored_bytes(of=forged) & before


@pytest.mark.parametrize("typed_address", [AMINA.email, "amina+made-up@example.org"])
def test_a_link_request_stores_the_same_mail_rows_for_signers_and_strangers(
    petition: Petition, typed_address: str
) -> None:
    """Mallory asks for the signatures of an alias of Amina's, which anybody can make up."""

    def rows_of_a_request() -> list[tuple[object, ...]]:
        before = set(Mail.objects.values_list("pk", flat=True))
        find.request_links(address=typed_address, language="en", evidence=Evidence())
        find.settle()
        outbox.deliver()
        rows = Mail.objects.exclude(pk__in=before).order_by("kind")
        assert len({row.created_at for row in rows}) == 1
        return [
            (row.kind, row.state, row.code, row.attempts, row.signature_id, len(row.sealed or b""))
            for row in rows
        ]

    nobody = rows_of_a_request()
    sign_and_confirm(petition, AMINA)
    outbox.deliver()
    assert rows_of_a_request() == nobody


def test_a_pending_form_stores_the_same_reminder_for_signers_and_strangers(
    petition: Petition,
) -> None:
    """Mallory sends a form in Amina's name, with her address, and waits."""

    def rows_of_a_form(person: Attempt) -> list[tuple[object, ...]]:
        forged = sign(petition, person)
        outbox.deliver()
        then = timezone.now() - timedelta(hours=24.5)
        Signature.objects.filter(pk=forged).update(created_at=then)
        reminders.queue_reminders()
        Mail.objects.filter(kind=Mail.Kind.REMIND).update(due_at=then)
        outbox.deliver()
        rows = Mail.objects.filter(signature=forged).order_by("kind")
        return [(row.kind, row.state, row.code, row.attempts, row.sealed) for row in rows]

    nobody = rows_of_a_form(replace(AMINA, email="nobody@example.org"))
    sign_and_confirm(petition, AMINA)
    mailed = len(sent.outbox)
    assert rows_of_a_form(AMINA) == nobody
    assert [kind for kind, *_rest in nobody] == ["confirm", "remind"]
    # The confirmation that was queued before, the forged form's, and no reminder.
    assert len(sent.outbox) == mailed + 2


def test_confirmed_signatures_on_two_petitions_share_no_stored_bytes(
    petition: Petition,
) -> None:
    """By a hand-in list of one petition, whose rows have references, a copy of the database tells
    whose rows there are theirs; it is not to tell what else they signed, or got news of.
    """
    other = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    signatures = [
        sign_and_confirm(one, replace(AMINA, wants_updates=True)) for one in (petition, other)
    ]
    for signature in signatures:
        news = News.objects.create(petition=signature.petition)
        assert news_sending._insert(
            news.pk,
            news_sending._without_queued(news.pk, news_sending._mailboxes(news.pk, [signature])),
        )

    here, elsewhere = (stored_bytes(of=signature.pk) for signature in signatures)

    assert len(here) >= 6
    assert not here & elsewhere
    # Their owner finds both by one link.
    shown = self_service.own_signatures(recipient=sealing.recipient_of(AMINA.email))
    assert {one.signature.pk for one in shown} == {signature.pk for signature in signatures}


def test_two_pending_forms_of_one_person_share_four_indexes(petition: Petition) -> None:
    first, second = sign(petition, AMINA), sign(petition, AMINA)
    # Three indexes of the signer, one of the mail: this much one form tells of another that waits.
    assert len(stored_bytes(of=first) & stored_bytes(of=second)) == 4


def test_the_check_page_token_does_not_contain_the_signature_id(petition: Petition) -> None:
    attempt_id = sign(petition, AMINA)
    page = Page(attempt_id, petition.slug, AMINA).seal()
    assert attempt_id.bytes not in tokens._unb64(page)


def test_confirming_replaces_the_pending_indexes_of_signer_and_mails(petition: Petition) -> None:
    signature = sign_and_confirm(petition, AMINA)
    wanted = sealing.indexes_of(petition.pk, sealing.person_of(AMINA), is_pending=False)
    assert sealing.stored(signature.signer)[:3] == wanted[:3]
    (mail,) = Mail.objects.filter(signature=signature)
    assert bytes(mail.global_mailbox_ix) == wanted.global_mailbox


LONGEST = (
    AMINA,
    Attempt(name="A", email="a@b.cy", country="JO", name_use="public", language="ar"),
    Attempt(name="ሰ" * 200, email=f"{'a' * 64}@{'b.' * 90}example", name_use="public"),
    Attempt(name='"' * 200, email=f"{'a' * 64}@{'b.' * 90}example", name_use="public"),
    Attempt(name="\U0001e900" * 150, email=f"{'a' * 64}@{'b.' * 90}example", postcode="M145RX",
            name_use="public"),
)  # fmt: skip


def test_signers_have_sealed_values_of_equal_length_for_all_valid_input(petition: Petition) -> None:
    for attempt in LONGEST:
        sign(petition, attempt)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT length(sealed) FROM petitions_signer")
        assert len(cursor.fetchall()) == 1
    assert Signature.objects.count() == len(LONGEST)


@pytest.mark.parametrize("name", ["\U0001e900" * 151, "a" * 201])
def test_a_name_over_the_length_limit_is_refused_with_an_error(
    petition: Petition, browser: Client, name: str
) -> None:
    page = browser.post("/petitions/protect/", typed(name=name))
    assert page.status_code == 422
    assert "This is too long: at most" in page.content.decode()
