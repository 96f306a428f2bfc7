"""Views of what comes back from our mails: unsubscribing, broken links, and providers' reports."""

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

# What mail programs put into a long link where they break its line, if more of it follows. Without
# backtracking: else a path of nothing but "=" takes a third of a second.
_PUT_IN = r"[\s=\u00ad\u200b-\u200f\u2060\ufeff]"
_BREAK = re.compile(rf"(?<!{_PUT_IN}){_PUT_IN}++(?=[\w-]++/)")
# What links are made of; anything else, and all behind it, was stuck on.
_OF_A_LINK = re.compile(r"[\w./-]*", re.ASCII)
# "/t/", the language and the kind of link; tokens and references tell capitals apart.
_IN_SMALL_LETTERS = 4
# Lazy imports: this code takes a tenth of a process's memory, and most sites do not use it.
_WEBHOOKS = {
    "mailgun": "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    "postmark": "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
}


@token_is_proof
@get_or_post
def no_news(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Show one button (GET), for scanners follow links; unsubscribe by any POST.

    A mail program sends `List-Unsubscribe=One-Click`, without cookies and from anywhere; the page's
    second button, `no_mail`, ends all other mail as well. The answer never says whose it is.
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
def mend(request: HttpRequest, rest: str) -> HttpResponse:
    """Redirect to the link that was meant, or answer 404 with the ways to a new one.

    For links as mail programs and people break them: with a bracket or a full stop stuck on, a line
    break within, in capitals, or cut off. Whether one has expired or was used, its own view says.
    """
    meant = mended(request.path_info)
    if meant != request.path_info and _is_known(meant):
        return HttpResponseRedirect(meant)
    return render(request, "petitions/broken_link.html", status=404)


def mended(path: str) -> str:
    """The path without what was stuck on or put in, with its fixed parts in small letters."""
    found = _OF_A_LINK.match(_BREAK.sub("", re.sub("/{2,}", "/", path)))
    link = found[0] if found else ""
    # A token may end in a sign; behind its slash one was stuck on.
    bare = link.rstrip("._/-")
    parts = (bare + link[len(bare) :].partition("/")[0].rstrip(".")).split("/")
    parts[:_IN_SMALL_LETTERS] = [part.lower() for part in parts[:_IN_SMALL_LETTERS]]
    return "/".join(parts) + "/"


def _is_known(path: str) -> bool:
    try:
        return resolve(path).func is not mend
    except Resolver404:
        return False


@signed_report
def report(request: HttpRequest) -> HttpResponse:
    """Webhook for a provider's report of a bounce or complaint: 400 if its signature is not valid,
    404 if no webhook is configured. One URL for any provider.
    """
    view = _WEBHOOKS.get(settings.MAIL_PROVIDER)
    if view is None or not settings.MAIL_WEBHOOK_SECRET:
        # Without a secret anybody could have any mailbox suppressed.
        raise Http404
    try:
        answer: HttpResponse = import_string(view).as_view()(request)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # The body is parsed before its signature is checked, so it may be junk.
        logger.warning("a report of the mail provider cannot be read (%s)", type(error).__name__)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return answer


@receiver(tracking)
def _handle(event: Any, **_kwargs: Any) -> None:
    bounces.handle(event)
