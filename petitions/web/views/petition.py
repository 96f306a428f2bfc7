"""The petition's page with its form."""

from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from petitions.counting import sources, tallies
from petitions.formatting.markdown import render_markdown
from petitions.identity import email_addresses
from petitions.models import Petition, PetitionText
from petitions.publishing import warm_cache
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_text, standing
from petitions.screening import (
    challenge,
    client_network,
    crowds,
    fraud_signals,
    rate_limits,
    screen,
)
from petitions.sharing import heads
from petitions.signatures import submit
from petitions.signatures.check_email import Page
from petitions.signers.sealing import Attempt
from petitions.web.cache_headers import public_page, turns_at
from petitions.web.forms.signing import SignForm
from petitions.web.guards import Origin, origin_of, same_origin
from petitions.web.views import redrawing

# What another site's page may have its visitor send, and what our own page sends.
_TYPED = ("name", "email", "postcode", "country")
_FIELDS = (*SignForm.base_fields, *challenge.FIELDS, *fraud_signals.FIELDS)


class SeeOther(HttpResponse):
    """303: go and GET another page, whatever this one was asked with.

    For paths that we made. Django's own redirects would quote and take apart an address of three
    thousand characters, and look whether its scheme may be used: 4 % of a signing.
    """

    status_code = HTTPStatus.SEE_OTHER

    def __init__(self, path: str) -> None:
        super().__init__(headers={"Location": path})

    @property
    def url(self) -> str:
        """Where to go."""
        return self.headers["Location"]


def press_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Another site's page sent the form here: show what was typed, to be sent from ours.

    What that page chose or ticked is not taken over: it would be its consent, not the signer's.
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
    """Show a petition, or take a signature for it."""
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
    try:
        # Closed before the form is read, or while it is: either way it is too late.
        submit.need_open(text.petition)
        if not form.is_valid():
            offer = challenge.carried(request.POST, slug)
            return _again(request, text, form, HTTPStatus.UNPROCESSABLE_ENTITY, offer=offer)
        attempt = form.attempt()
        if source := sources.said_by(request):
            attempt = replace(attempt, source=source)
        screened = _screen(request, text.petition, attempt)
        if screened.must_wait:
            return _too_many(request, text, form)
        is_asked = challenge.is_asked(text.petition, is_busy=screened.needs_challenge)
        if is_asked and (offer := challenge.demand(request.POST, slug, screened.network)):
            screen.came_to_nothing(attempt=attempt, uses_mailbox=screened.uses_mailbox)
            return _again(request, text, form, HTTPStatus.FORBIDDEN, offer=offer)
        attempt_id = _stored(text.petition, attempt, screened)
    except submit.NotAccepting:
        return _again(request, text, form, HTTPStatus.CONFLICT)
    page = Page(
        attempt_id,
        slug,
        attempt,
        signals=screened.signals,
        uses_mailbox=screened.uses_mailbox,
    )
    return SeeOther(check_path(attempt.language, page.seal()))


def _stored(petition: Petition, attempt: Attempt, screened: screen.Screening) -> UUID:
    try:
        return submit.sign(petition=petition, attempt=attempt, screening=screened)
    except (submit.NotAccepting, DatabaseError, InterfaceError):
        screen.came_to_nothing(attempt=attempt, uses_mailbox=screened.uses_mailbox)
        raise


def _screen(request: HttpRequest, petition: Petition, attempt: Attempt) -> screen.Screening:
    """What rules, limits and signals make of it, by what the request shows besides the form."""
    sender = client_network.sender_of(request.META)
    facts = fraud_signals.Facts(
        name=attempt.name,
        domain=email_addresses.domain_of(attempt.email),
        honeypot=request.POST.get(fraud_signals.HONEYPOT, ""),
        pace=fraud_signals.read_pace(request.POST.get(fraud_signals.PACE, "")),
        says_origin=origin_of(request) is not Origin.UNSAID,
        names_from_network=crowds.names_from(
            petition_id=petition.pk, network=sender.network, name=attempt.name
        ),
    )
    return screen.screen(petition=petition, attempt=attempt, sender=sender, facts=facts)


def _too_many(request: HttpRequest, text: PetitionText, form: SignForm) -> HttpResponse:
    """Come back later, with all that was typed; which limit it was is not said.

    A wait for the challenge that has begun goes on.
    """
    offer = challenge.carried(request.POST, text.petition.slug)
    status = HTTPStatus.TOO_MANY_REQUESTS
    response = _again(request, text, form, status, offer=offer, too_many=True)
    response.headers.setdefault("Retry-After", str(rate_limits.RETRY_AFTER))
    return response


def _again(
    request: HttpRequest, text: PetitionText, form: SignForm, status: int, **shown: Any
) -> HttpResponse:
    """The page around a form that comes back, unless its network has had too many of them."""
    return redrawing.instead(request, _FIELDS) or _page(request, text, form, status, **shown)


def check_path(language: str, token: str) -> str:
    """The path of "check your e-mail", as `reverse` gives it.

    Which would look for all that has to be quoted in the three thousand characters of a token,
    where nothing ever has to: 5 % of a signing.
    """
    before, after = _around_token(language)
    return f"{before}{token}{after}"


@cache
def _around_token(language: str) -> tuple[str, str]:
    before, _token, after = reverse("links:check_mail", args=[language, "TOKEN"]).partition("TOKEN")
    return before, after


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
    """The petition's page around a form, in whatever state the petition is."""
    petition = text.petition
    if petition.is_removed:
        removed = {"petition": petition}
        return render(request, "petitions/removed.html", removed, status=HTTPStatus.GONE)
    # A page that refuses a form is not kept, and must cost little: that is how floods are met.
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
