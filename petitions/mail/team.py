"""Mail to the team: one plain-text message, rendered and handed to the mail server at once.

The outbox holds messages to the public alone. Here the caller's own row records that its mail went
out, after the mail server took it (at least once): what fails or is interrupted is sent again, with
the same Message-ID and Date, so that mail programs show one. English, as all of the admin, without
a word about the cause.
"""

import logging
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from petitions.mail import messages, replies
from petitions.mail.letters import Letter
from petitions.models import Organisation
from petitions.staff import roles

SUBJECT = "Please look at the admin of your site"

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
    """Send the text of a template to one address; False, and a warning, if that failed.

    `message_id` is the local part of the Message-ID. The template also gets the URL of the `admin`
    and the `organisation`.
    """
    try:
        letter = _composed(template, context, to, message_id, date, subject)
        letter.send(fail_silently=False)
    except Exception as error:  # noqa: BLE001 - whichever provider: the next sweep tries again
        # Its text may hold the address.
        logger.warning("%s %s not sent (%s)", template, message_id, replies.code_of(error))
        return False
    return True


def send_to_all(
    template: str, context: dict[str, Any], *, permission: str, message_id: str, date: datetime
) -> bool:
    """Send it to all staff with a permission; False if the mail server did not take one."""
    return all(
        send(template, context, to=one.email, message_id=f"{message_id}.{one.pk}", date=date)
        for one in roles.staff_with(permission)
        if one.email
    )


def _composed(
    template: str, context: dict[str, Any], to: str, message_id: str, date: datetime, subject: str
) -> Letter:
    organisation = Organisation.load()
    shared = {"admin": f"{settings.SITE_URL}/{settings.ADMIN_PATH}", "organisation": organisation}
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
    return letter
