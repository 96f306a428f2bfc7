"""What somebody who knows another person's name and address must not achieve."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from petitions import retention, signing, tallies
from petitions.models import Mail, Petition, Signature, Signer, Tally
from petitions.signing import Outcome
from tests.integration.test_confirming import link
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm, typed

PAGE = "/petitions/protect/"


def test_whichever_link_the_owner_presses_the_name_stays_as_far_back_as_they_asked(
    petition: Petition,
) -> None:
    """Somebody uses up the day's mails with "public"; the owner's own "withheld" gets none."""
    bogus = [sign(petition, replace(BASHIR, name_use="public")) for _ in range(5)]
    mine = sign(petition, BASHIR)
    assert Mail.objects.get(signature=mine).state == Mail.State.WITHHELD

    assert confirm(bogus[0]) is Outcome.CONFIRMED

    assert Signature.objects.get(pk=bogus[0]).name_use == Signature.NameUse.WITHHELD


def test_news_are_sent_only_if_they_were_wanted_every_time(petition: Petition) -> None:
    bogus = sign(petition, replace(AMINA, wants_updates=True))
    sign(petition, AMINA)

    confirm(bogus)

    assert not Signature.objects.get(pk=bogus).wants_updates


def test_erasing_a_person_takes_every_attempt_of_theirs_along(petition: Petition) -> None:
    counted, again = sign_and_confirm(petition), sign(petition)
    neighbour = sign_and_confirm(petition, BASHIR)

    assert signing.withdraw(signature_id=counted.pk)

    assert confirm(again) is Outcome.GONE
    assert [signer.pk for signer in Signer.objects.all()] == [neighbour.pk]
    assert tallies.total(petition.pk) == 1
    assert not tallies.differences(petition.pk)


def test_nobodys_erasure_hangs_on_a_number(petition: Petition) -> None:
    counted = sign_and_confirm(petition)
    Tally.objects.update(n=0)

    assert signing.withdraw(signature_id=counted.pk)

    assert not Signer.objects.exists()


def test_a_mail_found_long_afterwards_tells_of_no_signature(
    petition: Petition, client: Client
) -> None:
    counted = sign_and_confirm(petition)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=15))

    for response in (client.get(link(counted.pk)), client.post(link(counted.pk))):
        assert response.status_code == 404
        assert counted.spoken_reference not in response.content.decode()


def test_whoever_signs_again_reads_the_reference_that_stands(
    petition: Petition, client: Client
) -> None:
    counted = sign_and_confirm(petition)
    again = sign(petition)

    page = client.post(link(again)).content.decode()

    assert counted.spoken_reference in page
    assert Signature.objects.get(pk=again).spoken_reference not in page


def test_another_site_ticks_nobodys_consent(petition: Petition) -> None:
    foreign = Client(headers={"Sec-Fetch-Site": "cross-site"})
    page = foreign.post(PAGE, typed(updates="on")).content.decode()
    assert "Amina Example" in page
    assert "checked" not in page


def test_a_petition_that_closes_in_the_last_moment_is_closed_kindly(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(**_kwargs: Any) -> None:
        raise signing.NotAccepting

    monkeypatch.setattr(signing, "sign", too_late)
    assert browser.post(PAGE, typed()).status_code == 409


def test_a_removed_attempt_that_nobody_confirmed_is_deleted_in_time(
    petition: Petition,
) -> None:
    sign(petition)
    Signature.objects.update(
        state=Signature.State.REMOVED, created_at=timezone.now() - timedelta(days=15)
    )
    assert retention.delete_expired_pending() == 1
    assert not Signer.objects.exists()


def test_a_petition_taken_down_keeps_its_people_no_longer_than_a_closed_one(
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_attempts_that_arrive_together_get_no_more_mails_than_the_limit(
    petition: Petition, guarded: bool, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Without the mailbox's lock they all count before any of them has written."""
    settings.MAILS_PER_MAILBOX_AND_DAY = 1
    if not guarded:
        insert, together = signing._insert, threading.Barrier(4)

        def insert_together(row: dict[str, Any]) -> None:
            insert(row)
            together.wait(timeout=10)

        monkeypatch.setattr(signing, "_lock_mailbox", lambda _index: None)
        monkeypatch.setattr(signing, "_insert", insert_together)

    def signs() -> None:
        try:
            sign(petition)
        finally:
            connections.close_all()

    _at_once([signs] * 4)

    queued = Mail.objects.filter(state=Mail.State.QUEUED).count()
    assert Signature.objects.count() == 4
    assert queued == (1 if guarded else 4)


def _at_once(actions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
