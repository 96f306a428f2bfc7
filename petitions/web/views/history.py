"""View of the history of a petition's text: its public versions and their corrections."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from petitions.publishing.visibility import find_text
from petitions.web.responses import public_page


@public_page
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show every public version in the reader's language, the newest first; nobody's name."""
    text = find_text(slug)
    petition = text.petition
    if petition.is_removed:
        removed = {"petition": petition}
        return render(request, "petitions/removed.html", removed, status=HTTPStatus.GONE)
    versions = petition.texts.published().filter(language=text.language).order_by("-version")
    shown = {
        "text": text,
        "path": reverse("petitions:petition", args=[slug]),
        "versions": versions.prefetch_related("corrections"),
        "is_signed": True,
    }
    return render(request, "petitions/history.html", shown)
