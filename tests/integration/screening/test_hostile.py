"""What somebody who knows another person's name and address must not achieve."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.mail import outbox
from petitions.models import Mail, Petition, Signature, Signer, Tally
from petitions.privacy import retention
from petitions.signatures import check_email, submit, withdraw
from petitions.signatures.confirm import Outcome
from tests.integration.signatures.test_confirming import link
from tests.people import AMINA, BASHIR, DAVID, confirm, correct, sign, sign_and_confirm, typed

PAGE = "/petitions/protect/"


def test_confirming_any_attempt_applies_the_most_private_name_use(
    petition: Petition,
) -> None:
    """Somebody uses up the day's mails with "public"; the owner's own "withheld" gets none."""
    bogus = [sign(petition, replace(BASHIR, name_use="public")) for _ in range(5)]
    mine = sign(petition, BASHIR)
    # A test's transaction has but one moment.
    Mail.objects.filter(signature=mine).update(created_at=timezone.now() + timedelta(seconds=1))
    outbox.deliver()
    assert Mail.objects.get(signature=mine).state == Mail.State.WITHHELD

    assert confirm(bogus[0]) is Outcome.CONFIRMED

    assert Signature.objects.get(pk=bogus[0]).name_use == Signature.NameUse.WITHHELD


def test_news_consent_requires_a_tick_in_every_attempt(petition: Petition) -> None:
    bogus = sign(petition, replace(AMINA, wants_updates=True))
    sign(petition, AMINA)

    confirm(bogus)

    assert not Signature.objects.get(pk=bogus).wants_updates


def test_erasing_a_person_deletes_all_their_attempts(petition: Petition) -> None:
    counted, again = sign_and_confirm(petition), sign(petition)
    neighbour = sign_and_confirm(petition, BASHIR)

    assert withdraw.withdraw(signature_id=counted.pk)

    assert confirm(again) is Outcome.GONE
    assert [signer.pk for signer in Signer.objects.all()] == [neighbour.pk]
    assert tallies.total(petition.pk) == 1
    assert not tallies.differences(petition.pk)


def test_erasure_succeeds_although_the_tally_is_wrong(petition: Petition) -> None:
    counted = sign_and_confirm(petition)
    Tally.objects.update(n=0)

    assert withdraw.withdraw(signature_id=counted.pk)

    assert not Signer.objects.exists()


def test_an_old_confirmation_link_is_a_404_without_the_reference(
    petition: Petition, client: Client
) -> None:
    counted = sign_and_confirm(petition)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=15))

    for response in (client.get(link(counted.pk)), client.post(link(counted.pk))):
        assert response.status_code == 404
        assert counted.spoken_reference not in response.content.decode()


def test_a_cross_site_post_leaves_the_tick_boxes_unticked(petition: Petition) -> None:
    foreign = Client(headers={"Sec-Fetch-Site": "cross-site"})
    page = foreign.post(PAGE, typed(updates="on")).content.decode()
    assert "Amina Example" in page
    assert "checked" not in page


def test_signing_a_petition_that_has_just_closed_is_answered_with_409(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petitions.web.views.signing.submit", lambda **_: submit.NotOpen())
    assert browser.post(PAGE, typed()).status_code == 409


def test_an_unconfirmed_removed_attempt_is_deleted_like_an_expired_pending_one(
    petition: Petition,
) -> None:
    sign(petition)
    Signature.objects.update(
        state=Signature.State.REMOVED, created_at=timezone.now() - timedelta(days=15)
    )
    assert retention.delete_expired_pending() == 1
    assert not Signer.objects.exists()


def test_taking_down_a_petition_sets_its_closing_time(
    petition: Petition,
) -> None:
    sign_and_confirm(petition, DAVID)
    petition.state = Petition.State.REMOVED
    petition.save()
    assert petition.closes_at


def test_a_petition_that_has_not_opened_can_be_taken_down(petition: Petition) -> None:
    petition.opens_at = timezone.now() + timedelta(days=1)
    petition.state = Petition.State.REMOVED
    petition.full_clean()
    petition.save()
    assert petition.closes_at


def test_simultaneous_attempts_get_no_more_mails_than_the_daily_limit(
    petition: Petition, settings: Any
) -> None:
    for _ in range(settings.MAILS_PER_MAILBOX_AND_DAY + 7):
        sign(petition)
    Mail.objects.update(created_at=timezone.now())  # all in the very same moment

    assert outbox.deliver() == settings.MAILS_PER_MAILBOX_AND_DAY
    assert Mail.objects.filter(state=Mail.State.WITHHELD).count() == 7


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_no_more_mails_than_the_limit(
    petition: Petition, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 3)
    for _ in range(12):
        sign(petition)

    def delivers() -> None:
        try:
            outbox.deliver()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=delivers) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    sent = Mail.objects.filter(state=Mail.State.SENT).count()
    assert sent == settings.MAILS_PER_MAILBOX_AND_DAY


def test_corrected_attempts_do_not_use_up_the_mail_limit_of_an_address(petition: Petition) -> None:
    for n in range(9):
        attempt_id = sign(petition, AMINA)
        page = check_email.Page(attempt_id, petition.slug, AMINA)
        elsewhere = replace(AMINA, email=f"elsewhere{n}@example.net")
        correct(page, petition, elsewhere)
        # Some are claimed by the worker just before they are taken back, some after.
        if n % 2:
            outbox.deliver()
        check_email.settle()
        outbox.deliver()
    own = sign(petition, AMINA)
    outbox.deliver()

    assert Mail.objects.get(signature=own).state == Mail.State.SENT
