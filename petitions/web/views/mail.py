"""Views for replies to our mails: unsubscribing, broken links, and mail providers' webhooks."""

import logging
import re
from http import HTTPStatus
from typing import Any

from anymail.signals import tracking
from django.conf import settings
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.module_loading import import_string
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from petitions.crypto import tokens
from petitions.mail import bounces, news
from petitions.web.guards import signed_report, token_is_proof
from petitions.web.responses import get_or_post

logger = logging.getLogger(__name__)

# Characters that mail programs insert into a long link at a line break. Possessive quantifiers,
# because with backtracking a path of only "=" takes a third of a second.
_INSERTED = r"[\s=\u00ad\u200b-\u200f\u2060\ufeff]"
_LINE_BREAK = re.compile(rf"(?<!{_INSERTED}){_INSERTED}++(?=[\w-]++/)")
# The characters of links. Everything from the first other character was appended to the link.
_LINK_START = re.compile(r"[\w./-]*", re.ASCII)
# "/t/", the language and the kind of link. Tokens and references are case-sensitive.
_LOWER_CASE_PARTS = 4
# Imported lazily: these views take a tenth of a process's memory, and most sites do not use them.
_WEBHOOKS = {
    "mailgun": "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    "postmark": "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
}


@token_is_proof
@get_or_post
def no_news(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Show a button (GET, because scanners follow links), or unsubscribe (any POST).

    Mail programs POST `List-Unsubscribe=One-Click`, without cookies and from anywhere. The page's
    second button, `no_mail`, opts out of all mail. The response never shows whose mailbox it is.
    """
    try:
        to = tokens.read_subscription_link(token)
    except tokens.BadToken:
        return render(request, "petitions/dead_link.html", status=404)
    if request.method != "POST":
        return render(request, "petitions/no_news.html")
    news.unsubscribe(to=to)
    if not request.POST.get("no_mail"):
        return render(request, "petitions/no_news_done.html")
    news.want_no_mail(to=to)
    again = tokens.inbox_link(tokens.MAIL_AGAIN, to.inbox)
    context = {"again": reverse("links:mail_again", args=[get_language(), again])}
    return render(request, "petitions/mine_no_mail.html", context)


@token_is_proof
@require_safe
def repair_link(request: HttpRequest, rest: str) -> HttpResponse:
    """Redirect a damaged link to the correct one, or respond 404 with ways to get a new link.

    Mail programs and people append a bracket or a full stop, insert a line break, change case, or
    cut links off. The link's own view tells whether it has expired or was used.
    """
    meant = repaired(request.path_info)
    if meant != request.path_info and _is_known(meant):
        return HttpResponseRedirect(meant)
    return render(request, "petitions/broken_link.html", status=404)


def repaired(path: str) -> str:
    """Return the path without appended and inserted characters, its fixed parts in lower case."""
    found = _LINK_START.match(_LINE_BREAK.sub("", re.sub("/{2,}", "/", path)))
    link = found[0] if found else ""
    # A token may end in punctuation. After the slash, punctuation was appended.
    bare = link.rstrip("._/-")
    parts = (bare + link[len(bare) :].partition("/")[0].rstrip(".")).split("/")
    parts[:_LOWER_CASE_PARTS] = [part.lower() for part in parts[:_LOWER_CASE_PARTS]]
    return "/".join(parts) + "/"


def _is_known(path: str) -> bool:
    try:
        return resolve(path).func is not repair_link
    except Resolver404:
        return False


@signed_report
def report(request: HttpRequest) -> HttpResponse:
    """Webhook for bounce and complaint reports of any mail provider.

    Respond 400 if the signature is invalid, and 404 if no webhook is configured.
    """
    view = _WEBHOOKS.get(settings.MAIL_PROVIDER)
    if view is None or not settings.MAIL_WEBHOOK_SECRET:
        # Without a secret anybody could suppress any mailbox.
        raise Http404
    try:
        answer: HttpResponse = import_string(view).as_view()(request)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # The body may be invalid, because it is parsed before its signature is checked.
        logger.warning("a report of the mail provider cannot be read (%s)", type(error).__name__)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return answer


@receiver(tracking)
def _handle(event: Any, **_kwargs: Any) -> None:
    bounces.handle(event)
