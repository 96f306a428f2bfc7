"""Signing: what is stored, what is not stored, and the number of statements."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.counting import tallies
from petitions.mail import outbox
from petitions.models import Mail, Petition, Place, Postcode, Signature, Signer, Tally
from petitions.screening.screen import Evidence
from petitions.signatures.submit import NotOpen, submit
from petitions.signers import sealing
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm, typed

PAGE = "/petitions/protect/"


def test_signing_stores_a_pending_signature_and_one_mail_without_counting(
    petition: Petition,
) -> None:
    signature_id = sign(petition)

    signature = Signature.objects.get(pk=signature_id)
    assert signature.state == Signature.State.PENDING
    assert Mail.objects.filter(signature=signature, state=Mail.State.QUEUED).count() == 1
    assert tallies.total(petition.pk) == 0


@pytest.mark.django_db(transaction=True)
def test_signing_makes_one_query_for_a_new_and_for_a_known_mailbox(
    petition: Petition,
) -> None:
    # Prepares the statements of this connection.
    sign(petition, DAVID)
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            sign(petition)
        assert len(queries) == 1, [q["sql"] for q in queries]


@pytest.mark.django_db(transaction=True)
def test_posting_the_signing_form_makes_at_most_six_queries(
    petition: Petition, browser: Client
) -> None:
    browser.post(PAGE, typed())
    with CaptureQueriesContext(connection) as queries:
        response = browser.post(PAGE, typed(email="other@example.org"))
    assert response.status_code == 303
    assert len(queries) <= 6, [q["sql"] for q in queries]


def test_no_table_contains_readable_personal_data(petition: Petition) -> None:
    sign(petition, DAVID)
    needles = [b"David", b"david", b"example.net", b"JO"]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")  # noqa: S608
            text = "".join(row[0] for row in cursor.fetchall()).encode()
            assert not [needle for needle in needles if needle in text], table
            # Two given bytes may occur in random ones by chance. Four hardly ever do.
            for needle in (needle for needle in needles if len(needle) >= 4):
                assert needle.hex().encode() not in text.lower()


def test_unsealing_returns_what_was_typed(petition: Petition) -> None:
    signature_id = sign(petition, BASHIR)

    signer = Signer.objects.get(pk=signature_id)
    assert sealing.unsealed(signer) == {
        "name": BASHIR.name,
        "email": BASHIR.email,
        "postcode": BASHIR.postcode,
        "country": "",
        "language": "ar",
    }


def test_pending_forms_with_my_address_do_not_take_up_my_household_slots(
    petition: Petition,
) -> None:
    for number in range(3):
        sign(
            petition,
            BASHIR.__class__(
                name=f"Bogus {'abc'[number]}",
                email=AMINA.email,
                postcode="EH11YZ",
                name_use="public",
            ),
        )
    sign_and_confirm(petition, AMINA)
    assert tallies.total(petition.pk) == 1


def test_a_later_attempt_does_not_change_the_name_choice_of_an_earlier_one(
    petition: Petition,
) -> None:
    mine = sign(petition, AMINA)
    sign(petition, sealing.Attempt(name=AMINA.name, email=AMINA.email, name_use="public"))

    assert Signature.objects.get(pk=mine).name_use == AMINA.name_use


def test_the_sixth_mail_of_a_day_is_withheld_with_the_same_response(
    petition: Petition, browser: Client, settings: Any
) -> None:
    answers = [browser.post(PAGE, typed()) for _ in range(settings.MAILS_PER_MAILBOX_AND_DAY + 1)]

    outbox.deliver()
    states = list(Mail.objects.order_by("created_at").values_list("state", flat=True))
    assert states.count(Mail.State.SENT) == settings.MAILS_PER_MAILBOX_AND_DAY
    assert states.count(Mail.State.WITHHELD) == 1
    assert len({(a.status_code, len(a.headers["Location"])) for a in answers}) == 1


def test_one_more_mail_is_sent_an_hour_after_the_daily_limit_was_reached(
    petition: Petition,
) -> None:
    for _ in range(6):
        sign(petition)
    outbox.deliver()
    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=61))

    signature_id = sign(petition)

    assert outbox.deliver() == 1
    assert Mail.objects.get(signature=signature_id).state == Mail.State.SENT


def test_the_mail_limit_counts_all_spellings_of_a_mailbox_together(
    petition: Petition,
) -> None:
    spellings = [
        "a.b@gmail.com",
        "ab@gmail.com",
        "ab+x@googlemail.com",
        "AB@GMAIL.COM",
        "a.b+y@gmail.com",
    ]
    for email in spellings:
        sign(petition, sealing.Attempt(name="A B", email=email, name_use="public"))

    last = sign(petition, sealing.Attempt(name="A B", email="abc@gmail.com", name_use="public"))
    over = sign(petition, sealing.Attempt(name="A B", email="ab@gmail.com", name_use="public"))

    # `now()` is constant in a test's transaction.
    Mail.objects.filter(signature=over).update(created_at=timezone.now() + timedelta(seconds=1))

    outbox.deliver()
    assert Mail.objects.get(signature=last).state == Mail.State.SENT
    assert Mail.objects.get(signature=over).state == Mail.State.WITHHELD


def test_a_known_postcode_counts_in_its_constituency(petition: Petition) -> None:
    place = Place.objects.create(code="E14000001", name="Testford North")
    Postcode.objects.create(postcode="M145RX", place=place)

    assert sign_and_confirm(petition, AMINA).place_id == "E14000001"
    assert Tally.objects.get().place_id == "E14000001"


def test_an_unknown_postcode_counts_as_constituency_not_known(
    petition: Petition,
) -> None:
    signature = sign_and_confirm(petition, AMINA)
    assert signature.place_id == "unknown"


def test_a_signer_abroad_counts_as_abroad_and_the_country_stays_sealed(
    petition: Petition,
) -> None:
    signature = sign_and_confirm(petition, DAVID)
    assert signature.place_id == "abroad"
    assert sealing.unsealed(signature.signer)["country"] == "JO"
    rows = [*Signature.objects.values(), *Tally.objects.values(), *Mail.objects.values("code")]
    assert not [value for row in rows for value in row.values() if value == "JO"]


def test_a_closed_petition_takes_no_signature(petition: Petition) -> None:
    petition.closes_at = timezone.now() - timedelta(seconds=1)
    petition.save()

    outcome = submit(petition=petition, attempt=AMINA, evidence=Evidence())

    assert outcome == NotOpen()
    assert not Signature.objects.exists()
    assert not Signature.objects.exists()
