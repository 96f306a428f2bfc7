"""Notices to the organisation that a closed petition's signers will be erased (retention).

The outbox holds messages about signatures alone. Here the schedule's own row records that its mail
went out, after the mail server took it (at least once): what a crash interrupts is sent again, with
the same Message-ID and Date, so that mail programs show one.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils import timezone, translation

from petitions.mail import messages, replies
from petitions.mail.letters import Letter
from petitions.models import Erasure, Organisation

# English, as all of the admin. It names no cause.
SUBJECT = "Please look at the admin of your site"

logger = logging.getLogger(__name__)


def send() -> int:
    """Mail the organisation about each scheduled erasure of which it was not told; return how many.

    What fails is retried by the next sweep. Erasing does not wait for it: signers were promised a
    day, and the admin's home page tells organisers as well.
    """
    organisation = Organisation.load()
    if not organisation.privacy_email:
        return 0
    sent = 0
    for erasure in Erasure.objects.standing().filter(mailed_at=None):
        try:
            _letter(erasure, organisation).send(fail_silently=False)
        except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
            # Its text may hold the address.
            logger.warning("notice %s not sent (%s)", erasure.pk, replies.code_of(error))
        else:
            unmailed = Erasure.objects.filter(pk=erasure.pk, mailed_at=None)
            sent += unmailed.update(mailed_at=timezone.now())
    return sent


def _letter(erasure: Erasure, organisation: Organisation) -> Letter:
    """The notice. It names no petition, as no mail does: phones show its beginning when locked."""
    with translation.override(settings.LANGUAGE_CODE):
        day = timezone.localdate(erasure.erasure_due_at)
        context = {"day": day, "admin": f"{settings.SITE_URL}/{settings.ADMIN_PATH}"}
        letter = Letter(
            subject=SUBJECT,
            body=render_to_string("admin/petitions/erasure/mail.txt", context),
            from_email=messages.sender(organisation),
            to=[organisation.privacy_email],
            headers={
                "Message-ID": f"<{erasure.pk}@{messages.sender_domain()}>",
                "Date": format_datetime(erasure.scheduled_at),
                "Auto-Submitted": "auto-generated",
            },
        )
    letter.metadata = {}
    return letter


def tell(people: Iterable[User], *, body: str, name: str, at: datetime) -> bool:
    """Mail the same words to each of the team; False if the mail server did not take one.

    `name` and `at` make the Message-ID and the Date, the same when it is tried again.
    """
    for person in people:
        letter = Letter(
            subject=SUBJECT,
            body=body,
            from_email=messages.sender(Organisation.load()),
            to=[person.email],
            headers={
                "Message-ID": f"<{name}.{person.pk}@{messages.sender_domain()}>",
                "Date": format_datetime(at),
                "Auto-Submitted": "auto-generated",
            },
        )
        letter.metadata = {}
        try:
            letter.send(fail_silently=False)
        except Exception as error:  # noqa: BLE001 - whichever provider
            # Its text may hold the address.
            logger.warning("%s: team not mailed (%s)", name, replies.code_of(error))
            return False
    return True
