"""Views of signing: the petition's page with its form, then "check your email".

There the mail can be sent again, the attempt corrected, or the one-time code typed. These pages
show only what their visitor typed, never the state of the attempt, which is for the reader of the
mail (constant work: docs/architecture.md). GET masks the address and shows no name, because people
forward URLs.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from petitions.counting import sources, tallies
from petitions.crypto import tokens
from petitions.formatting.sanitising import render_markdown
from petitions.identity import email_addresses
from petitions.infra.client_network import sender_of
from petitions.mail import messages
from petitions.models import PetitionText
from petitions.publishing import warm_cache
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_petition, find_text, standing
from petitions.screening import challenge, fraud_signals
from petitions.screening.screen import ChallengeRequired, TooMany
from petitions.sharing import heads
from petitions.signatures import check_email as checking
from petitions.signatures.check_email import Page
from petitions.signatures.submit import (
    Accepted,
    AlreadyCorrected,
    NotOpen,
    submit,
)
from petitions.web import long_pages
from petitions.web.forms import CodeForm, CorrectForm, SignForm
from petitions.web.guards import Origin, origin_of, same_origin, token_is_proof
from petitions.web.responses import SeeOther, get_or_post, public_page, turns_at
from petitions.web.views import confirming
from petitions.web.views.throttling import evidence_of, offer_again, throttled, too_many

# Fields that are kept from a cross-site POST, and those of our own forms.
_TYPED = ("name", "email", "postcode", "country")
_FIELDS = (*SignForm.base_fields, *challenge.FIELDS, *fraud_signals.FIELDS)
_CORRECT_FIELDS = (*CorrectForm.base_fields, *challenge.FIELDS)

WRONG_CODE = _(
    "That code is wrong, or has been tried too many times (the limit is %(tries)s). The link in "
    "our message still works."
)
# Keys are the first labels of domains.
SPAM_HELP: dict[str, Promise] = {
    **dict.fromkeys(
        ("gmail", "googlemail"),
        _("At Gmail, look under “Spam”, “Promotions” and “Updates”, too."),
    ),
    **dict.fromkeys(
        ("outlook", "hotmail", "live", "msn", "windowslive"),
        _("At Outlook, look under “Junk” and “Other”, too."),
    ),
    **dict.fromkeys(("yahoo", "ymail", "rocketmail", "aol"), _("Look under “Spam”, too.")),
    **dict.fromkeys(("icloud", "me", "mac"), _("Look under “Junk”, too.")),
}
SPAM_HELP_ANYWHERE = _(
    "Look among spam or junk; at Gmail also under “Promotions” and “Updates”, at Outlook under "
    "“Other”."
)


def press_again(request: HttpRequest, slug: str) -> HttpResponse:
    """Respond to a cross-site POST (CSRF) with the typed values, to be sent from our page.

    Choices and ticks are not kept: they would be the other site's consent, not the signer's.
    """
    text = find_text(slug, lately=True)
    if response := throttled(request, _TYPED):
        return response
    typed = {name: request.POST.get(name, "") for name in _TYPED}
    form = SignForm(text=text, initial=typed)
    return _page(request, text, form, HTTPStatus.FORBIDDEN, press_again=True)


@same_origin(refused=press_again)
@get_or_post
def petition(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a petition, or submit a signature (POST)."""
    return _sign(request, slug) if request.method == "POST" else _show(request, slug)


@public_page
def _show(request: HttpRequest, slug: str) -> HttpResponse:
    text = find_text(slug)
    return _page(request, text, SignForm(text=text))


def _sign(request: HttpRequest, slug: str) -> HttpResponse:
    text = find_text(slug, lately=True)
    form = SignForm(request.POST, files=request.FILES, text=text)
    again = partial(_again, request, text, form)
    if not text.petition.is_accepting():
        return again(HTTPStatus.CONFLICT)
    if not form.is_valid():
        offer = offer_again(request, slug)
        return again(HTTPStatus.UNPROCESSABLE_ENTITY, challenge=offer)
    attempt = replace(form.attempt(), source=sources.code_in(request))
    evidence = evidence_of(
        request,
        honeypot=request.POST.get(fraud_signals.HONEYPOT, ""),
        pace=fraud_signals.read_pace(request.POST.get(fraud_signals.PACE, "")),
        has_origin=origin_of(request) is not Origin.MISSING,
    )
    match submit(petition=text.petition, attempt=attempt, evidence=evidence):
        case Accepted(page):
            return _to_check_email(page)
        case ChallengeRequired(offer):
            return again(HTTPStatus.FORBIDDEN, challenge=offer)
        case TooMany():
            # The response does not show which rate limit it was. A started challenge is kept.
            offer = offer_again(request, slug)
            return too_many(again(HTTPStatus.TOO_MANY_REQUESTS, challenge=offer, too_many=True))
        case NotOpen() | AlreadyCorrected():
            return again(HTTPStatus.CONFLICT)


def _again(
    request: HttpRequest, text: PetitionText, form: SignForm, status: int, **shown: Any
) -> HttpResponse:
    """Render the page with a refused form, within the rate limit of `throttled`."""
    return throttled(request, _FIELDS) or _page(request, text, form, status, **shown)


def _page(
    request: HttpRequest,
    text: PetitionText,
    form: SignForm,
    status: int = HTTPStatus.OK,
    **shown: Any,
) -> HttpResponse:
    """Render the petition's page with a form, in any state of the petition.

    `shown` is further template context: `press_again`, `too_many`, `challenge`.
    """
    petition = text.petition
    if petition.is_removed:
        removed = {"petition": petition}
        return render(request, "petitions/removed.html", removed, status=HTTPStatus.GONE)
    # The response to a POST is not cached, and must be cheap in a flood: its count may be stale.
    count = (warm_cache if request.method == "POST" else tallies).total(petition.pk)
    page = standing(petition, count) | {
        "text": text,
        "head": heads.for_petition(text, count=count, organisation=organisation()),
        "body": render_markdown(text.body),
        "form": form,
        **shown,
    }
    response = render(request, "petitions/petition.html", page, status=status)
    return turns_at(page["opens_at"], response)


def _for_attempt(
    view: Callable[[HttpRequest, Page, str], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Decorator: unseal the token into a `Page` for the view, or respond 410 (expired) or 404."""

    @token_is_proof
    @wraps(view)
    def opened(request: HttpRequest, language: str, token: str) -> HttpResponse:
        try:
            page = Page.open(token)
        except tokens.BadToken as error:
            expired = isinstance(error, tokens.ExpiredToken)
            status = HTTPStatus.GONE if expired else HTTPStatus.NOT_FOUND
            return render(request, "petitions/old_page.html", {"expired": expired}, status=status)
        return view(request, page, token)

    return opened


@require_safe
@_for_attempt
def check_email(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Show where the mail went and how to recognise it, without reading the attempt's row."""
    return _check_page(request, page, token)


@get_or_post
@_for_attempt
def send_again(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Resend the mail to the same address, within the rate limits."""
    if request.method != "POST" or not page.has_mails_left:
        return _to_check_email(page)
    sender = sender_of(request.META)
    match checking.request_resend(page=page, petition=find_petition(page.petition), sender=sender):
        case TooMany():
            return _too_many(request, page, token)
        case following:
            return _to_check_email(following)


@get_or_post
@_for_attempt
def type_code(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Confirm by the one-time code, with the same response as the link's button.

    A GET redirects to the petition.
    """
    if request.method != "POST":
        return _to_petition(page)
    form = CodeForm(request.POST)
    if form.is_valid():
        code, sender = form.cleaned_data["code"], sender_of(request.META)
        match checking.link_by_code(
            page=page, code=code, petition=find_petition(page.petition), sender=sender
        ):
            case TooMany():
                return _too_many(request, page, token)
            case None:
                form.add_error("code", WRONG_CODE % {"tries": long_pages.promises()["code_tries"]})
            case link:
                return confirming.press(request, link)
    return _check_page(request, page, token, HTTPStatus.UNPROCESSABLE_ENTITY, form=form)


@get_or_post
@_for_attempt
def correct(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Correct the attempt. The typed values are shown only after a POST."""
    if request.method != "POST" or not page.has_mails_left:
        return _to_check_email(page)
    if not request.POST:
        return _correction(request, token, CorrectForm(typed=page.attempt))
    form = CorrectForm(request.POST, typed=page.attempt, files=request.FILES)
    if not form.is_valid():
        offer = offer_again(request, page.petition)
        return _correction(request, token, form, HTTPStatus.UNPROCESSABLE_ENTITY, offer=offer)
    return _correct(request, page, token, form)


@get_or_post
@_for_attempt
def take_suggestion(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Correct the attempt by the suggested domain of its address."""
    address = _suggested(page.attempt.email)
    if request.method != "POST" or not page.has_mails_left or address is None:
        return _to_check_email(page)
    form = CorrectForm(typed=replace(page.attempt, email=address))
    return _correct(request, page, token, form)


def _correct(request: HttpRequest, page: Page, token: str, form: CorrectForm) -> HttpResponse:
    """Submit the correction. A page allows only one: after that, people must sign again."""
    attempt = form.attempt() if form.is_bound else form.typed
    evidence = evidence_of(request)
    match submit(
        petition=find_petition(page.petition), attempt=attempt, evidence=evidence, corrects=page
    ):
        case Accepted(corrected):
            return _to_check_email(corrected)
        case ChallengeRequired(offer):
            return _correction(request, token, form, HTTPStatus.FORBIDDEN, offer=offer)
        case TooMany():
            return _too_many(request, page, token)
        case NotOpen() | AlreadyCorrected():
            # The petition's page shows that it is closed, or a new form.
            return _to_petition(page)


def _check_page(
    request: HttpRequest,
    page: Page,
    token: str,
    status: int = HTTPStatus.OK,
    *,
    form: CodeForm | None = None,
    is_too_many: bool = False,
) -> HttpResponse:
    address = page.attempt.email
    suggested = _suggested(address)
    provider = email_addresses.domain_of(address).partition(".")[0]
    context = {
        "form": form or CodeForm(),
        "token": token,
        "page": page,
        "address": email_addresses.masked(address),
        "suggested": email_addresses.masked(suggested) if suggested else "",
        "sender": messages.sender(organisation()),
        "subject": messages.confirm_subject(),
        "spam_help": SPAM_HELP.get(provider, SPAM_HELP_ANYWHERE),
        "is_too_many": is_too_many,
    }
    return render(request, "petitions/check_mail.html", context, status=status)


def _too_many(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Respond 429, without showing which rate limit it was."""
    return too_many(_check_page(request, page, token, is_too_many=True))


def _correction(
    request: HttpRequest,
    token: str,
    form: CorrectForm,
    status: int = HTTPStatus.OK,
    *,
    offer: challenge.Offer | None = None,
) -> HttpResponse:
    """Render the correction form. Rendering it again is rate-limited by `throttled`."""
    if status != HTTPStatus.OK and (response := throttled(request, _CORRECT_FIELDS)):
        return response
    context = {"form": form, "token": token, "challenge": offer}
    return render(request, "petitions/correct.html", context, status=status)


def _to_check_email(page: Page) -> HttpResponse:
    return SeeOther(reverse("links:check_mail", args=[get_language(), page.seal()]))


def _to_petition(page: Page) -> HttpResponse:
    return SeeOther(reverse("petitions:petition", args=[page.petition]))


def _suggested(address: str) -> str | None:
    """Return the address with the domain that was probably meant, or None."""
    local, _at, domain = address.rpartition("@")
    meant = email_addresses.suggested_domain(domain)
    return f"{local}@{meant}" if meant else None
