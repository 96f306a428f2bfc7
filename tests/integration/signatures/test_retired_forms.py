"""Forms that wait beside a confirmed signature end without telling who watches them.

Mona, a moderator, sends a form for Amina's address, and looks at its page every minute: nothing of
that is on record. It must not show her at which moment Amina confirms, or changes, a signature.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.test import Client
from django.utils import timezone

from petitions.crypto import tokens
from petitions.mail import outbox, reminders
from petitions.models import Mail, Objection, Petition, Signature
from petitions.privacy import retention
from petitions.signatures import change_address, check_email, disown, self_service
from petitions.signatures import confirm as confirming
from petitions.signatures.check_email import Page
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.people import AMINA, DAVID, confirm, sign

INVENTED = replace(AMINA, name="Rana Forged")
OWNER = sealing.recipient_of
_CHANGING = re.compile(r'name="(?:csrfmiddlewaretoken|seen)" value="[^"]*"')


def confirms(hers: UUID) -> None:
    """Amina chooses herself where the press asks whose signature it is."""
    assert confirm(hers) is Outcome.CONFIRMED


def renames(hers: UUID) -> None:
    reference = Signature.objects.get(pk=hers).reference
    self_service.correct_name(
        recipient=OWNER(AMINA.email), reference=reference, name="Amina B. Example"
    )


def moves(hers: UUID) -> None:
    owner, reference = OWNER(AMINA.email), Signature.objects.get(pk=hers).reference
    change_address.request_code(
        recipient=owner, reference=reference, address="amina@new.example", language="en"
    )
    outbox.deliver()
    code = tokens.code(Mail.objects.get(kind=Mail.Kind.ADDRESS).pk, 0)
    change_address.change(recipient=owner, reference=reference, code=code)


def page_of(browser: Client, form: UUID) -> str:
    """The page of a form as a moderator reads it, without what is new at each look."""
    page = browser.get(f"/admin/petitions/signature/{form}/change/")
    assert page.status_code == 200
    return _CHANGING.sub("", page.content.decode())


@pytest.mark.parametrize(("bait", "act"), [(INVENTED, confirms), (AMINA, renames), (AMINA, moves)])
def test_who_watches_a_form_does_not_see_when_its_address_confirms_or_changes_another(
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
    # As after "not me": an hour later, at the next sweep.
    Signature.objects.filter(pk=form).update(disowned_at=timezone.now() - timedelta(minutes=61))
    retention.delete_disowned()
    assert not Signature.objects.filter(pk=form).exists()


def test_nothing_makes_a_retired_form_count_and_nothing_is_mailed_about_it(
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
    link = check_email.link_by_code(page=page, code=code)
    assert link
    assert confirming.find(link.signature_id, link.epoch) is None
    assert confirming.confirm(signature_id=form, epoch=link.epoch).outcome is Outcome.GONE
    check_email.request_resend(page=page)
    check_email.settle()
    reminders.queue_reminders()
    outbox.deliver()
    assert not sent.outbox
    assert Signature.objects.counted().count() == 1


def test_a_copy_of_the_database_tells_a_retired_form_from_no_disowned_one(
    petition: Petition,
) -> None:
    """Whoever sent the form finds its row by its time."""
    retired, disowned = sign(petition, INVENTED), sign(petition, replace(DAVID, name="Rana Forged"))
    outbox.deliver()
    confirms(sign(petition))
    row = Signature.objects.get(pk=disowned)
    disown.disown(mailbox=sealing.mailbox_of(row, DAVID.email))

    told = ("state", "link_epoch", "code_tries", "verdict", "signals", "name_use")
    one, other = (Signature.objects.filter(pk=pk).values(*told).get() for pk in (retired, disowned))
    assert {**one, "name_use": ""} == {**other, "name_use": ""}
    assert not Signature.objects.filter(pk__in=[retired, disowned], disowned_at=None).exists()
    mails = [
        Mail.objects.filter(signature=pk).values("kind", "state") for pk in (retired, disowned)
    ]
    assert list(mails[0]) == list(mails[1])
    entries = Objection.objects.values_list(
        "reason", "petition", "key_id", "created_at", "notice_id"
    )
    assert len(entries) == 2
    assert len(set(entries)) == 1
