"""Unsubscribing from news: one press on the page, or one click of a mail program (RFC 8058)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language

from petitions.crypto import tokens
from petitions.mail import news
from petitions.web.guards import token_is_proof
from petitions.web.responses import get_or_post


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
