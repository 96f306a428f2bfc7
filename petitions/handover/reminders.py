"""Reminders to whoever took an export, on the day by which its copies are to be deleted."""

import logging
from email.utils import format_datetime

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation

from petitions.mail import messages, notices, replies
from petitions.mail.letters import Letter
from petitions.models import Export, Organisation

logger = logging.getLogger(__name__)


def send() -> int:
    """Mail a reminder of each export whose copies are to be deleted by today; return how many.

    It goes to the address of the account that took the export, or else to the organisation. What
    fails is tried again by the next sweep, under the same Message-ID.
    """
    organisation = Organisation.load()
    due = Export.objects.to_remind_of().select_related("actor")
    return sum(_sent(export, organisation) for export in due)


def _sent(export: Export, organisation: Organisation) -> bool:
    address = (export.actor and export.actor.email) or organisation.privacy_email
    if not address:
        return False
    try:
        _letter(export, organisation, address).send(fail_silently=False)
    except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
        # Its text may hold the address.
        logger.warning("reminder %s not sent (%s)", export.pk, replies.code_of(error))
        return False
    unreminded = Export.objects.filter(pk=export.pk, reminded_at=None)
    return bool(unreminded.update(reminded_at=timezone.now()))


def _letter(export: Export, organisation: Organisation, address: str) -> Letter:
    """The reminder. It names no petition and no purpose: phones show its beginning when locked."""
    with translation.override(settings.LANGUAGE_CODE):
        context = {"export": export, "admin": f"{settings.SITE_URL}/{settings.ADMIN_PATH}"}
        body = render_to_string("admin/petitions/export/mail.txt", context)
    letter = Letter(
        subject=notices.SUBJECT,
        body=body,
        from_email=messages.sender(organisation),
        to=[address],
        headers={
            "Message-ID": f"<{export.pk}@{messages.sender_domain()}>",
            "Date": format_datetime(timezone.now()),
            "Auto-Submitted": "auto-generated",
        },
    )
    letter.metadata = {}
    return letter
