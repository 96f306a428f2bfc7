"""Static pages about the site (privacy, help, ...), from Markdown files in `content/` by language.

The files are Django templates, with the title in the first line and the summary in the first
paragraph. Values from the code, such as retention periods, and from the admin are template
variables, so that page and code cannot disagree. Front matter may hold `reviewed`, the day of the
last review, which the law requires in the accessibility statement.
"""

import re
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import frontmatter
from django.conf import settings
from django.template import Context, Template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from petitions.crypto import tokens
from petitions.formatting.languages import day, days, hours, minutes, month_and_year
from petitions.formatting.sanitising import render_markdown
from petitions.mail import enquiries, messages, reminders, suppression
from petitions.models.petition import CONFIRMING_AFTER_CLOSE
from petitions.privacy import retention
from petitions.publishing import warm_cache
from petitions.publishing.organisation import former_names, organisation
from petitions.screening import rate_limits
from petitions.signatures import check_email

NAMES = ("privacy", "safety", "help", "about", "accessibility")
FOLDER = Path(__file__).parent / "content"
# Special characters of Markdown, which are escaped.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+.!|&~-])")


class Page(NamedTuple):
    """A page's title and summary as plain text, and its body as HTML."""

    title: str
    summary: str
    body: SafeString


def read(name: str, language: str) -> Page:
    """Render one of `NAMES` in a language, with the current `facts`."""
    on = reviewed(name, language)
    values = facts() | {"reviewed": day(on) if on else ""}
    if name == "privacy":
        values["former_names"] = [
            {"name": _isolated(former.name), "until": day(former.until)}
            for former in former_names()
        ]
    context = Context(values, autoescape=False)
    words = _template(name, language).render(context).strip()
    title, summary, body = words.split("\n\n", 2)
    return Page(title.removeprefix("# "), summary, render_markdown(body))


def reviewed(name: str, language: str) -> date | None:
    """Return the day of a page's last review from its front matter, or None."""
    return cast("date | None", _file(name, language).get("reviewed"))


def written(name: str, language: str) -> str:
    """Return the source of a page, without its front matter."""
    return str(_file(name, language).content)


@cache
def _template(name: str, language: str) -> Template:
    return Template(written(name, language))


def _file(name: str, language: str) -> frontmatter.Post:
    return frontmatter.load(str(FOLDER / f"{name}.{language}.md"))


def facts() -> dict[str, Any]:
    """Return the template variables of the pages, in the active language."""
    of, postcodes_of = organisation(), warm_cache.postcodes_of()
    return {
        "organisation": _isolated(of.name or _("the organisation that runs this site")),
        "is_named": bool(of.name),
        "privacy_email": of.privacy_email,
        "website": of.website,
        "find": reverse("petitions:find"),
        "contact": reverse("petitions:contact"),
        "privacy": reverse("petitions:privacy"),
        "safety": reverse("petitions:safety"),
        "help": reverse("petitions:help"),
        "sender": settings.DEFAULT_FROM_EMAIL,
        "subject": messages.confirm_subject(),
        **promises(),
        "postcodes_of": month_and_year(postcodes_of) if postcodes_of else "",
        "postcodes_year": postcodes_of.year if postcodes_of else "",
    }


def promises() -> dict[str, str]:
    """Return periods and limits in the active language, from the constants that enforce them."""
    # A rate limit counter is stored for two windows: see `screening.rate_limits`.
    windows = [2 * rate.get_expiry() for rate in settings.LIMITS.values() if rate]
    digits, tries = tokens.CODE_DIGITS, check_email.CODE_TRIES
    return {
        "kept_unconfirmed": days(settings.PENDING_DAYS),
        "kept_after_close": days(retention.KEPT_AFTER_CLOSE.days),
        "kept_exact": hours(retention.EXACT_FOR),
        "kept_network": days(retention.KEPT_OF_ORIGIN.days),
        "kept_enquiry": days(retention.KEPT_AFTER_ANSWER.days),
        "kept_unanswered": days(retention.KEPT_UNANSWERED.days),
        "kept_undeliverable": days(suppression.ENDS_AFTER.days),
        "kept_objection": days(suppression.ENDS_AFTER.days),
        "kept_news": days(retention.KEPT_OF_NEWS.days),
        "kept_asked": days(retention.MAILS_KEPT.days),
        "kept_counters": hours(timedelta(seconds=max(windows, default=0))),
        "grace": hours(CONFIRMING_AFTER_CLOSE),
        "reminder": hours(reminders.AFTER),
        "link_works": hours(timedelta(seconds=tokens.FIND_SECONDS)),
        "page_works": hours(timedelta(seconds=tokens.ATTEMPT_SECONDS)),
        "acknowledged": days(enquiries.ANSWER_WITHIN.days),
        "try_again": minutes(timedelta(seconds=rate_limits.RETRY_AFTER)),
        "mails_a_day": _mails(settings.MAILS_PER_MAILBOX_AND_DAY),
        "mails_a_page": _mails(check_email.MAILS_PER_PAGE),
        "code_digits": ngettext("%(n)d digit", "%(n)d digits", digits) % {"n": digits},
        "code_tries": ngettext("%(n)d time", "%(n)d times", tries) % {"n": tries},
    }


def _mails(n: int) -> str:
    return ngettext("%(n)d message", "%(n)d messages", n) % {"n": n}


def _isolated(name: str) -> str:
    """Escape a name for Markdown, and isolate its direction by Unicode, as `<bdi>` would."""
    plain = _MARKDOWN.sub(r"\\\1", name)
    return f"\N{FIRST STRONG ISOLATE}{plain}\N{POP DIRECTIONAL ISOLATE}"
