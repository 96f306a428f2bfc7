"""Notices to staff: that a closed petition's signers will be erased (retention), of alerts, and of
messages that wait for an answer.

The outbox holds messages to the public alone. Here the schedule's own row records that its mail
went out, after the mail server took it (at least once): what a crash interrupts is sent again, with
the same Message-ID and Date, so that mail programs show one.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.utils import timezone, translation

from petitions.formatting.languages import day
from petitions.mail import messages, replies
from petitions.mail.letters import Letter
from petitions.models import Alert, AlertMail, AuditRecord, Enquiry, Erasure, Organisation
from petitions.models.enquiries import KINDS
from petitions.staff import audit

# English, as all of the admin. It names no cause.
SUBJECT = "Please look at the admin of your site"
ALERTS_APART = timedelta(hours=1)
MODERATE = "petitions.moderate_signature"
ENQUIRIES_APART = timedelta(hours=1)
REMIND_BEFORE = timedelta(days=7)
Notice = Enquiry.Notice
_SAID = {
    Notice.ARRIVED: "New: {} ({}), answer by {}",
    Notice.NEAR: "Due soon: {} ({}), answer by {}",
    Notice.MISSED: "Overdue: {} ({}), was to be answered by {}",
}

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


def send_enquiries() -> int:
    """Mail the organisation about enquiries that wait: once when each has come, once when its day
    is near, once when it is over; at most one mail an hour. Returns about how many it was.

    What fails is tried again by the next sweep.
    """
    organisation, now = Organisation.load(), timezone.now()
    lately = AuditRecord.objects.filter(
        action=AuditRecord.Action.ENQUIRIES_MAILED, created_at__gt=now - ENQUIRIES_APART
    )
    untold = _untold_enquiries()
    if not organisation.privacy_email or not untold or lately.exists():
        return 0
    try:
        _enquiry_letter(untold, organisation, now).send(fail_silently=False)
    except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
        # Its text may hold the address.
        logger.warning("messages that wait are not mailed (%s)", replies.code_of(error))
        return 0
    for notice, enquiries in untold.items():
        told = Enquiry.objects.filter(pk__in=[enquiry.pk for enquiry in enquiries])
        told.update(notice=notice)
    audit.record(action=AuditRecord.Action.ENQUIRIES_MAILED, screen="give_notice")
    return sum(map(len, untold.values()))


def _untold_enquiries() -> dict[Notice, list[Enquiry]]:
    """Enquiries that wait, by what the organisation was not told about them yet."""
    today, untold = timezone.localdate(), defaultdict[Notice, list[Enquiry]](list)
    waiting = Enquiry.objects.waiting().filter(notice__lt=Notice.MISSED)
    for enquiry in waiting.only("kind", "due_on", "notice"):
        is_near = enquiry.due_on <= today + REMIND_BEFORE
        notice = Notice.NEAR if is_near else Notice.ARRIVED
        notice = Notice.MISSED if enquiry.due_on < today else notice
        if notice > enquiry.notice:
            untold[notice].append(enquiry)
    return dict(untold)


def _enquiry_letter(
    untold: dict[Notice, list[Enquiry]], organisation: Organisation, now: datetime
) -> Letter:
    """The notice: how many of each kind and by when; nothing of who wrote, or what."""
    lines = []
    for notice in sorted(untold, reverse=True):
        for kind, number in Counter(enquiry.kind for enquiry in untold[notice]).items():
            first = min(one.due_on for one in untold[notice] if one.kind == kind)
            lines.append(_SAID[notice].format(KINDS[kind].lower(), number, day(first)))
    with translation.override(settings.LANGUAGE_CODE):
        context = {"lines": lines, "admin": _admin()}
        body = render_to_string("admin/petitions/enquiry/mail.txt", context)
    return staff_letter(
        body,
        to=organisation.privacy_email,
        message_id=f"messages.{now:%Y%m%d%H%M}",
        date=now,
        organisation=organisation,
    )


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
