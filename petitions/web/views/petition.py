"""View of the petition's page with the signing form."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from petitions.counting import sources, tallies
from petitions.formatting.markdown import render_markdown
from petitions.models import PetitionText
from petitions.publishing import warm_cache
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_text, standing
from petitions.screening import challenge, fraud_signals, rate_limits
from petitions.sharing import heads
from petitions.signatures.submit import (
    Accepted,
    AlreadyCorrected,
    ChallengeRequired,
    NotOpen,
    TooMany,
    submit,
)
from petitions.web import evidence
from petitions.web.cache_headers import public_page, turns_at
from petitions.web.forms.signing import SignForm
from petitions.web.guards import same_origin
from petitions.web.responses import SeeOther, check_path
from petitions.web.views import redrawing

# Fields carried over from a cross-site POST, and those of our own form.
_TYPED = ("name", "email", "postcode", "country")
_FIELDS = (*SignForm.base_fields, *challenge.FIELDS, *fraud_signals.FIELDS)


def press_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer a cross-site POST (CSRF): show what was typed, to be sent again from our page.

    Choices and ticks are not carried over: they would be that page's consent, not the signer's.
    """
    text = find_text(slug, lately=True)
    if response := redrawing.instead(request, _TYPED):
        return response
    typed = {name: request.POST.get(name, "") for name in _TYPED}
    form = _form(text, initial={**typed, "text_version": text.version})
    return _page(request, text, form, status=HTTPStatus.FORBIDDEN, press_again=True)


@same_origin(refused=press_again)
@require_http_methods(["GET", "HEAD", "POST"])
def petition(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a petition, or submit a signature (POST)."""
    if request.method == "POST":
        return _sign(request, slug)
    return _show(request, slug)


@public_page
def _show(request: HttpRequest, slug: str) -> HttpResponse:
    text = find_text(slug)
    return _page(request, text, _form(text))


def _sign(request: HttpRequest, slug: str) -> HttpResponse:
    text = find_text(slug, lately=True)
    form = _form(text, request)
    if not text.petition.is_accepting():
        return _again(request, text, form, HTTPStatus.CONFLICT)
    if not form.is_valid():
        offer = challenge.carried(request.POST, slug)
        return _again(request, text, form, HTTPStatus.UNPROCESSABLE_ENTITY, offer=offer)
    attempt = replace(form.attempt(), source=sources.said_by(request))
    match submit(petition=text.petition, attempt=attempt, evidence=evidence.of_form(request)):
        case Accepted(page):
            return SeeOther(check_path(attempt.language, page.seal()))
        case ChallengeRequired(offer):
            return _again(request, text, form, HTTPStatus.FORBIDDEN, offer=offer)
        case TooMany():
            return _too_many(request, text, form)
        case NotOpen() | AlreadyCorrected():
            return _again(request, text, form, HTTPStatus.CONFLICT)


def _too_many(request: HttpRequest, text: PetitionText, form: SignForm) -> HttpResponse:
    """Answer 429 with Retry-After and all that was typed, without saying which rate limit it was.

    A challenge that has begun is carried over.
    """
    offer = challenge.carried(request.POST, text.petition.slug)
    status = HTTPStatus.TOO_MANY_REQUESTS
    response = _again(request, text, form, status, offer=offer, too_many=True)
    response.headers.setdefault("Retry-After", str(rate_limits.RETRY_AFTER))
    return response


def _again(
    request: HttpRequest, text: PetitionText, form: SignForm, status: int, **shown: Any
) -> HttpResponse:
    """Re-render the page around a refused form, within the rate limit of `redrawing`."""
    return redrawing.instead(request, _FIELDS) or _page(request, text, form, status, **shown)


def _form(text: PetitionText, request: HttpRequest | None = None, **options: Any) -> SignForm:
    return SignForm(
        request.POST if request else None,
        files=request.FILES if request else None,
        version=text.version,
        **options,
    )


def _page(
    request: HttpRequest,
    text: PetitionText,
    form: SignForm,
    status: int = HTTPStatus.OK,
    *,
    press_again: bool = False,
    too_many: bool = False,
    offer: challenge.Offer | None = None,
) -> HttpResponse:
    """Render the petition's page around a form, in any state of the petition."""
    petition = text.petition
    if petition.is_removed:
        removed = {"petition": petition}
        return render(request, "petitions/removed.html", removed, status=HTTPStatus.GONE)
    # A re-rendered form is not cached, and must be cheap against floods: its count may be stale.
    count = (warm_cache if request.method == "POST" else tallies).total(petition.pk)
    page = standing(petition, count) | {
        "text": text,
        "head": heads.for_petition(text, count=count, organisation=organisation()),
        "body": render_markdown(text.body),
        "form": form,
        "press_again": press_again,
        "too_many": too_many,
        "challenge": offer,
    }
    response = render(request, "petitions/petition.html", page, status=status)
    return turns_at(page["opens_at"], response)
