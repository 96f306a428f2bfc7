"""Composes each mail when it is sent, from its outbox row: subject, bodies, links and codes.

What is the same for everybody is rendered once per kind and language: see `letters`.

Subject, sender and the first 150 characters name no petition, person, country or cause: a phone
shows them on its lock screen. No message names the petition at all, so that searching an inbox
tells nothing either.
"""

from datetime import timedelta
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from petitions.crypto import tokens
from petitions.formatting.languages import days, hours
from petitions.identity import email_addresses, names
from petitions.mail import reminders
from petitions.mail.letters import Form, Letter
from petitions.models import Mail, Organisation
from petitions.models.mail import FINDS
from petitions.publishing.organisation import organisation
from petitions.signers import sealing

# The placeholders of each kind's templates: what differs between two mails of it.
FIELDS = ("confirm", "not_me", "code")
FIELDS_TO_FIND = ("mine",)


def compose(mail: Mail, person: dict[str, str] | None = None) -> Letter:
    """The message for an outbox row that was loaded with its signature and signer.

    Message-ID and Date come from the row, so that a retry sends the same message. `person` is the
    unsealed signer, if at hand. Raises `vault.CannotOpen`, and `ValueError` without an addressee.
    """
    person = person or sealing.addressee(mail)
    if person is None:
        raise ValueError("a mail to nobody")
    form = _form(mail.kind, person["language"], sender(organisation()), settings.SITE_URL)
    return form.fill(
        _values(mail, person["email"]),
        to=email_addresses.deliverable(person["email"]),
        mail_id=str(mail.pk),
        date=format_datetime(mail.created_at),
    )


def invalidate() -> None:
    """Clear the cache of rendered forms."""
    _form.cache_clear()


def confirm_subject() -> str:
    """The subject of the confirmation mail; the page that says what to look for shows it."""
    return _("Please confirm your email address")


def find_subject() -> str:
    """The subject of the mail with the link to one's signatures; it names nothing."""
    return _("The link that you asked for")


def sender_domain() -> str:
    """The domain of our Message-IDs."""
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]


def sender(of: Organisation) -> str:
    """The From header: the address, with the organisation's chosen sender name if it has one."""
    return _sender(of.sender_name, settings.DEFAULT_FROM_EMAIL)


@lru_cache(maxsize=8)
def _sender(name: str, address: str) -> str:
    parsed = Address(addr_spec=address)
    if names.has_forbidden_character(name):
        # The form rejects such a name; a row that holds one all the same must stop no mail.
        return address
    return str(Address(name, parsed.username, parsed.domain))


def _values(mail: Mail, address: str) -> dict[str, str]:
    """The value of each of the mail's fields, of the same length for everybody (constant work)."""
    if mail.kind in FINDS:
        # The link's hour begins when its batch is composed: an outage of the mail server takes
        # nothing of it, and a slow server ten minutes at most.
        return {"mine": tokens.recipient_link(sealing.recipient_of(address))}
    signature, inbox = mail.signature, sealing.inbox_of(address)
    assert signature
    mailbox = tokens.Mailbox(
        signature_id=signature.pk,
        epoch=signature.link_epoch,
        petition_id=signature.petition_id,
        key_id=inbox.key_id,
        ix=inbox.ix,
    )
    return {
        "confirm": tokens.link(tokens.CONFIRM, signature.pk, signature.link_epoch),
        "code": tokens.spoken(tokens.code(signature.pk, signature.link_epoch)),
        "not_me": tokens.mailbox_link(tokens.NOT_ME, mailbox),
    }


@lru_cache(maxsize=64)
def _form(kind: str, language: str, sender_line: str, site: str) -> Form:
    """The MIME template of all mails of a kind and language."""
    if kind in FINDS:
        return _form_to_find(language, sender_line, site)
    form = Form(FIELDS)
    is_reminder = kind == Mail.Kind.REMIND
    with translation.override(language):
        context = {
            **form.marks,
            "link": site + reverse("links:confirm", args=[language, form.marks["confirm"]]),
            "not_me_link": site + reverse("links:not_me", args=[language, form.marks["not_me"]]),
            "time": _good_for(is_reminder=is_reminder),
            "reminder": hours(reminders.AFTER),
            "is_reminder": is_reminder,
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
            "site": site,
        }
        return form.write(
            subject=confirm_subject(),
            text=render_to_string("mail/confirm.txt", context),
            html=render_to_string("mail/confirm.html", context),
            sender=sender_line,
            domain=sender_domain(),
        )


def _form_to_find(language: str, sender_line: str, site: str) -> Form:
    """The MIME template of the mails with the link to one's signatures, in a language."""
    form = Form(FIELDS_TO_FIND)
    with translation.override(language):
        context = {
            **form.marks,
            "link": site + reverse("links:mine", args=[language, form.marks["mine"]]),
            "time": hours(timedelta(seconds=tokens.FIND_SECONDS)),
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
        }
        return form.write(
            subject=find_subject(),
            text=render_to_string("mail/find.txt", context),
            html=render_to_string("mail/find.html", context),
            sender=sender_line,
            domain=sender_domain(),
        )


def _good_for(*, is_reminder: bool) -> str:
    """How long the link is valid, in words: a reminder's link is the first one's, and as old."""
    age = reminders.AFTER.days if is_reminder else 0
    return days(settings.PENDING_DAYS - age)
