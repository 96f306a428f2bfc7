"""Composes each mail when it is sent, from its outbox row: subject, bodies, links and codes.

What is the same for everybody is rendered once per kind and language: see `letters`.

Subject, sender and the first 150 characters name no petition, person, country or cause: a phone
shows them on its lock screen. No message names the petition at all, so that searching an inbox
tells nothing either.
"""

from collections.abc import Callable
from datetime import timedelta
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from petitions.crypto import tokens
from petitions.formatting.languages import days, hours
from petitions.identity import email_addresses, typed_text
from petitions.mail import reminders, suppression
from petitions.mail.letters import Letter, Template
from petitions.models import Mail, Organisation
from petitions.publishing.organisation import organisation
from petitions.signers import sealing

# Instead of a confirmation: the address was entered again after its owner said "not me".
NOTICE = "notice"


def compose(mail: Mail, person: dict[str, str] | None = None, *, is_notice: bool = False) -> Letter:
    """The message for an outbox row that was loaded with its signature and signer.

    `is_notice`: the `NOTICE` in its place.
    Message-ID and Date come from the row, so that a retry sends the same message. `person` is the
    unsealed signer, if at hand. Raises `vault.CannotOpen`, and `ValueError` without an addressee.
    """
    person = person or sealing.addressee(mail)
    if person is None:
        raise ValueError("a mail to nobody")
    kind, address = NOTICE if is_notice else mail.kind, person["email"]
    template = _template(kind, person["language"], sender(organisation()), settings.SITE_URL)
    return template.fill(
        TEXTS[kind].values(mail, address),
        to=email_addresses.deliverable(address),
        mail_id=str(mail.pk),
        date=format_datetime(mail.created_at),
    )


def invalidate() -> None:
    """Clear the cache of rendered templates."""
    _template.cache_clear()


def confirm_subject() -> str:
    """The subject of the confirmation mail; the page that says what to look for shows it."""
    return _("Please confirm your email address")


def find_subject() -> str:
    """The subject of the mail with the link to one's signatures; it names nothing."""
    return _("The link that you asked for")


def notice_subject() -> str:
    """The subject of the mail that an address was entered again; it names nothing."""
    return _("About your email address")


def sender_domain() -> str:
    """The domain of our Message-IDs."""
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]


def sender(of: Organisation) -> str:
    """The From header: the address, with the organisation's chosen sender name if it has one."""
    address, name = settings.DEFAULT_FROM_EMAIL, of.sender_name
    if typed_text.has_forbidden_character(name):
        # The form rejects such a name; a row that holds one all the same must stop no mail.
        return address
    user, _at, domain = address.rpartition("@")
    return str(Address(name, user, domain))


@lru_cache(maxsize=64)
def _template(kind: str, language: str, sender_line: str, site: str) -> Template:
    """The MIME template of all mails of a kind and language."""
    text = TEXTS[kind]
    template = Template(text.fields)
    with translation.override(language):
        links = {
            context_name: site + reverse(f"links:{field}", args=[language, template.marks[field]])
            for context_name, field in text.links.items()
        }
        context = {
            **template.marks,
            **links,
            **text.context(),
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
            "subject": text.subject(),
        }
        return template.render(
            subject=text.subject(),
            text=render_to_string(f"mail/{text.name}.txt", context),
            html=render_to_string(f"mail/{text.name}.html", context),
            sender=sender_line,
            domain=sender_domain(),
        )


class Text(NamedTuple):
    """What a kind of mail says.

    name: its two templates in `templates/mail`. fields: the placeholders, for what differs between
    two mails of the kind. links: which of them are tokens of a link, by the name of the link in the
    templates. values: those of one mail to an address, each of the same length for everybody
    (constant work). context: whatever else the templates need, in the active language.
    """

    name: str
    subject: Callable[[], str]
    fields: tuple[str, ...]
    links: dict[str, str]
    values: Callable[[Mail, str], dict[str, str]]
    context: Callable[[], dict[str, object]]


def _confirm_values(mail: Mail, address: str) -> dict[str, str]:
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


def _notice_values(mail: Mail, address: str) -> dict[str, str]:
    return {"not_me": _confirm_values(mail, address)["not_me"]}


def _notice_context() -> dict[str, object]:
    return {"time": days(suppression.ENDS_AFTER.days)}


def _find_values(_mail: Mail, address: str) -> dict[str, str]:
    # The link's hour begins when its batch is composed: an outage of the mail server takes nothing
    # of it, and a slow server ten minutes at most.
    return {"mine": tokens.recipient_link(sealing.recipient_of(address))}


def _address_values(mail: Mail, _address: str) -> dict[str, str]:
    return {"code": tokens.spoken(tokens.code(mail.pk, 0))}


def _confirm_context() -> dict[str, object]:
    return {"time": days(settings.PENDING_DAYS), "reminder": hours(reminders.AFTER)}


def _remind_context() -> dict[str, object]:
    # A reminder's link is the first one's, and as old.
    return {"time": days(settings.PENDING_DAYS - reminders.AFTER.days), "is_reminder": True}


def _find_context() -> dict[str, object]:
    return {"time": hours(timedelta(seconds=tokens.FIND_SECONDS))}


_CONFIRM = Text(
    name="confirm",
    subject=confirm_subject,
    fields=("confirm", "not_me", "code"),
    links={"link": "confirm", "not_me_link": "not_me"},
    values=_confirm_values,
    context=_confirm_context,
)
_FIND = Text(
    name="find",
    subject=find_subject,
    fields=("mine",),
    links={"link": "mine"},
    values=_find_values,
    context=_find_context,
)
_ADDRESS = Text(
    name="address",
    subject=confirm_subject,
    fields=("code",),
    links={},
    values=_address_values,
    context=_find_context,
)
TEXTS: dict[str, Text] = {
    NOTICE: Text(
        name="notice",
        subject=notice_subject,
        fields=("not_me",),
        links={"link": "not_me"},
        values=_notice_values,
        context=_notice_context,
    ),
    Mail.Kind.CONFIRM: _CONFIRM,
    Mail.Kind.REMIND: _CONFIRM._replace(context=_remind_context),
    Mail.Kind.FIND: _FIND,
    Mail.Kind.FIND_OTHER: _FIND,
    Mail.Kind.ADDRESS: _ADDRESS,
}
