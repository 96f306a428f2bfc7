"""View of the opt-in to news that the thank-you page offers again."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from petitions.crypto import tokens
from petitions.signatures import self_service
from petitions.web.guards import token_is_proof
from petitions.web.responses import SeeOther
from petitions.web.views.confirming import SAID_AGAIN


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Store the choice while the link shows its thank-you page; else that link's view answers."""
    own_page = SeeOther(reverse("links:confirm", args=[get_language(), token]))
    if request.method != "POST":
        return own_page
    wants_updates = request.POST.get("updates") == "on"
    try:
        link = tokens.read_link(tokens.CONFIRM, token)
        self_service.choose_updates_once_confirmed(
            signature_id=link.signature_id,
            epoch=link.epoch,
            wants_updates=wants_updates,
            since=timezone.now() - SAID_AGAIN,
        )
    except (self_service.NoSuchSignature, tokens.BadToken):
        return own_page
    return render(request, "petitions/news.html", {"wants_updates": wants_updates})
