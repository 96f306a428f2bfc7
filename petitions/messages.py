"""The words of every mail: one function a kind, read from the database when it is sent.

Subject, sender and the first 150 characters name no petition, person, country or cause: a
telephone shows them on its lock screen. No message names the petition at all, so that an
inbox searched by somebody else tells nothing either.
"""

from email.headerregistry import Address
from email.utils import format_datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from petitions import addresses, names, signers, tokens
from petitions.context import organisation
from petitions.models import Mail, Organisation


def compose(mail: Mail) -> EmailMultiAlternatives:
    """The message of an outbox row that was loaded with its signature, signer and petition.

    Message-ID and Date come from the row, so that a second sending is the same message.
    """
    person = signers.unsealed(mail.signature.signer)
    with translation.override(person["language"]):
        message = _COMPOSERS[Mail.Kind(mail.kind)](mail, person)
    message.to = [addresses.deliverable(person["email"])]
    message.extra_headers = {
        "Message-ID": f"<{mail.pk}@{_domain()}>",
        "Date": format_datetime(mail.created_at),
        "Auto-Submitted": "auto-generated",
    }
    return message


def confirm_subject() -> str:
    """The subject of the confirmation mail; the page that says what to look for shows it."""
    return _("Please confirm your e-mail address")


def sender(of: Organisation) -> str:
    """The From header: the address, with the organisation's chosen sender name if it has one."""
    address = Address(addr_spec=settings.DEFAULT_FROM_EMAIL)
    if names.has_forbidden_character(of.sender_name):
        # The form refuses one; a row may hold it all the same, and must stop no mail.
        return settings.DEFAULT_FROM_EMAIL
    return str(Address(of.sender_name, address.username, address.domain))


def _confirmation(mail: Mail, person: dict[str, str]) -> EmailMultiAlternatives:
    token = tokens.link(tokens.CONFIRM, mail.signature.pk, mail.signature.link_epoch)
    path = reverse("links:confirm", args=[person["language"], token])
    context = {
        "link": settings.SITE_URL + path,
        "days": settings.PENDING_DAYS,
        "language": person["language"],
        "direction": "rtl" if translation.get_language_bidi() else "ltr",
        "site": settings.SITE_URL,
    }
    message = EmailMultiAlternatives(
        subject=confirm_subject(),
        body=render_to_string("mail/confirm.txt", context),
        from_email=sender(organisation()),
    )
    message.attach_alternative(render_to_string("mail/confirm.html", context), "text/html")
    return message


_COMPOSERS = {Mail.Kind.CONFIRM: _confirmation}


def _domain() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
