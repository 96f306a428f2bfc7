"""The words of every mail, read from the database when it is sent.

What is the same for everybody is rendered once a kind and language: see `letters`.

Subject, sender and the first 150 characters name no petition, person, country or cause: a
telephone shows them on its lock screen. No message names the petition at all, so that an
inbox searched by somebody else tells nothing either.
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

# What differs between two mails of a kind; templates get a mark for each under its name.
FIELDS = ("confirm", "not_me", "code")
FIELDS_TO_FIND = ("mine",)


def compose(mail: Mail, person: dict[str, str] | None = None) -> Letter:
    """The message of an outbox row that was loaded with its signature and signer.

    Message-ID and Date come from the row, so that a second sending is the same message.
    `person` is who signed, where that was unsealed already. Raises `vault.CannotOpen`.
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


def forget() -> None:
    """Render every form afresh."""
    _form.cache_clear()


def confirm_subject() -> str:
    """The subject of the confirmation mail; the page that says what to look for shows it."""
    return _("Please confirm your email address")


def find_subject() -> str:
    """The subject of the mail with the link that was asked for; it names nothing."""
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
        # The form refuses one; a row may hold it all the same, and must stop no mail.
        return address
    return str(Address(name, parsed.username, parsed.domain))


def _values(mail: Mail, address: str) -> dict[str, str]:
    """This mail's own: one for each of its fields, of the same length for everybody."""
    if mail.kind in FINDS:
        # Its hour begins when its batch is composed: a mail server that was away takes nothing
        # of it, and one that is slow ten minutes at most.
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
    """What all mails of a kind and language have in common."""
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
    """What all mails with the link to one's signatures have in common, in a language."""
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
    """For how long the link works: that of a reminder is the first one's, and as old."""
    age = reminders.AFTER.days if is_reminder else 0
    return days(settings.PENDING_DAYS - age)
