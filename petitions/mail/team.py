"""Mail to staff: one plain-text message each, rendered and handed to the mail server at once.

The outbox holds only messages to the public. Here the caller's own row records, after the mail
server took it, that a mail went out (at least once). A mail that fails or is interrupted is sent
again with the same Message-ID and Date, so that mail programs show it once. Mails are in English,
like the admin, and do not mention the cause.

- Notices: scheduled erasure of a closed petition's signers (retention), alerts, and enquiries that
  wait for an answer.
- Letters to one member of staff: invitations, links for a new password, changes of accounts and
  switches. Each row of `StaffMail` is deleted once its message was taken.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from petitions.crypto import vault
from petitions.formatting.languages import day
from petitions.mail import messages, replies
from petitions.mail.letters import Letter
from petitions.models import (
    Alert,
    AlertMail,
    AuditRecord,
    Enquiry,
    Erasure,
    Organisation,
    StaffMail,
)
from petitions.models.enquiries import KINDS
from petitions.staff import audit, people, roles

SUBJECT = "Please look at the admin of your site"
ALERTS_APART = timedelta(hours=1)
ENQUIRIES_APART = timedelta(hours=1)
REMIND_BEFORE = timedelta(days=7)
Notice = Enquiry.Notice
Action = AuditRecord.Action
_LINES = {
    Notice.ARRIVED: "New: {} ({}), answer by {}",
    Notice.NEAR: "Due soon: {} ({}), answer by {}",
    Notice.MISSED: "Overdue: {} ({}), the answer was due by {}",
}
_SUBJECTS = {
    StaffMail.Kind.INVITATION: "You are invited to the admin of a site",
    StaffMail.Kind.PASSWORD: "A new password for the admin of your site",
    StaffMail.Kind.CHANGED: "Your account in the admin of your site was changed",
    StaffMail.Kind.SWITCHED: SUBJECT,
    StaffMail.Kind.CONTACT: SUBJECT,
    StaffMail.Kind.ROLES: SUBJECT,
}
_BATCH = 100
# A letter that the mail server does not take within a day is dropped, because its link is old.
KEPT_FOR = timedelta(days=1)
# The number of password links that an account gets within an hour; more requests are dropped.
LINKS_AN_HOUR = 3

logger = logging.getLogger(__name__)


def send(
    template: str,
    context: dict[str, Any],
    *,
    to: str,
    message_id: str,
    date: datetime,
    subject: str = SUBJECT,
) -> bool:
    """Send the text of a template to one address. Log a warning and return False if that fails.

    `message_id` is the local part of the Message-ID. The template also gets the URL of the `admin`
    and the `organisation`.
    """
    organisation = Organisation.load()
    shared = {"admin": f"{settings.SITE_URL}/{settings.ADMIN_PATH}", "organisation": organisation}
    try:
        with translation.override(settings.LANGUAGE_CODE):
            body = render_to_string(template, {**shared, **context})
        letter = Letter(
            subject=subject,
            body=body,
            from_email=messages.sender(organisation),
            to=[to],
            headers={
                "Message-ID": f"<{message_id}@{messages.sender_domain()}>",
                "Date": format_datetime(date),
                "Auto-Submitted": "auto-generated",
            },
        )
        letter.metadata = {}
        letter.send(fail_silently=False)
    except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
        # The error's text may hold the address.
        logger.warning("%s %s not sent (%s)", template, message_id, replies.code_of(error))
        return False
    return True


def send_to_all(
    template: str, context: dict[str, Any], *, permission: str, message_id: str, date: datetime
) -> bool:
    """Send a mail to all staff with a permission. Return False if the mail server refused all of
    them. If it takes one, none is sent again, so that a bad address repeats nothing for the others.
    """
    taken = [
        send(template, context, to=one.email, message_id=f"{message_id}.{one.pk}", date=date)
        for one in roles.staff_with(permission)
        if one.email
    ]
    return any(taken) or not taken


# --- Notices ----------------------------------------------------------------------------


def send_erasures() -> int:
    """Mail the organisation about each scheduled erasure that it was not told of; return how many.

    The next sweep retries what fails. Erasure does not wait for it: signers were promised a day,
    and the admin's home page also tells organisers.
    """
    organisation = Organisation.load()
    if not organisation.privacy_email:
        return 0
    sent = 0
    for erasure in Erasure.objects.standing().filter(mailed_at=None):
        # It names no petition, because phones show the beginning of mail on the lock screen.
        if send(
            "admin/petitions/erasure/mail.txt",
            {"day": timezone.localdate(erasure.erasure_due_at)},
            to=organisation.privacy_email,
            message_id=str(erasure.pk),
            date=erasure.scheduled_at,
        ):
            unmailed = Erasure.objects.filter(pk=erasure.pk, mailed_at=None)
            sent += unmailed.update(mailed_at=timezone.now())
    return sent


def send_alerts() -> int:
    """Mail alerts to the moderators who want them; return how many mails were sent.

    A moderator gets at most one mail an hour for each cause, about the alerts since the last one.
    The next sweep retries what fails.
    """
    now, sent = timezone.now(), 0
    due = Q(mailed_at=None) | Q(mailed_at__lte=now - ALERTS_APART)
    wishes = AlertMail.objects.filter(due).select_related("user").order_by("pk")
    for wish in wishes.filter(Exists(Alert.objects.filter(kind=OuterRef("kind"), seen_at=None))):
        new = Alert.objects.filter(kind=wish.kind, seen_at=None)
        if wish.mailed_at:
            new = new.filter(created_at__gt=wish.mailed_at)
        user = wish.user
        if not (user.is_active and user.email and user.has_perm(roles.MODERATE) and new.exists()):
            continue
        if not send(
            "admin/petitions/alert/mail.txt",
            {"cause": Alert.Kind(wish.kind).label, "number": new.count()},
            to=user.email,
            message_id=f"{wish.kind}.{user.pk}.{now:%Y%m%d%H%M}",
            date=now,
        ):
            continue
        AlertMail.objects.filter(pk=wish.pk).update(mailed_at=now)
        sent += 1
    return sent


def send_enquiries() -> int:
    """Mail the organisation about waiting enquiries; return how many the mail is about.

    Each is reported when it arrives, when its due date is near, and when it is overdue. At most one
    mail goes out in an hour. The next sweep retries what fails.
    """
    organisation, now = Organisation.load(), timezone.now()
    lately = AuditRecord.objects.lately(Action.ENQUIRIES_MAILED, ENQUIRIES_APART)
    due = _enquiries_to_report()
    if not organisation.privacy_email or not due or lately.exists():
        return 0
    if not send(
        "admin/petitions/enquiry/mail.txt",
        {"lines": _lines(due)},
        to=organisation.privacy_email,
        message_id=f"messages.{now:%Y%m%d%H%M}",
        date=now,
    ):
        return 0
    for notice, enquiries in due.items():
        rows = Enquiry.objects.filter(pk__in=[enquiry.pk for enquiry in enquiries])
        rows.update(notice=notice)
    audit.record(action=Action.ENQUIRIES_MAILED, screen="give_notice")
    return sum(map(len, due.values()))


def _enquiries_to_report() -> dict[Notice, list[Enquiry]]:
    """Return waiting enquiries by the notice about them that the organisation has not had yet."""
    today, due = timezone.localdate(), defaultdict[Notice, list[Enquiry]](list)
    waiting = Enquiry.objects.waiting().filter(notice__lt=Notice.MISSED)
    for enquiry in waiting.only("kind", "due_on", "notice"):
        is_near = enquiry.due_on <= today + REMIND_BEFORE
        notice = Notice.NEAR if is_near else Notice.ARRIVED
        notice = Notice.MISSED if enquiry.due_on < today else notice
        if notice > enquiry.notice:
            due[notice].append(enquiry)
    return dict(due)


def _lines(due: dict[Notice, list[Enquiry]]) -> list[str]:
    """Return how many of each kind wait, and by when; nothing about the writers or contents."""
    lines = []
    for notice in sorted(due, reverse=True):
        for kind, number in Counter(enquiry.kind for enquiry in due[notice]).items():
            first = min(one.due_on for one in due[notice] if one.kind == kind)
            lines.append(_LINES[notice].format(KINDS[kind].lower(), number, day(first)))
    return lines


# --- Letters ----------------------------------------------------------------------------


def send_letters() -> int:
    """Send a batch of waiting letters; return how many messages were sent. Run by one process.

    The order is random. Otherwise a batch of letters to addresses that are refused would block all
    later ones for a day, such as the news that somebody's account was changed.
    """
    StaffMail.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    waiting = StaffMail.objects.select_related("user").order_by("?")[:_BATCH]
    return sum(_send_letter(mail) for mail in waiting)


def _send_letter(mail: StaffMail) -> int:
    sent = 0
    try:
        addressees = list(_addressees(mail))
    except vault.CannotOpen:
        logger.warning("mail to staff %s cannot be opened", mail.pk)
        return 0
    for person, address in addressees:
        context: dict[str, object] = {"person": person}
        # Only these letters have a link: others may go to an address that an account no longer has.
        if mail.kind in (StaffMail.Kind.INVITATION, StaffMail.Kind.PASSWORD):
            link = reverse("admin:password_reset_confirm", args=people.password_link_parts(person))
            context["link"] = f"{settings.SITE_URL}{link}"
            context["needs_second_factor"] = settings.SECOND_FACTOR_REQUIRED
        if not send(
            f"admin/mail/{mail.kind}.txt",
            context,
            to=address,
            message_id=f"{mail.pk}.{person.pk}",
            date=mail.created_at,
            subject=_SUBJECTS[StaffMail.Kind(mail.kind)],
        ):
            return sent
        if mail.kind == StaffMail.Kind.PASSWORD:
            audit.record(action=Action.PASSWORD_MAILED, screen="send_staff_mail", about=person)
        sent += 1
    mail.delete()
    return sent


def _addressees(mail: StaffMail) -> Iterator[tuple[User, str]]:
    """Yield accounts and addresses to write to. Several accounts may share the typed address."""
    if mail.user:
        yield mail.user, people.address_in(mail) if mail.sealed else mail.user.email
        return
    try:
        typed = people.address_in(mail)
    except vault.CannotOpen:
        return
    for person in User.objects.filter(email__iexact=typed, is_active=True, is_staff=True):
        rows = AuditRecord.objects.about(person)
        if rows.lately(Action.PASSWORD_MAILED, timedelta(hours=1)).count() < LINKS_AN_HOUR:
            yield person, person.email
