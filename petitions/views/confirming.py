"""The page that a mailed link opens, and the thank-you that its button earns."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from petitions import recent, signing, tallies, tokens
from petitions.guards import token_is_proof
from petitions.models import Signature
from petitions.signing import Outcome

THANKED = {Outcome.CONFIRMED, Outcome.ALREADY}


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """GET shows one button and changes nothing, for mail scanners open every link."""
    try:
        link = tokens.read_link(tokens.CONFIRM, token)
    except tokens.BadToken:
        return _dead_link(request)
    if request.method == "POST":
        return _confirm(request, link)
    return _ask(request, link)


def _ask(request: HttpRequest, link: tokens.Link) -> HttpResponse:
    signature = signing.find(link.signature_id, link.epoch)
    if signature is None:
        return _dead_link(request)
    if signature.state != Signature.State.PENDING:
        # Whoever opens a used link is invited to sign, and learns nothing of who signed.
        return _respond(request, "petitions/used_link.html", signature)
    return _respond(request, "petitions/confirm.html", signature)


def _confirm(request: HttpRequest, link: tokens.Link) -> HttpResponse:
    outcome, signature = signing.confirm(signature_id=link.signature_id, epoch=link.epoch)
    if signature is None:
        return _dead_link(request)
    if outcome is Outcome.ALREADY and signature.pk == link.signature_id:
        # The same link, pressed again or twice at once: the same success.
        outcome = Outcome.CONFIRMED
    if outcome in THANKED:
        return _respond(request, "petitions/thanks.html", signature, outcome)
    return _respond(request, "petitions/not_counted.html", signature, outcome, status=409)


def _respond(
    request: HttpRequest,
    template: str,
    signature: Signature,
    outcome: Outcome | None = None,
    status: int = 200,
) -> HttpResponse:
    petition = signature.petition
    context = {
        "petition": petition,
        "signature": signature,
        "text": recent.text(petition.slug, get_language()),
        "outcome": outcome.value if outcome else "",
        "count": tallies.total(petition.pk),
    }
    return render(request, template, context, status=status)


def _dead_link(request: HttpRequest) -> HttpResponse:
    return render(request, "petitions/dead_link.html", status=404)
