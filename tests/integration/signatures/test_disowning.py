"""Mail scanners may press both buttons of a mail, "confirm" and "this was not me"."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as sent
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.mail import outbox
from petitions.models import Decision, Mail, Objection, Petition, Signature, Signer
from petitions.privacy import retention
from petitions.signatures import confirm as confirming
from petitions.signatures import disown
from petitions.signers import sealing
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm

State = Signature.State
CONFIRM, NOT_ME = r"/t/\w+/confirm/[\w-]+/", r"/t/\w+/not-me/[\w-]+/"
QUESTION = "Which of the two did you mean?"
BOTH_ORDERS = pytest.mark.parametrize("order", [(CONFIRM, NOT_ME), (NOT_ME, CONFIRM)])


def mailed_links(kinds: tuple[str, ...]) -> list[str]:
    """Return the "confirm" and "not me" links of the mail that is sent now."""
    sent.outbox.clear()
    outbox.deliver()
    (message,) = sent.outbox
    return [re.findall(kind, str(message.body))[0] for kind in kinds]


def pressed_both(petition: Petition, browser: Client, order: tuple[str, ...]) -> str:
    """Sign as Amina, press both buttons, and return the page after the second press."""
    sign(petition)
    pages = [browser.post(link).content.decode() for link in mailed_links(order)]
    return pages[1]


def rows(signature: Signature) -> dict[str, Any]:
    """Return all columns of a signature, its signer and its mails."""
    signer = Signer.objects.filter(pk=signature.pk).values().get()
    mails = Mail.objects.filter(signature=signature).order_by("id").values()
    row = Signature.objects.filter(pk=signature.pk).values().get()
    return {"signature": row, "signer": signer, "mails": list(mails)}


@BOTH_ORDERS
def test_pressing_both_confirm_and_not_me_restores_the_pending_signature(
    petition: Petition, browser: Client, order: tuple[str, ...]
) -> None:
    signature_id = sign(petition)
    first, second = mailed_links(order)
    before = rows(Signature.objects.get(pk=signature_id))

    browser.post(first)
    answer = browser.post(second)

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert rows(Signature.objects.get(pk=signature_id)) == before
    assert not Objection.objects.exists()
    assert tallies.total(petition.pk) == 0


@BOTH_ORDERS
def test_after_both_presses_the_page_asks_which_was_meant_without_any_names(
    petition: Petition, browser: Client, order: tuple[str, ...]
) -> None:
    page = pressed_both(petition, browser, order)

    assert QUESTION in page
    assert page.count("<button") == 2
    assert not any(told in page for told in ("Amina", "amina@", "Protect", "M14"))
    assert len(re.findall(f'action="{CONFIRM}"', page)) == 1
    assert len(re.findall(f'action="{NOT_ME}"', page)) == 1


@BOTH_ORDERS
@pytest.mark.parametrize("where", ["page", "mail"])
def test_after_both_presses_pressing_confirm_once_more_confirms(
    petition: Petition, browser: Client, order: tuple[str, ...], where: str
) -> None:
    sign(petition)
    links = mailed_links((CONFIRM, NOT_ME))
    pages = [
        browser.post(link).content.decode()
        for link in (links if order[0] == CONFIRM else links[::-1])
    ]
    link = links[0] if where == "mail" else re.findall(f'action="({CONFIRM})"', pages[1])[0]

    assert "Your signature is confirmed" in browser.post(link).content.decode()

    assert Signature.objects.get().state == State.CONFIRMED
    assert tallies.total(petition.pk) == 1
    assert not Objection.objects.exists()


@BOTH_ORDERS
@pytest.mark.parametrize("where", ["page", "mail"])
def test_after_both_presses_pressing_not_me_once_more_disowns_the_form(
    petition: Petition, browser: Client, order: tuple[str, ...], where: str
) -> None:
    sign(petition)
    links = mailed_links((CONFIRM, NOT_ME))
    pages = [
        browser.post(link).content.decode()
        for link in (links if order[0] == CONFIRM else links[::-1])
    ]
    link = links[1] if where == "mail" else re.findall(f'action="({NOT_ME})"', pages[1])[0]

    assert "Thank you for telling us" in browser.post(link).content.decode()

    assert Objection.objects.get().reason == Objection.Reason.NOT_ME
    Signature.objects.update(disowned_at=timezone.now() - timedelta(minutes=61))
    retention.apply()
    assert not Signature.objects.exists()
    assert not Signer.objects.exists()


def test_a_disowned_form_is_deleted_after_one_hour(petition: Petition, browser: Client) -> None:
    other = sign(petition, DAVID)
    mine = sign(petition)
    disown.disown(mailbox=sealing.mailbox_of(Signature.objects.get(pk=mine), AMINA.email))
    assert retention.delete_disowned() == 0

    Signature.objects.filter(pk=mine).update(disowned_at=timezone.now() - timedelta(minutes=61))
    assert retention.delete_disowned() == 1
    assert [row.pk for row in Signature.objects.all()] == [other]


def test_disowning_twice_does_not_extend_how_long_the_form_is_kept(petition: Petition) -> None:
    signature = Signature.objects.get(pk=sign(petition))
    mailbox = sealing.mailbox_of(signature, AMINA.email)
    earlier = timezone.now() - timedelta(minutes=50)
    disown.disown(mailbox=mailbox)
    Signature.objects.update(disowned_at=earlier)
    disown.disown(mailbox=mailbox)
    assert Signature.objects.get().disowned_at == earlier


def test_not_me_does_not_undo_a_confirmation_older_than_a_minute(
    petition: Petition, browser: Client
) -> None:
    """Somebody else may read the mail later, and must not learn of the confirmation."""
    sign(petition)
    confirm_link, not_me = mailed_links((CONFIRM, NOT_ME))
    browser.post(confirm_link)
    Signature.objects.update(confirmed_at=timezone.now() - timedelta(seconds=61))

    assert "Thank you for telling us" in browser.post(not_me).content.decode()
    assert Signature.objects.get().state == State.CONFIRMED
    assert tallies.total(petition.pk) == 1


def test_a_form_can_be_confirmed_after_not_me_is_taken_back(
    petition: Petition, browser: Client
) -> None:
    sign(petition)
    confirm_link, not_me = mailed_links((CONFIRM, NOT_ME))
    browser.post(not_me)
    browser.post(not_me, {"lift": "1"})

    assert "Your signature is confirmed" in browser.post(confirm_link).content.decode()


def test_not_me_does_not_undo_a_moderators_decision(petition: Petition, moderator: Any) -> None:
    signature = sign_and_confirm(petition)
    decision = Decision.objects.create(
        petition=petition, kind="hold", reason="suspicious", actor=moderator
    )
    Signature.objects.update(state=State.HELD, decision=decision)
    outcome = disown.disown(mailbox=sealing.mailbox_of(signature, AMINA.email))
    assert outcome is disown.Outcome.DISOWNED
    assert Signature.objects.get().state == State.HELD


def test_not_me_makes_a_held_signature_pending_and_confirming_holds_it_again(
    petition: Petition,
) -> None:
    signature_id = sign(petition)
    Signature.objects.update(verdict="hold", signals=["honeypot"])
    confirm(signature_id)
    signature = Signature.objects.get()
    assert signature.state == State.HELD

    disown.disown(mailbox=sealing.mailbox_of(signature, AMINA.email))
    assert Signature.objects.get().state == State.PENDING
    confirm(signature_id)
    assert Signature.objects.get().state == State.HELD
    assert tallies.total(petition.pk) == 0


def test_not_me_after_a_confirmation_frees_the_household_slot(petition: Petition) -> None:
    """Its slot is free, and it has the blind indexes of pending signatures."""
    signature = sign_and_confirm(petition)
    disown.disown(mailbox=sealing.mailbox_of(signature, AMINA.email))

    twin = sign(petition, replace(AMINA, postcode="CF101AA"))
    assert confirm(twin) is confirming.Outcome.CONFIRMED
    assert confirm(signature.pk) is confirming.Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


def test_a_disowned_form_does_not_affect_other_confirmations(
    petition: Petition,
) -> None:
    """It is no choice, and does not narrow the use of a name."""
    disowned = sign(petition, BASHIR)
    mine = sign(petition)
    disown.disown(mailbox=sealing.mailbox_of(Signature.objects.get(pk=disowned), AMINA.email))

    pressed = confirming.confirm(signature_id=mine, epoch=0)

    assert pressed.outcome is confirming.Outcome.CONFIRMED
    assert Signature.objects.get(pk=mine).name_use == AMINA.name_use


@pytest.mark.parametrize("press", [confirm, lambda pk: disown.disown(mailbox=_mailbox(pk))])
def test_the_second_of_two_contradicting_presses_has_a_bounded_query_count(
    petition: Petition, press: Callable[[Any], object], django_assert_max_num_queries: Any
) -> None:
    signature_id = sign(petition)
    if press is confirm:
        disown.disown(mailbox=_mailbox(signature_id))
    else:
        confirm(signature_id)
    with django_assert_max_num_queries(16):
        press(signature_id)
    assert Signature.objects.get().state == State.PENDING


def test_pressing_not_me_unseals_only_its_own_form(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of forms a day for one's own mailbox must not make confirmations slow."""
    mailbox = _mailbox(sign(petition))
    for _ in range(3):
        sign(petition)
    opened, unsealed = [], sealing.unsealed

    def noted(signer: Signer) -> dict[str, str]:
        opened.append(signer.pk)
        return unsealed(signer)

    monkeypatch.setattr(sealing, "unsealed", noted)

    disown.disown(mailbox=mailbox)
    disown.take_back(mailbox=mailbox)

    assert set(opened) == {mailbox.signature_id}


def _mailbox(signature_id: Any) -> Any:
    return sealing.mailbox_of(Signature.objects.get(pk=signature_id), AMINA.email)
