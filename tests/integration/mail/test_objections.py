""" "This was not me": a link in the mail, a button, and no more mail about that petition."""

import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail as sent
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import tokens, vault
from petitions.mail import outbox, suppression
from petitions.models import Mail, Objection, Petition, Signature, Signer
from petitions.models.petition import PetitionText
from petitions.privacy import retention
from petitions.signatures import disown, withdraw
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.at_once import at_once
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm


def link_of(signature_id: Any, address: str = AMINA.email) -> str:
    """Return the link in the mail about an attempt."""
    signature = Signature.objects.get(pk=signature_id)
    key_id, ix = sealing.inbox_of(address)
    mailbox = tokens.Mailbox(
        signature.pk, signature.link_epoch, signature.petition_id, key_id, bytes(ix)
    )
    return f"/t/en/not-me/{tokens.mailbox_link(tokens.NOT_ME, mailbox)}/"


def another(petition: Petition) -> Petition:
    other = Petition.objects.create(
        slug="other", state=Petition.State.OPEN, opens_at=petition.opens_at
    )
    PetitionText.objects.create(petition=other, language="en", title="Other")
    return other


def two_hours_later() -> None:
    """Let the time pass in which "not me" can be undone, and run the deletion that follows."""
    earlier = timezone.now() - timedelta(hours=2)
    Signature.objects.exclude(disowned_at=None).update(disowned_at=earlier)
    Signature.objects.exclude(confirmed_at=None).update(confirmed_at=earlier)
    retention.delete_disowned()


def mailed() -> list[str]:
    sent.outbox.clear()
    outbox.deliver()
    return [message.to[0] for message in sent.outbox]


def test_the_confirmation_mail_has_a_not_me_link_to_a_page_with_one_button(
    petition: Petition, browser: Client
) -> None:
    signature_id = sign(petition)
    outbox.deliver()

    link = link_of(signature_id)
    assert link in str(sent.outbox[0].body)
    page = browser.get(link).content.decode()
    assert page.count("<button") == 1
    assert "Protect people" not in page


def test_a_get_request_to_the_not_me_link_changes_nothing(
    petition: Petition, browser: Client
) -> None:
    link = link_of(sign(petition))
    assert browser.get(link).status_code == 200
    assert browser.head(link).status_code == 200
    assert Signature.objects.get().state == Signature.State.PENDING
    assert not Objection.objects.exists()


def test_pressing_not_me_deletes_only_that_attempt(petition: Petition, browser: Client) -> None:
    mine, other = sign(petition), sign(petition, BASHIR)

    assert browser.post(link_of(mine)).status_code == 200
    two_hours_later()

    assert [row.pk for row in Signature.objects.all()] == [other]
    assert [row.pk for row in Signer.objects.all()] == [other]
    assert [row.pk for row in Signature.objects.filter(mails__isnull=False)] == [other]


def test_after_not_me_the_mailbox_gets_one_neutral_mail_and_then_none(
    petition: Petition, browser: Client
) -> None:
    """Except for one mail, which says that the address was entered again."""
    browser.post(link_of(sign(petition)))
    sign(petition, AMINA)
    assert mailed() == [AMINA.email]
    sign(petition, AMINA)
    sign(petition, BASHIR)
    sign(petition, replace(AMINA, email="Amina+again@Example.org"))
    sign(petition, DAVID)

    assert mailed() == [DAVID.email]

    theirs = Mail.objects.filter(signature__isnull=False).exclude(state=Mail.State.SENT)
    states = set(theirs.values_list("state", "code", "attempts"))
    # The first mail was still queued when its form was disowned.
    withheld = (Mail.State.WITHHELD, outbox.OBJECTED, 1)
    assert states == {withheld, (Mail.State.CANCELLED, "", 0)}


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_a_form_after_not_me_sends_a_neutral_mail_with_a_link_to_lift_it(
    petition: Petition, browser: Client, language: str
) -> None:
    browser.post(link_of(sign(petition)))
    again = sign(petition, replace(AMINA, language=language))
    mailed()

    (message,) = sent.outbox
    text = str(message.body)
    assert "/confirm/" not in text
    assert tokens.spoken(tokens.code(again, 0)) not in text
    for words in (message.subject, text[:150]):
        assert not any(told in words for told in ("Protect", "Amina", "SBC", "petition"))
    (link,) = re.findall(r"https?://[^/]+(/t/\w+/not-me/\S+)", text)
    browser.post(link, {"lift": "1"})
    sign(petition, AMINA)
    mailed()
    assert "/confirm/" in str(sent.outbox[0].body)


def test_a_neutral_mail_that_is_sent_again_stays_neutral(
    petition: Petition, browser: Client
) -> None:
    browser.post(link_of(sign(petition)))
    again = sign(petition, AMINA)
    mailed()
    Mail.objects.filter(signature=again).update(state=Mail.State.QUEUED, due_at=timezone.now())
    assert mailed() == [AMINA.email]
    assert "/confirm/" not in str(sent.outbox[0].body)


def test_a_not_me_objection_expires_after_thirty_days_and_is_deleted(
    petition: Petition, browser: Client
) -> None:
    """A stranger's form may have provoked it, and the owner could never sign again."""
    link = link_of(sign(petition))
    browser.post(link)
    Objection.objects.update(created_at=timezone.now() - timedelta(days=31))

    assert 'name="lift"' not in browser.get(link).content.decode()
    sign(petition, AMINA)
    mailed()
    assert "/confirm/" in str(sent.outbox[0].body)

    retention.delete_small_tables()
    assert not Objection.objects.exists()


def test_an_objection_to_all_mail_never_expires(petition: Petition) -> None:
    suppression.suppress_all(inbox=sealing.inbox_of(AMINA.email))
    Objection.objects.update(created_at=timezone.now() - timedelta(days=3000))
    retention.delete_small_tables()
    sign(petition, AMINA)
    assert mailed() == []


def test_not_me_does_not_stop_mail_about_another_petition(
    petition: Petition, browser: Client
) -> None:
    browser.post(link_of(sign(petition)))
    sign(another(petition), AMINA)
    assert mailed() == [AMINA.email]


def test_not_me_keeps_a_signature_confirmed_hours_ago_and_still_objects(
    petition: Petition, browser: Client
) -> None:
    standing = sign_and_confirm(petition, AMINA)
    two_hours_later()

    answer = browser.post(link_of(standing.pk))

    assert answer.status_code == 200
    assert Signature.objects.get().state == Signature.State.CONFIRMED
    assert Signer.objects.exists()
    sign(petition, AMINA)
    mailed()
    assert "/confirm/" not in str(sent.outbox[0].body)


def test_the_not_me_page_does_not_reveal_the_state_of_the_signature(
    petition: Petition, browser: Client
) -> None:
    """Somebody else may read the mail: pending, confirmed and deleted must look alike."""
    pending, standing = sign(petition, DAVID), sign_and_confirm(petition, AMINA).pk
    two_hours_later()
    links = [link_of(pending, DAVID.email), link_of(standing), link_of(standing)]
    gone = link_of(sign(petition, BASHIR))
    withdraw.withdraw(signature_id=Signature.objects.exclude(pk__in=[pending, standing]).get().pk)
    pages = [
        browser.post(link).content.decode().replace(link.split("/")[-2], "")
        for link in [*links, gone]
    ]
    assert len(set(pages)) == 1


def test_signing_with_an_objected_mailbox_looks_the_same_as_with_any_other(
    petition: Petition, browser: Client
) -> None:
    from tests.people import typed

    browser.post(link_of(sign(petition)))
    objected = browser.post("/petitions/protect/", typed())
    free = browser.post("/petitions/protect/", typed(email="nobody@example.org"))

    assert (objected.status_code, len(objected["Location"])) == (303, len(free["Location"]))
    pages = [browser.get(answer["Location"]).content.decode() for answer in (objected, free)]
    for page, answer in zip(pages, (objected, free), strict=True):
        assert answer["Location"] in page
    alike = [
        page.replace(answer["Location"], "").replace("n•••", "a•••")
        for page, answer in zip(pages, (objected, free), strict=True)
    ]
    assert len(alike[0]) == len(alike[1])


def test_not_me_can_be_taken_back_on_its_page(petition: Petition, browser: Client) -> None:
    link = link_of(sign(petition))
    outbox.deliver()
    done = browser.post(link).content.decode()
    assert f'href="{link}"' in done

    page = browser.get(link).content.decode()
    assert page.count("<button") == 1
    assert 'name="lift"' in page
    browser.post(link, {"lift": "1"})

    assert not Objection.objects.exists()
    sign(petition, AMINA)
    assert mailed() == [AMINA.email]


def test_pressing_not_me_twice_stores_one_objection(petition: Petition, browser: Client) -> None:
    link = link_of(sign(petition))
    assert [browser.post(link).status_code for _ in range(2)] == [200, 200]
    assert Objection.objects.count() == 1


def test_a_not_me_objection_outlives_the_deletion_of_the_signer(
    petition: Petition, browser: Client
) -> None:
    browser.post(link_of(sign(petition)))
    two_hours_later()
    assert not Signer.objects.exists()
    row = Objection.objects.get()
    assert (row.reason, row.petition, row.key_id) == ("not-me", petition, vault.index_key_id())
    assert row.created_at.hour == row.created_at.minute == row.created_at.second == 0


def test_a_not_me_objection_still_works_after_the_index_key_is_rotated(
    petition: Petition, browser: Client, settings: Any
) -> None:
    link = link_of(sign(petition))
    browser.post(link)
    settings.INDEX_KEYS = {9: b"9" * 32, **settings.INDEX_KEYS}

    sign(petition, AMINA)
    mailed()
    assert "/confirm/" not in str(sent.outbox[0].body)

    browser.post(link, {"lift": "1"})
    sign(petition, AMINA)
    assert mailed() == [AMINA.email]


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-2], lambda t: t[:8] + "AB"[t[8] == "A"] + t[9:], lambda t: "x"]
)
def test_a_damaged_not_me_link_returns_404(petition: Petition, browser: Client, spoil: Any) -> None:
    token = link_of(sign(petition)).split("/")[-2]
    for answer in (
        browser.get(f"/t/en/not-me/{spoil(token)}/"),
        browser.post(f"/t/en/not-me/{spoil(token)}/"),
    ):
        assert answer.status_code == 404
    assert Signature.objects.exists()


def test_confirmation_links_and_not_me_links_are_not_interchangeable(
    petition: Petition, browser: Client
) -> None:
    signature_id = sign(petition)
    confirming = tokens.link(tokens.CONFIRM, signature_id, 0)
    objecting = link_of(signature_id).split("/")[-2]
    assert browser.post(f"/t/en/not-me/{confirming}/").status_code == 404
    assert browser.post(f"/t/en/confirm/{objecting}/").status_code == 404
    assert Signature.objects.get().state == Signature.State.PENDING


def test_a_not_me_link_returns_404_after_the_petition_is_deleted(
    petition: Petition, browser: Client
) -> None:
    link = link_of(sign(petition))
    Mail.objects.all().delete()
    Signer.objects.all().delete()
    Signature.objects.all().delete()
    Petition.objects.all().delete()
    assert browser.post(link).status_code == 404
    assert not Objection.objects.exists()


@pytest.mark.parametrize(("path", "words"), [("ar", "لستُ أنا من فعل ذلك"), ("cy", "Nid fi")])
def test_the_not_me_page_is_in_the_language_of_its_link(
    petition: Petition, browser: Client, path: str, words: str
) -> None:
    link = link_of(sign(petition)).replace("/t/en/", f"/t/{path}/")
    assert words in browser.get(link).content.decode()


@pytest.mark.django_db(transaction=True)
def test_concurrent_confirm_and_not_me_cancel_each_other(petition: Petition) -> None:
    """The second press undoes the first and asks again. The result is never half of both."""
    for number in range(8):
        person: Attempt = replace(AMINA, email=f"race{number}@example.org")
        signature_id = sign(petition, person)
        token = link_of(signature_id, person.email).split("/")[-2]
        mailbox = tokens.read_mailbox_link(tokens.NOT_ME, token)
        outcomes = at_once(partial(confirm, signature_id), partial(disown.disown, mailbox=mailbox))
        assert sorted(str(one) for one in outcomes) in (
            ["Outcome.CONFIRMED", "Outcome.CONTRADICTED"],
            ["Outcome.CONTRADICTED", "Outcome.DISOWNED"],
        )
        signature = Signature.objects.get(pk=signature_id)
        assert (signature.state, signature.disowned_at) == (Signature.State.PENDING, None)
    assert not Objection.objects.exists()
    assert tallies.total(petition.pk) == 0


def test_the_suppression_entries_of_a_mailbox_have_different_indexes(
    petition: Petition, browser: Client
) -> None:
    """Somebody who provokes a "not me" can find that entry in a copy of the database. An equal
    entry would reveal that the mailbox had news of another petition, and so signed it.
    """
    other, inbox = another(petition), sealing.inbox_of(AMINA.email)
    for one in (petition, other):
        suppression.suppress_news(inbox=inbox, petition_id=one.pk)
    suppression.suppress_all(inbox=inbox)
    suppression.suppress_bounced(address=AMINA.email)
    browser.post(link_of(sign(petition)))

    indexes = [bytes(ix) for ix in Objection.objects.values_list("ix", flat=True)]

    assert len(set(indexes)) == len(indexes) == 5
