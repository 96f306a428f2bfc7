"""Pending forms beside a confirmed signature are retired without revealing the confirmation.

Mona, a moderator, sends a form for Amina's address, and looks at its page every minute, without a
record of that. It must not show her when Amina confirms or changes a signature.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone

from petitions.crypto import tokens
from petitions.infra.client_network import NOWHERE
from petitions.mail import monitoring, outbox, reminders
from petitions.models import Mail, Petition, Resend, Signature
from petitions.moderation import cockpit
from petitions.privacy import retention
from petitions.signatures import change_address, check_email, disown, self_service
from petitions.signatures import confirm as confirming
from petitions.signatures.check_email import Page
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.people import AMINA, confirm, sign

INVENTED = replace(AMINA, name="Rana Forged")
OWNER = sealing.recipient_of
_CHANGING = re.compile(r'name="(?:csrfmiddlewaretoken|seen)" value="[^"]*"')


def confirms(hers: UUID) -> None:
    """Confirm as Amina, who chooses herself if the page asks whose signature it is."""
    assert confirm(hers) is Outcome.CONFIRMED


def renames(hers: UUID) -> None:
    reference = Signature.objects.get(pk=hers).reference
    self_service.correct_name(
        recipient=OWNER(AMINA.email), reference=reference, name="Amina B. Example"
    )


def moves(hers: UUID) -> None:
    owner, reference = OWNER(AMINA.email), Signature.objects.get(pk=hers).reference
    change_address.request_code(
        recipient=owner,
        reference=reference,
        address="amina@new.example",
        language="en",
        sender=NOWHERE,
    )
    outbox.deliver()
    code = tokens.code(Mail.objects.get(kind=Mail.Kind.ADDRESS).pk, 0)
    change_address.change(recipient=owner, reference=reference, code=code)


def page_of(browser: Client, form: UUID) -> str:
    """Return a form's page as a moderator sees it, without parts that change at each request."""
    page = browser.get(f"/admin/petitions/signature/{form}/change/")
    assert page.status_code == 200
    return _CHANGING.sub("", page.content.decode())


# What Mona sent, and what Amina does.
ACTS = [(INVENTED, confirms), (AMINA, renames), (AMINA, moves)]


@pytest.mark.parametrize(("bait", "act"), ACTS)
def test_the_admin_page_of_a_form_does_not_change_when_its_owner_confirms_another(
    petition: Petition,
    moderator: User,
    client: Client,
    bait: Attempt,
    act: Callable[[UUID], None],
) -> None:
    hers = sign(petition)
    if act is not confirms:
        assert confirm(hers) is Outcome.CONFIRMED
    form = sign(petition, bait)
    outbox.deliver()
    client.force_login(moderator)
    before = page_of(client, form)

    act(hers)

    assert page_of(client, form) == before
    retention.delete_disowned()
    assert Signature.objects.filter(pk=form).exists()
    # Deleted like a disowned form: an hour later, by the next sweep.
    Signature.objects.filter(pk=form).update(disowned_at=timezone.now() - timedelta(minutes=61))
    retention.delete_disowned()
    assert not Signature.objects.filter(pk=form).exists()


@pytest.mark.parametrize(("bait", "act"), ACTS)
def test_a_form_with_queued_mail_looks_the_same_to_staff_after_it_is_retired(
    petition: Petition,
    moderator: User,
    client: Client,
    bait: Attempt,
    act: Callable[[UUID], None],
) -> None:
    hers = sign(petition)
    if act is not confirms:
        assert confirm(hers) is Outcome.CONFIRMED
    form = sign(petition, bait)
    Mail.objects.filter(signature=form).update(due_at=timezone.now() + timedelta(minutes=5))
    outbox.deliver()
    client.force_login(moderator)
    before = page_of(client, form), monitoring.waiting()
    assert "waits to be sent" in before[0]

    act(hers)

    assert (page_of(client, form), monitoring.waiting()) == before
    sent.outbox.clear()
    Mail.objects.filter(signature=form).update(due_at=timezone.now())
    assert outbox.deliver() == 0
    assert Mail.objects.get(signature=form).state == Mail.State.CANCELLED


@pytest.mark.parametrize("act", [lambda _hers: None, confirms], ids=["nothing", "confirms"])
def test_a_full_mailbox_shows_no_waiting_mail_for_pending_or_retired_forms(
    petition: Petition,
    moderator: User,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[UUID], None],
) -> None:
    """Its server is asked only about mails that are still wanted, so it puts off no others."""
    hers, form = sign(petition), sign(petition, INVENTED)
    outbox.deliver()
    act(hers)
    full = SMTPRecipientsRefused({AMINA.email: (452, b"4.2.2 mailbox full")})
    monkeypatch.setattr(EmailBackend, "send_messages", Mock(side_effect=full))

    Resend.objects.create(attempt_id=form, is_silenced=False)
    check_email.settle()
    outbox.deliver()

    client.force_login(moderator)
    assert "waits to be sent" not in page_of(client, form)
    assert monitoring.waiting() == []
    assert [hour["waiting"] for hour in monitoring.by_hour()] == [0]
    assert cockpit.mails() == ((0, True), None)


@pytest.mark.parametrize("act", [lambda _hers: None, confirms], ids=["nothing", "confirms"])
@pytest.mark.parametrize("why", ["refused", "throttled"])
def test_the_admin_page_of_a_form_shows_no_mail_as_waiting_if_its_domain_defers_it(
    petition: Petition,
    moderator: User,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    act: Callable[[UUID], None],
    why: str,
) -> None:
    hers, form = sign(petition), sign(petition, INVENTED)
    outbox.deliver()
    act(hers)
    if why == "refused":
        blocked = SMTPRecipientsRefused({AMINA.email: (550, b"5.7.1 blocked")})
        monkeypatch.setattr(EmailBackend, "send_messages", Mock(side_effect=blocked))
    else:
        settings.MAILS_PER_DOMAIN_AND_MINUTE = 1
    # The first mail to the domain is tried, and the form's is put off with it.
    sign(petition, replace(INVENTED, email=f"other@{AMINA.email.partition('@')[2]}"))
    Resend.objects.create(attempt_id=form, is_silenced=False)
    check_email.settle()
    outbox.deliver()

    client.force_login(moderator)
    assert "waits to be sent" not in page_of(client, form)


def test_the_public_mail_state_stays_late_after_a_form_is_retired(
    petition: Petition,
) -> None:
    hers = sign(petition)
    outbox.deliver()
    sign(petition, INVENTED)
    long_ago = timezone.now() - timedelta(minutes=5)
    Mail.objects.filter(state=Mail.State.QUEUED).update(due_at=long_ago, created_at=long_ago)
    assert monitoring.mail_state().state == monitoring.MailState.LATE

    confirms(hers)

    assert monitoring.mail_state().state == monitoring.MailState.LATE


def test_the_outbox_figures_do_not_change_when_a_form_with_queued_mail_is_disowned(
    petition: Petition,
) -> None:
    form = sign(petition)
    before = monitoring.waiting()

    disown.disown(mailbox=sealing.mailbox_of(Signature.objects.get(pk=form), AMINA.email))

    assert monitoring.waiting() == before
    assert outbox.deliver() == 0
    assert Mail.objects.get(signature=form).state == Mail.State.CANCELLED


def test_a_retired_form_cannot_be_confirmed_and_gets_no_mail(
    petition: Petition,
) -> None:
    form = sign(petition, INVENTED)
    outbox.deliver()
    page = Page(form, petition.slug, INVENTED)
    code = tokens.code(form, 0)
    a_day_ago = timezone.now() - reminders.AFTER - timedelta(minutes=5)
    Signature.objects.filter(pk=form).update(created_at=a_day_ago)

    confirms(sign(petition))
    outbox.deliver()
    sent.outbox.clear()

    assert confirm(form) is Outcome.GONE
    of_page: dict[str, Any] = {"page": page, "petition": petition, "sender": NOWHERE}
    assert check_email.link_by_code(code=code, **of_page) is None
    assert confirming.find(form, 0) is None
    check_email.request_resend(**of_page)
    check_email.settle()
    reminders.queue_reminders()
    Mail.objects.filter(kind=Mail.Kind.REMIND).update(due_at=a_day_ago)
    outbox.deliver()
    assert not sent.outbox
    assert Signature.objects.counted().count() == 1


def test_a_retired_form_is_not_restored_by_confirming_or_taking_back_not_me(
    petition: Petition,
) -> None:
    form = sign(petition, INVENTED)
    not_me = sealing.mailbox_of(Signature.objects.get(pk=form), INVENTED.email)
    confirms(sign(petition))

    disown.disown(mailbox=not_me)
    assert confirm(form) is Outcome.GONE
    disown.take_back(mailbox=not_me)
    assert confirm(form) is Outcome.GONE
    assert Signature.objects.filter(pk=form, disowned_at=None).count() == 0
    assert Signature.objects.counted().count() == 1


def test_confirming_restores_each_of_two_disowned_forms_of_a_mailbox(
    petition: Petition,
) -> None:
    """A mail scanner pressed "not me" in two mails of one mailbox."""
    mine, other = sign(petition), sign(petition, replace(AMINA, name="Basil Example"))
    for form in (mine, other):
        disown.disown(mailbox=sealing.mailbox_of(Signature.objects.get(pk=form), AMINA.email))

    assert confirm(mine) is Outcome.CONTRADICTED
    assert confirm(other) is not Outcome.GONE


def test_only_the_hour_of_retirement_is_stored(petition: Petition) -> None:
    """The exact time would link it to the signature confirmed in the same millisecond."""
    form = sign(petition, INVENTED)
    confirms(sign(petition))
    ended = Signature.objects.get(pk=form).disowned_at
    assert ended
    assert (ended.minute, ended.second, ended.microsecond) == (0, 0, 0)
    assert timedelta() < ended - timezone.now() <= timedelta(hours=1)
