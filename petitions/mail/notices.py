"""Notices to staff: that a closed petition's signers will be erased (retention), and of alerts.

The outbox holds messages about signatures alone. Here the schedule's own row records that its mail
went out, after the mail server took it (at least once): what a crash interrupts is sent again, with
the same Message-ID and Date, so that mail programs show one.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.utils import timezone, translation

from petitions.mail import messages, replies
from petitions.mail.letters import Letter
from petitions.models import Alert, AlertMail, Erasure, Organisation

# English, as all of the admin. It names no cause.
SUBJECT = "Please look at the admin of your site"
ALERTS_APART = timedelta(hours=1)
MODERATE = "petitions.moderate_signature"

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
        context = {"day": timezone.localdate(erasure.erasure_due_at), "admin": _admin()}
        body = render_to_string("admin/petitions/erasure/mail.txt", context)
    return staff_letter(
        body,
        to=organisation.privacy_email,
        message_id=str(erasure.pk),
        date=erasure.scheduled_at,
        organisation=organisation,
    )


def send_alerts() -> int:
    """Mail alerts to the moderators who want them, at most one mail an hour a cause; return how
    many were sent.

    Told is what is new since a person's last mail of that cause. What fails is tried again by the
    next sweep.
    """
    now, sent = timezone.now(), 0
    due = Q(mailed_at=None) | Q(mailed_at__lte=now - ALERTS_APART)
    wishes = AlertMail.objects.filter(due).select_related("user").order_by("pk")
    for wish in wishes.filter(Exists(Alert.objects.filter(kind=OuterRef("kind"), seen_at=None))):
        new = Alert.objects.filter(kind=wish.kind, seen_at=None)
        if wish.mailed_at:
            new = new.filter(created_at__gt=wish.mailed_at)
        user = wish.user
        if not (user.is_active and user.email and user.has_perm(MODERATE) and new.exists()):
            continue
        try:
            _alert_letter(wish, new.count(), now).send(fail_silently=False)
        except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
            # Its text may hold the address.
            logger.warning("alert %s not mailed (%s)", wish.kind, replies.code_of(error))
            break
        AlertMail.objects.filter(pk=wish.pk).update(mailed_at=now)
        sent += 1
    return sent


def _alert_letter(wish: AlertMail, number: int, now: datetime) -> Letter:
    context = {"cause": Alert.Kind(wish.kind).label, "number": number, "admin": _admin()}
    with translation.override(settings.LANGUAGE_CODE):
        body = render_to_string("admin/petitions/alert/mail.txt", context)
    message_id = f"{wish.kind}.{wish.user_id}.{now:%Y%m%d%H%M}"
    return staff_letter(body, to=wish.user.email, message_id=message_id, date=now)


def staff_letter(
    body: str,
    *,
    to: str,
    message_id: str,
    date: datetime,
    organisation: Organisation | None = None,
) -> Letter:
    """A message to staff. Its subject names no cause, and no petition."""
    letter = Letter(
        subject=SUBJECT,
        body=body,
        from_email=messages.sender(organisation or Organisation.load()),
        to=[to],
        headers={
            "Message-ID": f"<{message_id}@{messages.sender_domain()}>",
            "Date": format_datetime(date),
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
        letter = staff_letter(body, to=person.email, message_id=f"{name}.{person.pk}", date=at)
        try:
            letter.send(fail_silently=False)
        except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
            # Its text may hold the address.
            logger.warning("%s: team not mailed (%s)", name, replies.code_of(error))
            return False
    return True


def _admin() -> str:
    return f"{settings.SITE_URL}/{settings.ADMIN_PATH}"
