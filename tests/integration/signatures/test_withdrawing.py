"""Withdrawing a signature: what is deleted, what stays, and what the signer reads."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from django.apps import apps
from django.core import mail as sent
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.mail import outbox
from petitions.models import Export, Mail, Petition, Signature, Signer
from petitions.screening.screen import Evidence
from petitions.signatures import find, withdraw
from petitions.signatures.confirm import Outcome
from tests.integration.signatures.test_finding import asked, inbox_of, link_for
from tests.integration.signatures.test_managing import OWN, change, mails_to, name_of, spellings
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm

__all__ = ["spellings"]  # a fixture
OF_AMINA = ("Amina Example", "amina@example.org")


def everywhere() -> list[tuple[str, bytes]]:
    """Return all values of all rows of all tables, as bytes."""
    found = []
    for model in apps.get_models():
        for row in model._default_manager.values():
            for name, value in row.items():
                raw = bytes(value) if isinstance(value, memoryview | bytes) else str(value).encode()
                found.append((f"{model.__name__}.{name}", raw))
    return found


def test_withdrawing_erases_the_signer_from_every_table(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    sign(petition)
    asked(browser)
    signer = Signer.objects.get(pk=signature.pk)
    traces = [
        *(text.encode() for text in OF_AMINA), bytes(signer.sealed),
        bytes(signer.petition_mailbox_ix),
        bytes(signer.person_ix), bytes(signer.home_ix), bytes(signer.domain_ix or b"-"),
        inbox_of().ix,
    ]  # fmt: skip
    assert len({trace for trace in traces if any(trace in raw for _, raw in everywhere())}) >= 5
    before = tallies.total(petition.pk)

    page = browser.post(change(signature, "withdraw"))

    assert page.status_code == 200
    assert "no longer counts" in page.content.decode()
    assert tallies.total(petition.pk) == before - 1
    left = [name for name, raw in everywhere() for trace in traces if trace in raw]
    assert left == []
    # The mails stay for a week, anonymised.
    assert not Mail.objects.exclude(signature=None, sealed=None).exists()
    sent.outbox.clear()
    outbox.deliver()
    assert sent.outbox == []


def test_withdrawing_keeps_the_other_people_of_the_mailbox(
    petition: Petition, browser: Client
) -> None:
    first, second = sign_and_confirm(petition, AMINA), sign_and_confirm(petition, BASHIR)
    browser.post(change(first, "withdraw"))
    page = browser.post(link_for()).content.decode()
    assert AMINA.name not in page
    assert BASHIR.name in page
    assert browser.post(change(second, "withdraw")).status_code == 200
    assert tallies.total(petition.pk) == 0


def test_withdrawing_twice_changes_the_count_once(petition: Petition, browser: Client) -> None:
    sign_and_confirm(petition, DAVID)
    signature = sign_and_confirm(petition)
    assert browser.post(change(signature, "withdraw")).status_code == 200
    assert browser.post(change(signature, "withdraw")).status_code == 409
    assert tallies.total(petition.pk) == 1


def test_withdrawing_works_long_after_the_close(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition)
    long_ago = timezone.now() - timedelta(days=90)
    Petition.objects.update(
        state="closed", opens_at=long_ago - timedelta(days=9), closes_at=long_ago
    )
    assert len(asked(browser)) == 1
    assert browser.post(change(signature, "withdraw")).status_code == 200
    assert tallies.total(petition.pk) == 0


def test_the_withdrawal_page_lists_exports_that_contain_the_signature(
    petition: Petition, browser: Client
) -> None:
    list_of = {"petition": petition, "purpose": "hand-in", "delete_by": date(2099, 1, 1)}
    early = Export.objects.create(**list_of)
    Export.objects.filter(pk=early.pk).update(started_at=timezone.now() - timedelta(days=40))
    signature = sign_and_confirm(petition)
    unlisted = sign_and_confirm(petition, DAVID)
    page = browser.post(change(unlisted, "withdraw", DAVID.email)).content.decode()
    assert "no copy was handed over" in page

    Signature.objects.filter(pk=signature.pk).update(
        confirmed_at=timezone.now() - timedelta(days=9)
    )
    late = Export.objects.create(**list_of)
    Export.objects.filter(pk=late.pk).update(started_at="2026-11-03T12:00Z")
    Signature.objects.filter(pk=signature.pk).update(confirmed_at="2026-11-02T12:00Z")
    page = browser.post(change(signature, "withdraw")).content.decode()
    listed = re.findall(r"<li>([^<]*20\d\d)</li>", page)
    assert listed == ["3 November 2026"]


def test_withdrawing_a_form_in_anothers_name_keeps_their_signature(
    petition: Petition, spellings: tuple[Signature, Signature], browser: Client
) -> None:
    """With tampered alias rules an attacker signs in the name of a stranger, then withdraws."""
    theirs, _mine = spellings
    bait = Signature.objects.get(pk=sign(petition, replace(AMINA, email=OWN)))
    before = tallies.total(petition.pk)

    assert browser.post(change(bait, "withdraw", OWN)).status_code == 200

    theirs.refresh_from_db()
    assert theirs.state == Signature.State.CONFIRMED
    assert name_of(theirs) == AMINA.name
    assert tallies.total(petition.pk) == before
    assert not Signer.objects.filter(pk=bait.pk).exists()


def test_withdrawing_erases_all_attempts_with_the_same_address(
    petition: Petition, browser: Client
) -> None:
    signature, waiting = sign_and_confirm(petition), sign(petition)
    capital = sign(petition, replace(AMINA, email="AMINA@example.org"))
    browser.post(change(signature, "withdraw"))
    assert confirm(waiting) is Outcome.GONE
    assert confirm(capital) is Outcome.GONE


def test_withdrawing_a_pending_form_keeps_the_confirmed_signature(
    petition: Petition, browser: Client
) -> None:
    """A stranger sent the form in her name. She sees it on her page, and withdraws it."""
    mine = sign_and_confirm(petition)
    strangers = Signature.objects.get(pk=sign(petition, replace(AMINA, name="AMINA EXAMPLE")))

    page = browser.post(change(strangers, "withdraw")).content.decode()

    assert "The signature that you confirmed under this name stays as it is." in page
    mine.refresh_from_db()
    assert (mine.state, name_of(mine)) == (Signature.State.CONFIRMED, AMINA.name)
    assert tallies.total(petition.pk) == 1
    assert not Signature.objects.filter(pk=strangers.pk).exists()
    told = browser.post(change(mine, "withdraw")).content.decode()
    assert "The signature no longer counts." in told
    assert tallies.total(petition.pk) == 0


def test_withdrawing_cancels_queued_mail(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition)
    find.request_links(address=AMINA.email, language="en", evidence=Evidence())
    find.settle()
    withdraw.withdraw(signature_id=signature.pk)
    assert mails_to(AMINA.email) == 0


@pytest.mark.parametrize("season", ["2026-01-15T10:20:30.5+00:00", "2026-07-15T10:20:30.5+00:00"])
def test_withdrawing_truncates_the_times_of_sent_mail_to_the_hour(
    petition: Petition, season: str
) -> None:
    """Its exact time is that of the signature's row, and would lead from a mail to that row."""
    at = datetime.fromisoformat(season)
    signature = sign_and_confirm(petition)
    Mail.objects.update(created_at=at, due_at=at, state=Mail.State.SENT)

    withdraw.withdraw(signature_id=signature.pk)

    mail = Mail.objects.get()
    hour = at.replace(minute=0, second=0, microsecond=0)
    assert mail.signature_id is None
    assert (mail.created_at, mail.due_at) == (hour, hour)


def test_withdrawing_keeps_the_times_of_queued_mail(petition: Petition) -> None:
    """Staff see how many wait, and since when the oldest does."""
    signature_id = sign(petition)
    before = Mail.objects.values_list("created_at", "due_at").get()

    withdraw.withdraw(signature_id=signature_id)

    assert Mail.objects.values_list("created_at", "due_at").get() == before
