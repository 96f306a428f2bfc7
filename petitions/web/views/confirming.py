"""Views of confirmation (double opt-in): the page of the mailed link, and the thank-you page."""

from datetime import timedelta
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from petitions.crypto import tokens
from petitions.geography import homes
from petitions.models import Signature
from petitions.publishing import warm_cache
from petitions.signatures import confirm as confirming
from petitions.signatures.confirm import Outcome
from petitions.web.guards import token_is_proof

THANKED = {Outcome.CONFIRMED, Outcome.ALREADY}
# For how long a used link still shows its thank-you page: enough for a second click.
SAID_AGAIN = timedelta(minutes=10)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Show one button (GET) or confirm (POST). GET is safe, as mail scanners open every link."""
    try:
        link = tokens.read_link(tokens.CONFIRM, token)
    except tokens.BadToken:
        return _dead_link(request)
    if request.method == "POST":
        return press(request, link)
    return _ask(request, link)


def _ask(request: HttpRequest, link: tokens.Link) -> HttpResponse:
    signature = confirming.find(link.signature_id, link.epoch)
    if signature is None:
        return _dead_link(request)
    if signature.state != Signature.State.PENDING:
        # A used link invites to sign, and says nothing of who signed.
        return _respond(request, "petitions/used_link.html", signature)
    return _respond(request, "petitions/confirm.html", signature)


def press(request: HttpRequest, link: tokens.Link) -> HttpResponse:
    """Confirm, and respond: for the button, and for the one-time code that replaces its link."""
    outcome, signature = confirming.confirm(signature_id=link.signature_id, epoch=link.epoch)
    if signature is None:
        return _dead_link(request)
    if signature.pk == link.signature_id:
        if _is_long_used(signature):
            return _respond(request, "petitions/used_link.html", signature)
        if outcome is Outcome.ALREADY:
            # Idempotent: the same link, pressed again or twice at once, has the same success.
            outcome = Outcome.CONFIRMED
    if outcome in THANKED:
        return _thank(request, signature, outcome)
    conflict = HTTPStatus.CONFLICT
    return _respond(request, "petitions/not_counted.html", signature, outcome, status=conflict)


def _is_long_used(signature: Signature) -> bool:
    """Whether the signature was confirmed more than `SAID_AGAIN` ago.

    The link stays in the browser history, where somebody else could find and press it.
    """
    used_at = signature.confirmed_at
    return used_at is not None and used_at < timezone.now() - SAID_AGAIN


def _thank(request: HttpRequest, signature: Signature, outcome: Outcome) -> HttpResponse:
    """The thank-you page, rendered for its signer only: never cache or share it."""
    petition = signature.petition
    context = {
        "petition": petition,
        "signature": signature,
        "count": warm_cache.total(petition.pk),
        "home": homes.as_html(signature.place_id),
        "news": _news_path(signature),
        "text": warm_cache.text(petition.slug, get_language()),
        "outcome": outcome.value,
    }
    return render(request, "petitions/thanks.html", context)


def _news_path(signature: Signature) -> str:
    """The URL for the choice about news: it has the signature's link token, also after a code."""
    token = tokens.link(tokens.CONFIRM, signature.pk, signature.link_epoch)
    return reverse("links:news", args=[get_language(), token])


def _respond(
    request: HttpRequest,
    template: str,
    signature: Signature,
    outcome: Outcome | None = None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    petition = signature.petition
    context = {
        "petition": petition,
        "signature": signature,
        "text": warm_cache.text(petition.slug, get_language()),
        "outcome": outcome.value if outcome else "",
        "count": warm_cache.total(petition.pk),
    }
    return render(request, template, context, status=status)


def _dead_link(request: HttpRequest) -> HttpResponse:
    return render(request, "petitions/dead_link.html", status=HTTPStatus.NOT_FOUND)
