""" "Check your email": resend the mail, correct the attempt, or type the one-time code.

These pages show only what their visitor typed, never the state of the attempt, which is for the
reader of the mail (constant work: docs/architecture.md). GET masks the address and shows no name,
because URLs get forwarded.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from petitions.crypto import tokens
from petitions.identity import email_addresses
from petitions.infra import client_network
from petitions.mail import messages
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_text
from petitions.screening import challenge, rate_limits, rules
from petitions.screening.rate_limits import Act, LimitResult
from petitions.signatures import check_email
from petitions.signatures.check_email import Page
from petitions.signatures.submit import (
    Accepted,
    AlreadyCorrected,
    ChallengeRequired,
    NotOpen,
    TooMany,
    submit,
)
from petitions.web import evidence, long_pages
from petitions.web.forms.checking import CodeForm, CorrectForm
from petitions.web.guards import token_is_proof
from petitions.web.responses import SeeOther, check_path
from petitions.web.views import confirming, redrawing

_CORRECTED = (*CorrectForm.base_fields, *challenge.FIELDS)
PageView = Callable[[HttpRequest, Page, str], HttpResponse]

WRONG_CODE = _(
    "That code is wrong, or has been tried too many times (the limit is %(tries)s). The link in "
    "our message still works."
)
# By the first label of the domain.
SPAM_HELP = {
    ("gmail", "googlemail"): _("At Gmail, look under “Spam”, “Promotions” and “Updates”, too."),
    ("outlook", "hotmail", "live", "msn", "windowslive"): _(
        "At Outlook, look under “Junk” and “Other”, too."
    ),
    ("yahoo", "ymail", "rocketmail", "aol"): _("Look under “Spam”, too."),
    ("icloud", "me", "mac"): _("Look under “Junk”, too."),
}
SPAM_HELP_ANYWHERE = _(
    "Look among spam or junk; at Gmail also under “Promotions” and “Updates”, at Outlook under "
    "“Other”."
)
_SPAM_HELP_OF = {name: words for names, words in SPAM_HELP.items() for name in names}


def _for_page(view: PageView) -> Callable[..., HttpResponse]:
    """Decorator: unseal the token into a `Page` for the view, or answer 410 (expired) or 404."""

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


@token_is_proof
@require_http_methods(["GET", "HEAD"])
@_for_page
def check_mail(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Say where the mail went and how to recognise it, without reading the attempt's row."""
    return _show(request, page, token)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_page
def ask_again(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Resend the mail to the same address, within the rate limits."""
    if request.method != "POST" or not page.has_mails_left:
        return _to(page)
    taken = _take(request, Act.RESEND, page)
    if taken.is_refused:
        return _too_many(request, page, token)
    return _to(check_email.request_resend(page=page, is_silenced=taken.is_silenced))


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_page
def type_code(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Confirm by the one-time code of the mail: the answer is that of the link's button.

    A GET redirects to the petition.
    """
    if request.method != "POST":
        return _to_petition(page)
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _show(request, page, token, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    taken = _take(request, Act.CODE, page)
    if taken.is_refused:
        return _too_many(request, page, token)
    link = check_email.link_by_code(page=page, code=form.cleaned_data["code"])
    if link is None or taken.is_silenced:
        form.add_error("code", WRONG_CODE % {"tries": long_pages.tries(check_email.CODE_TRIES)})
        return _show(request, page, token, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return confirming.press(request, link)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_page
def correct(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Correct the attempt. What was typed is shown only after a POST."""
    if request.method != "POST" or not page.has_mails_left:
        return _to(page)
    if not request.POST:
        return _show_correction(request, token, CorrectForm(typed=page.attempt))
    form = CorrectForm(request.POST, typed=page.attempt, files=request.FILES)
    if not form.is_valid():
        offer = challenge.carried(request.POST, page.petition)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _show_correction(request, token, form, status, offer=offer)
    return _correct(request, page, token, form)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_page
def take_suggestion(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Correct the domain of the address to the suggested one."""
    address = _suggested(page.attempt.email)
    if request.method != "POST" or not page.has_mails_left or address is None:
        return _to(page)
    form = CorrectForm(typed=replace(page.attempt, email=address))
    return _correct(request, page, token, form)


def _correct(request: HttpRequest, page: Page, token: str, form: CorrectForm) -> HttpResponse:
    """Submit the correction. Single use: a second one from the same page has to sign again."""
    attempt = form.attempt() if form.is_bound else form.typed
    petition = find_text(page.petition, lately=True).petition
    said = evidence.of_correction(request)
    match submit(petition=petition, attempt=attempt, evidence=said, corrects=page):
        case Accepted(corrected):
            return _to(corrected)
        case ChallengeRequired(offer):
            return _show_correction(request, token, form, HTTPStatus.FORBIDDEN, offer=offer)
        case TooMany():
            return _too_many(request, page, token)
        case NotOpen() | AlreadyCorrected():
            # The petition's page says that it is closed, or takes a new form.
            return _to_petition(page)


def _take(request: HttpRequest, act: Act, page: Page) -> LimitResult:
    """Take a hit of the rate limits for this act."""
    sender, address = client_network.sender_of(request.META), page.attempt.email
    domain = email_addresses.domain_of(address)
    return rate_limits.hit(
        act,
        address=address,
        petition=find_text(page.petition, lately=True).petition.pk,
        sender=sender,
        lifted=rules.in_force().lifts(sender.address, domain),
    )


def _show(
    request: HttpRequest,
    page: Page,
    token: str,
    form: CodeForm | None = None,
    status: int = HTTPStatus.OK,
    *,
    is_too_many: bool = False,
) -> HttpResponse:
    suggested = _suggested(page.attempt.email)
    context = {
        "form": form or CodeForm(),
        "token": token,
        "page": page,
        "address": email_addresses.masked(page.attempt.email),
        "suggested": email_addresses.masked(suggested) if suggested else "",
        "sender": messages.sender(organisation()),
        "subject": messages.confirm_subject(),
        "spam_help": _spam_help(page.attempt.email),
        "is_too_many": is_too_many,
    }
    return render(request, "petitions/check_mail.html", context, status=status)


def _show_correction(
    request: HttpRequest,
    token: str,
    form: CorrectForm,
    status: int = HTTPStatus.OK,
    *,
    offer: challenge.Offer | None = None,
) -> HttpResponse:
    """Render the correction form; re-rendering it is rate limited, as on the petition's page."""
    if status != HTTPStatus.OK and (response := redrawing.instead(request, _CORRECTED)):
        return response
    context = {"form": form, "token": token, "challenge": offer}
    return render(request, "petitions/correct.html", context, status=status)


def _too_many(request: HttpRequest, page: Page, token: str) -> HttpResponse:
    """Answer 429 with Retry-After, without saying which rate limit it was."""
    status = HTTPStatus.TOO_MANY_REQUESTS
    response = _show(request, page, token, status=status, is_too_many=True)
    response["Retry-After"] = str(rate_limits.RETRY_AFTER)
    return response


def _to(page: Page) -> HttpResponse:
    return SeeOther(check_path(get_language(), page.seal()))


def _to_petition(page: Page) -> HttpResponse:
    return SeeOther(reverse("petitions:petition", args=[page.petition]))


def _suggested(address: str) -> str | None:
    """The address with its domain corrected for a likely typing slip, or None."""
    local, _at, domain = address.rpartition("@")
    meant = email_addresses.suggested_domain(domain)
    return f"{local}@{meant}" if meant else None


def _spam_help(address: str) -> Any:
    name = email_addresses.domain_of(address).partition(".")[0]
    return _SPAM_HELP_OF.get(name, SPAM_HELP_ANYWHERE)
