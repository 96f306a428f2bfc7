"""View of the opt-out link "it was not me": one button to suppress, and one to undo that."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from petitions.crypto import tokens
from petitions.mail import suppression
from petitions.web.guards import token_is_proof


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Show one button (GET), or opt out or back in (POST). GET is safe: mail scanners open links.

    The answer does not reveal whether anything was pending, confirmed or never there: somebody
    else may read the mail.
    """
    try:
        mailbox = tokens.read_mailbox_link(tokens.NOT_ME, token)
    except tokens.BadToken:
        return _dead_link(request)
    if request.method != "POST":
        return _page(request, "before" if suppression.is_petition_suppressed(mailbox) else "ask")
    if request.POST.get("lift"):
        suppression.unsuppress_petition(mailbox=mailbox)
        return _page(request, "lifted")
    if not suppression.suppress_petition(mailbox=mailbox):
        return _dead_link(request)
    return _page(request, "done")


def _page(request: HttpRequest, stage: str) -> HttpResponse:
    return render(request, f"petitions/not_me_{stage}.html")


def _dead_link(request: HttpRequest) -> HttpResponse:
    return render(request, "petitions/dead_link.html", status=HTTPStatus.NOT_FOUND)
