"""Mail to staff: invitations, links for a new password, and news of changed accounts and switches.

Each row of `StaffMail` is deleted once its message was taken by the mail server (at least once):
what a crash interrupts is sent again under the same Message-ID. English, as all of the admin, and
without a word about the cause.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from petitions.crypto import vault
from petitions.mail import team
from petitions.models import AuditRecord, StaffMail
from petitions.staff import audit, people

Kind = StaffMail.Kind
SUBJECTS = {
    Kind.INVITATION: "You are invited to the admin of a site",
    Kind.PASSWORD: "A new password for the admin of your site",
    Kind.CHANGED: "Your account in the admin of your site was changed",
    Kind.SWITCHED: team.SUBJECT,
}
BATCH = 100
# What the mail server does not take within a day is dropped: its link would be old.
KEPT_FOR = timedelta(days=1)
# Links for a new password an account gets within an hour; more requests are dropped.
LINKS_AN_HOUR = 3

logger = logging.getLogger(__name__)


def send() -> int:
    """Send what waits, oldest first; return how many messages were sent. Run by one process."""
    StaffMail.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    waiting = StaffMail.objects.select_related("user").order_by("created_at")[:BATCH]
    return sum(_send(mail) for mail in waiting)


def _send(mail: StaffMail) -> int:
    sent = 0
    try:
        addressees = list(_addressees(mail))
    except vault.CannotOpen:
        logger.warning("mail to staff %s cannot be opened", mail.pk)
        return 0
    for person, address in addressees:
        link = reverse("admin:password_reset_confirm", args=people.password_link_parts(person))
        if not team.send(
            f"admin/mail/{mail.kind}.txt",
            {"person": person, "link": f"{settings.SITE_URL}{link}"},
            to=address,
            message_id=f"{mail.pk}.{person.pk}",
            date=mail.created_at,
            subject=SUBJECTS[Kind(mail.kind)],
        ):
            return sent
        _note(mail, person)
        sent += 1
    mail.delete()
    return sent


def _addressees(mail: StaffMail) -> Iterator[tuple[User, str]]:
    """Accounts and addresses to write to: of a forgotten password none, one or several."""
    if mail.user:
        yield mail.user, people.address_in(mail) if mail.sealed else mail.user.email
        return
    try:
        typed = people.address_in(mail)
    except vault.CannotOpen:
        return
    for person in User.objects.filter(email__iexact=typed, is_active=True, is_staff=True):
        if not _had_enough(person):
            yield person, person.email


def _had_enough(person: User) -> bool:
    mailed = AuditRecord.Action.PASSWORD_MAILED
    lately = AuditRecord.objects.about(person).lately(mailed, timedelta(hours=1))
    return lately.count() >= LINKS_AN_HOUR


def _note(mail: StaffMail, person: User) -> None:
    if mail.kind == Kind.PASSWORD:
        audit.record(
            action=AuditRecord.Action.PASSWORD_MAILED, screen="send_staff_mail", about=person
        )
