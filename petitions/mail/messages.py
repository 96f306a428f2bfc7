"""Compose each mail when it is sent, from its outbox row: subject, bodies, links and codes.

The parts that are the same for everybody are rendered once per kind and language: see `letters`.

Subject, sender and the first 150 characters name no petition, person, country or cause, because
phones show them on the lock screen. The rest does not name the petition either, so that searching
an inbox reveals nothing. Only news may name it, which its readers asked for, unless a reader
withheld their name and did not allow it.
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

# Sent in place of a confirmation if the address was entered again after its owner said "not me".
NOTICE = "notice"
# Stands for the token in links of trials and samples, so that they open nothing.
TRIAL_PLACEHOLDER = "a-trial-opens-nothing"


def compose(mail: Mail, person: dict[str, str] | None = None, *, is_notice: bool = False) -> Letter:
    """Return the message for an outbox row that was loaded with its signature and signer.

    With `is_notice` it is the `NOTICE`. `person` is the unsealed signer, if at hand. Message-ID
    and Date come from the row, so that a retry sends the same message. Raises `vault.CannotOpen`,
    and `ValueError` if the mail has no addressee.
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
    """Return a news mail as readers get it, for its writer. Its link unsubscribes nobody."""
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
    """Return a mail of a kind in `TEXTS` as the public gets it. Its links open nothing.

    It is about nobody, and nothing of it is stored or cached. With `is_trial` the subject says so.
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
        {field: nothing.get(field, TRIAL_PLACEHOLDER) for field in text.fields},
        to=to,
        mail_id=str(mail_id or UUID(int=0)),
        date=format_datetime(sent_at or timezone.now()),
    )


def invalidate() -> None:
    """Clear the cache of rendered templates."""
    _template.cache_clear()


def confirm_subject() -> str:
    """Return the subject of the confirmation mail, which the "check your email" page quotes."""
    return _("Please confirm your email address")


def find_subject() -> str:
    """Return the subject of the mail with the link to one's signatures. It names nothing."""
    return _("The link that you asked for")


def notice_subject() -> str:
    """Return the subject of the notice that an address was entered again. It names nothing."""
    return _("About your email address")


def news_subject() -> str:
    """Return the subject of news for signers who withheld their name and did not allow news to name
    the petition. It names nothing.
    """
    return _("The news that you asked for")


def answer_subject() -> str:
    """Return the subject of an answer to an enquiry. It names nothing."""
    return _("The answer to your message")


def sender_domain() -> str:
    """Return the domain of our Message-IDs."""
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]


def sender(of: Organisation) -> str:
    """Return the From header: the address, with the organisation's sender name if it has one."""
    address, name = settings.DEFAULT_FROM_EMAIL, of.sender_name
    if typed_text.has_forbidden_character(name):
        # The form rejects such a name. If a row holds one nevertheless, mail must still go out.
        return address
    user, _at, domain = address.rpartition("@")
    return str(Address(name, user, domain))


@lru_cache(maxsize=64)
def _template(kind: str, language: str, sender_line: str, site: str, variant: Hashable) -> Template:
    """Return the MIME template of all mails of a kind, language and variant."""
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
    """The text of a mail in the active language: its subject and its templates' context."""

    subject: str
    context: dict[str, object]


class Text(ABC):
    """The content of a kind of mail; each kind has a subclass.

    `name` is the name of its two templates in `templates/mail`. `fields` are the placeholders for
    values that differ from mail to mail. `links` maps names of links in the templates to the fields
    that hold their tokens. `is_cached` is false where each mail has its own text, which is
    personal data.
    """

    name: str
    fields: tuple[str, ...] = ()
    links: dict[str, str] = {}
    is_cached = True

    def values(self, mail: Mail, address: str) -> dict[str, str]:
        """Return the values of the fields for one mail. Each has the same length for everybody."""
        return {}

    def variant(self, mail: Mail) -> Hashable:
        """Return what tells apart mails of the kind with different texts."""
        return None

    @abstractmethod
    def words(self, variant: Any, language: str) -> Written:
        """Return the text of a variant. `language` is the active language."""

    def invented(self, language: str) -> Written:
        """Return an example text in a language for trials and samples, about nobody."""
        return self.words(None, language)

    def headers(self, links: dict[str, str]) -> dict[str, str]:
        """Return further headers. `links` holds the URL of each link."""
        return {}


class Confirm(Text):
    """The mail with the link and the code that confirm a signature."""

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
    """The reminder to confirm. Its link is that of the first mail, and expires with it."""

    def words(self, variant: Any, language: str) -> Written:
        time = days(settings.PENDING_DAYS - reminders.AFTER.days)
        return Written(confirm_subject(), {"time": time, "is_reminder": True})


class Notice(Text):
    """The notice that the address was entered again after its owner said "not me"."""

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

    Its hour begins when its batch is composed. An outage of the mail server therefore takes nothing
    of it, and a slow server takes ten minutes at most.
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
    """The news item, and whether subject and beginning must not name its topic."""

    news_id: UUID
    is_neutral: bool


class NewsMail(Text):
    """A news mail to a supporter, with one-click unsubscription (RFC 8058)."""

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
        """Signers who withheld their name get a neutral subject, unless they allowed naming it."""
        assert mail.news_id
        assert mail.signature
        return NewsVariant(mail.news_id, mail.signature.gets_neutral_news)

    def words(self, variant: NewsVariant, language: str) -> Written:
        """Return the text in the language, or else in English, or else in any that there is."""
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
    """Return a news mail's text; what surrounds it is in the active language."""
    context: dict[str, object] = {
        "body": sanitising.render_markdown(text.body),
        "plain": sanitising.plain_text(text.body),
        "body_language": text.language,
        "body_direction": direction(text.language),
        "is_neutral": is_neutral,
        "organisation": organisation().name,
        "find_link": settings.SITE_URL + reverse("petitions:find"),
    }
    # If a row holds a line break nevertheless, it must not reach the header.
    subject = news_subject() if is_neutral else sanitising.legible(text.subject)
    return Written(subject, context)


class AnswerMail(Text):
    """The answer to an enquiry. A reply to it reaches the organisation."""

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
        # A person wrote this mail.
        reply_to = organisation().privacy_email
        return {"Auto-Submitted": "no", **({"Reply-To": reply_to} if reply_to else {})}

    def _written(self, text: str) -> Written:
        context: dict[str, object] = {
            "text": text,
            # Split, so that each paragraph has a direction of its own.
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
    Mail.Kind.NEWS: NewsMail(),
    Mail.Kind.ANSWER: AnswerMail(),
}
