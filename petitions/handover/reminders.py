"""Reminders to whoever took an export, on the day by which its copies are to be deleted."""

from django.utils import timezone

from petitions.mail import team
from petitions.models import Export, Organisation


def send() -> int:
    """Mail a reminder of each export whose copies are to be deleted by today; return how many.

    It goes to the address of the account that took the export, or else to the organisation. What
    fails is tried again by the next sweep, under the same Message-ID.
    """
    to = Organisation.load().privacy_email
    return sum(
        _sent(export, to) for export in Export.objects.to_remind_of().select_related("actor")
    )


def _sent(export: Export, organisation: str) -> bool:
    address = (export.actor and export.actor.email) or organisation
    # It names no petition and no purpose: phones show its beginning when locked.
    if not address or not team.send(
        "admin/petitions/export/mail.txt",
        {"export": export},
        to=address,
        message_id=str(export.pk),
        date=timezone.now(),
    ):
        return False
    unreminded = Export.objects.filter(pk=export.pk, reminded_at=None)
    return bool(unreminded.update(reminded_at=timezone.now()))
