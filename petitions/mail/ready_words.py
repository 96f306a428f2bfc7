"""Reply templates ("ready words") for answers to enquiries, to be edited before sending.

None of them says whether the writer signed: the organiser who sends them does not know, and anybody
can type anybody's address into the form. Only "Find my signature" shows what is held, by a link
that goes to the mailbox that signed.
"""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from petitions.crypto import tokens
from petitions.formatting.languages import day, hours
from petitions.models import Enquiry
from petitions.publishing.organisation import organisation

TO_WRITE = "…"
ICO = "https://ico.org.uk/make-a-complaint/"


class Words(models.TextChoices):
    GENERAL = "general", "General"
    ACCESS = "access", "What we hold"
    ERASURE = "erasure", "Deletion"
    CORRECTION = "correction", "Correction"
    COMPLAINT = "complaint", "Complaint"


def fitting(enquiry: Enquiry) -> Words:
    fits = {Enquiry.Kind.DATA: Words.ACCESS, Enquiry.Kind.COMPLAINT: Words.COMPLAINT}
    return fits.get(Enquiry.Kind(enquiry.kind), Words.GENERAL)


def ready(words: Words, *, enquiry: Enquiry, language: str) -> str:
    """Return the full text of an answer in a language, with empty lines between paragraphs."""
    with translation.override(language):
        find = settings.SITE_URL + reverse("petitions:find")
        return "\n\n".join(
            [
                _("Hello,"),
                _("Thank you for your message of %(day)s.") % {"day": day(enquiry.received_on)},
                *_paragraphs(words, find),
                _("With kind regards"),
                organisation().name,
            ]
        ).strip()


def _paragraphs(words: Words, find: str) -> list[str]:
    """Return the body of an answer in the active language; `find` links to "Find my signature".

    A URL is a paragraph of its own: within Arabic text its last slash would be shown in front. The
    general template has only a placeholder paragraph for the organiser to write.
    """
    if words is Words.GENERAL:
        return [TO_WRITE]
    if words is Words.COMPLAINT:
        return [
            _(
                "We have received your complaint about what is done with your data, and are "
                "looking into it. We will tell you what we found and what we did about it without "
                "undue delay."
            ),
            _("You may also complain to the Information Commissioner at any time:"),
            ICO,
        ]
    shown = {
        Words.ACCESS: _(
            "There you see everything that we hold about a signature, and can download it as a "
            "file."
        ),
        Words.ERASURE: _(
            "There you can withdraw a signature in two steps. Name, email address and postcode are "
            "deleted at once, and the count falls by one."
        ),
        Words.CORRECTION: _(
            "There you can correct a name, move a signature to another email address, and change "
            "what may be done with the name."
        ),
    }
    return [
        _("Please open this page, and type the email address that was signed with:"),
        find,
        _("That mailbox then gets a link that works for %(time)s.")
        % {"time": hours(timedelta(seconds=tokens.FIND_SECONDS))}
        + " "
        + shown[words],
        _(
            "We cannot tell you by this email whether an address has signed: anybody could ask for "
            "somebody else. Only whoever reads the mailbox is to know."
        ),
        _(
            "Can you no longer read that mailbox? Then send us the reference from the page that "
            "thanked you: three groups of four letters and digits. We will do the rest."
        ),
    ]
