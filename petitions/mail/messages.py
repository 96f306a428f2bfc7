"""Composes each mail when it is sent, from its outbox row: subject, bodies, links and codes.

What is the same for everybody is rendered once per kind and language: see `letters`.

Subject, sender and the first 150 characters name no petition, person, country or cause: a phone
shows them on its lock screen. No message names the petition at all, so that searching an inbox
tells nothing either; but news, which their readers asked for, may name it, unless they withheld
their name and did not allow that.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from petitions.crypto import tokens
from petitions.formatting import sanitising
from petitions.formatting.languages import days, direction, hours
from petitions.identity import email_addresses, typed_text
from petitions.mail import enquiries, ready_words, reminders, suppression
from petitions.mail.letters import Letter, Template
from petitions.mail.ready_words import Words
from petitions.models import Answer, Enquiry, Mail, NewsText, Organisation, rank_of
from petitions.publishing.organisation import organisation
from petitions.signers import sealing

# Instead of a confirmation: the address was entered again after its owner said "not me".
NOTICE = "notice"
# In the links of trials instead of a token: it was made for nothing.
OF_A_TRIAL = "a-trial-opens-nothing"


def compose(mail: Mail, person: dict[str, str] | None = None, *, is_notice: bool = False) -> Letter:
    """The message for an outbox row that was loaded with its signature and signer.

    `is_notice`: the `NOTICE` in its place.
    Message-ID and Date come from the row, so that a retry sends the same message. `person` is the
    unsealed signer, if at hand. Raises `vault.CannotOpen`, and `ValueError` without an addressee.
    """
    person = person or sealing.addressee(mail)
    if person is None:
        raise ValueError("a mail to nobody")
    if mail.kind == Mail.Kind.TRIAL:
        return sample(
            person["trial_of"],
            person["language"],
            to=email_addresses.deliverable(person["email"]),
            mail_id=mail.pk,
            sent_at=mail.created_at,
            is_trial=True,
        )
    kind, address = NOTICE if is_notice else mail.kind, person["email"]
    text = TEXTS[kind]
    template_of = _template if text.is_cached else _template.__wrapped__
    template = template_of(
        kind, person["language"], sender(organisation()), settings.SITE_URL, text.variant(mail)
    )
    return template.fill(
        text.values(mail, address),
        to=email_addresses.deliverable(address),
        mail_id=str(mail.pk),
        date=format_datetime(mail.created_at),
    )


def sample_of_news(text: NewsText, *, to: str, mail_id: UUID, is_neutral: bool = False) -> Letter:
    """A text of news as its readers get it, for its writer; its link unsubscribes nobody."""
    with translation.override(text.language):
        written = news_words(text, is_neutral=is_neutral)
    template = _render(
        TEXTS[Mail.Kind.NEWS], written, text.language, sender(organisation()), settings.SITE_URL
    )
    nobody = tokens.Subscription(text.news_id, UUID(int=0), 0, tokens.Inbox(0, bytes(16)))
    return template.fill(
        {"no_news": tokens.subscription_link(nobody)},
        to=to,
        mail_id=str(mail_id),
        date=format_datetime(timezone.now()),
    )


def sample(
    kind: str,
    language: str,
    *,
    to: str,
    mail_id: UUID | None = None,
    sent_at: datetime | None = None,
    is_trial: bool = False,
) -> Letter:
    """A mail of a kind of `TEXTS` as the public gets it, about nobody; its links open nothing.

    Of a trial the subject says so. Nothing is stored or cached.
    """
    text = TEXTS[kind]
    with translation.override(language):
        written = text.invented(language)
        if is_trial:
            written = written._replace(
                subject=_("Trial: %(subject)s") % {"subject": written.subject}
            )
    template = _render(text, written, language, sender(organisation()), settings.SITE_URL)
    nothing = {"code": tokens.spoken("0" * tokens.CODE_DIGITS)}
    return template.fill(
        {field: nothing.get(field, OF_A_TRIAL) for field in text.fields},
        to=to,
        mail_id=str(mail_id or UUID(int=0)),
        date=format_datetime(sent_at or timezone.now()),
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


def news_subject() -> str:
    """The subject of news to signers who withheld their name and did not let news name the
    petition; it names nothing.
    """
    return _("The news that you asked for")


def answer_subject() -> str:
    """The subject of an answer to a message; it names nothing."""
    return _("The answer to your message")


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
def _template(kind: str, language: str, sender_line: str, site: str, variant: Hashable) -> Template:
    """The MIME template of all mails of a kind, language and variant."""
    with translation.override(language):
        written = TEXTS[kind].words(variant, language)
    return _render(TEXTS[kind], written, language, sender_line, site)


def _render(
    text: "Text", written: "Written", language: str, sender_line: str, site: str
) -> Template:
    template = Template(text.fields)
    with translation.override(language):
        links = {
            context_name: site + reverse(f"links:{field}", args=[language, template.marks[field]])
            for context_name, field in text.links.items()
        }
        context = {
            **template.marks,
            **links,
            **written.context,
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
            "subject": written.subject,
        }
        return template.render(
            subject=written.subject,
            text=render_to_string(f"mail/{text.name}.txt", context),
            html=render_to_string(f"mail/{text.name}.html", context),
            sender=sender_line,
            domain=sender_domain(),
            headers=text.headers(links),
        )


class Written(NamedTuple):
    """The words of a mail in the active language: its subject, and what its templates need."""

    subject: str
    context: dict[str, object]


class Text(ABC):
    """What a kind of mail says: a subclass for each.

    `name` is that of its two templates in `templates/mail`; `fields` are the placeholders, for what
    differs between two mails of the kind; `links` says which of them are tokens of a link, by the
    name of the link in the templates. `is_cached` is false where each mail has words of its own,
    which are personal data.
    """

    name: str
    fields: tuple[str, ...] = ()
    links: dict[str, str] = {}
    is_cached = True

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        """The fields of one mail to an address, each of one length for everybody."""
        return {}

    def variant(self, mail: Mail) -> Hashable:
        """What tells mails of the kind apart whose words differ."""
        return None

    @abstractmethod
    def words(self, variant: Any, language: str) -> Written:
        """The words of a variant in a language, which is active."""

    def invented(self, language: str) -> Written:
        """The words of a trial in a language, about nobody."""
        return self.words(None, language)

    def headers(self, links: dict[str, str]) -> dict[str, str]:
        """Further headers, of those links."""
        return {}


class Confirm(Text):
    """The link and the code that confirm a signature."""

    name = "confirm"
    fields = ("confirm", "not_me", "code")
    links = {"link": "confirm", "not_me_link": "not_me"}

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        signature = mail.signature
        assert signature
        mailbox = sealing.mailbox_of(signature, address)
        return {
            "confirm": tokens.link(tokens.CONFIRM, signature.pk, signature.link_epoch),
            "code": tokens.spoken(tokens.code(signature.pk, signature.link_epoch)),
            "not_me": tokens.mailbox_link(tokens.NOT_ME, mailbox),
        }

    def words(self, variant: Any, language: str) -> Written:
        context: dict[str, object] = {
            "time": days(settings.PENDING_DAYS),
            "reminder": hours(reminders.AFTER),
        }
        return Written(confirm_subject(), context)


class Remind(Confirm):
    """The same once more, to who has not confirmed. Its link is the first one's, and as old."""

    def words(self, variant: Any, language: str) -> Written:
        time = days(settings.PENDING_DAYS - reminders.AFTER.days)
        return Written(confirm_subject(), {"time": time, "is_reminder": True})


class Notice(Text):
    """The address was entered again after its owner said "not me"."""

    name = "notice"
    fields = ("not_me",)
    links = {"link": "not_me"}

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        assert mail.signature
        mailbox = sealing.mailbox_of(mail.signature, address)
        return {"not_me": tokens.mailbox_link(tokens.NOT_ME, mailbox)}

    def words(self, variant: Any, language: str) -> Written:
        return Written(notice_subject(), {"time": days(suppression.ENDS_AFTER.days)})


class Find(Text):
    """The link to one's signatures.

    Its hour begins when its batch is composed: an outage of the mail server takes nothing of it,
    and a slow server ten minutes at most.
    """

    name = "find"
    fields = ("mine",)
    links = {"link": "mine"}

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        return {"mine": tokens.recipient_link(sealing.recipient_of(address))}

    def words(self, variant: Any, language: str) -> Written:
        return Written(find_subject(), {"time": hours(timedelta(seconds=tokens.FIND_SECONDS))})


class NewAddress(Text):
    """The code that moves a signature to this address."""

    name = "address"
    fields = ("code",)

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        return {"code": tokens.spoken(tokens.code(mail.pk, 0))}

    def words(self, variant: Any, language: str) -> Written:
        return Written(confirm_subject(), {"time": hours(timedelta(seconds=tokens.FIND_SECONDS))})


class NewsVariant(NamedTuple):
    """Which news, and whether subject and beginning may name what it is about."""

    news_id: UUID
    is_neutral: bool


class OfNews(Text):
    """A news to a supporter, with one-click unsubscription (RFC 8058)."""

    name = "news"
    fields = ("no_news",)
    links = {"no_news_link": "no_news"}

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        assert mail.news_id
        assert mail.signature
        to = tokens.Subscription(
            mail.news_id, mail.signature.pk, mail.signature.petition_id, sealing.inbox_of(address)
        )
        return {"no_news": tokens.subscription_link(to)}

    def variant(self, mail: Mail) -> NewsVariant:
        """Who withheld their name gets a subject that names nothing, unless they allowed it."""
        assert mail.news_id
        assert mail.signature
        return NewsVariant(mail.news_id, mail.signature.gets_neutral_news)

    def words(self, variant: NewsVariant, language: str) -> Written:
        """In the language, or else in English, or else in any that the news has."""
        texts = NewsText.objects.filter(news=variant.news_id)
        return news_words(texts.order_by(rank_of(language), "id")[0], is_neutral=variant.is_neutral)

    def invented(self, language: str) -> Written:
        body = _("Here stands what you write to your supporters.")
        text = NewsText(language=language, subject=_("News of the petition"), body=body)
        return news_words(text, is_neutral=False)

    def headers(self, links: dict[str, str]) -> dict[str, str]:
        return {
            "List-Unsubscribe": f"<{links['no_news_link']}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }


def news_words(text: NewsText, *, is_neutral: bool) -> Written:
    """The words of a text of news; the language around them is the active one."""
    context: dict[str, object] = {
        "body": sanitising.render_markdown(text.body),
        "plain": sanitising.plain_text(text.body),
        "body_language": text.language,
        "body_direction": direction(text.language),
        "is_neutral": is_neutral,
        "organisation": organisation().name,
        "find_link": settings.SITE_URL + reverse("petitions:find"),
    }
    # A row may hold a line break all the same, which no header may.
    subject = news_subject() if is_neutral else sanitising.legible(text.subject)
    return Written(subject, context)


class OfAnswer(Text):
    """The answer to a message; a reply to it reaches the organisation."""

    name = "answer"
    is_cached = False

    def variant(self, mail: Mail) -> UUID | None:
        return mail.answer_id

    def words(self, variant: UUID, language: str) -> Written:
        return self._written(enquiries.read_answer(Answer.objects.get(pk=variant)))

    def invented(self, language: str) -> Written:
        enquiry = Enquiry(received_on=timezone.localdate())
        return self._written(ready_words.ready(Words.ERASURE, enquiry=enquiry, language=language))

    def headers(self, links: dict[str, str]) -> dict[str, str]:
        # A person wrote it.
        reply_to = organisation().privacy_email
        return {"Auto-Submitted": "no", **({"Reply-To": reply_to} if reply_to else {})}

    def _written(self, text: str) -> Written:
        context: dict[str, object] = {
            "text": text,
            # Each with a direction of its own.
            "paragraphs": text.split("\n\n"),
            "contact": settings.SITE_URL + reverse("petitions:contact"),
        }
        return Written(answer_subject(), context)


TEXTS: dict[str, Text] = {
    NOTICE: Notice(),
    Mail.Kind.CONFIRM: Confirm(),
    Mail.Kind.REMIND: Remind(),
    Mail.Kind.FIND: Find(),
    Mail.Kind.FIND_OTHER: Find(),
    Mail.Kind.ADDRESS: NewAddress(),
    Mail.Kind.NEWS: OfNews(),
    Mail.Kind.ANSWER: OfAnswer(),
}
