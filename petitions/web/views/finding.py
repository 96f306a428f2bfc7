""" "Find my signature": a form that mails a magic link; no user enumeration (constant work)."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from petitions.identity import email_addresses
from petitions.infra import client_network
from petitions.mail import messages
from petitions.publishing.organisation import organisation
from petitions.screening import rate_limits, rules
from petitions.screening.rate_limits import Act, LimitResult
from petitions.signatures import find as finding
from petitions.web.cache_headers import public_page
from petitions.web.forms.finding import FindForm
from petitions.web.guards import same_origin
from petitions.web.responses import SeeOther
from petitions.web.views import redrawing


def press_again(request: HttpRequest) -> HttpResponse:
    """Answer a cross-site POST (CSRF): show what was typed, to be sent again from our page."""
    form = FindForm(initial={"email": request.POST.get("email", "")})
    return redrawing.instead(request, ["email"]) or _page(
        request, form, HTTPStatus.FORBIDDEN, press_again=True
    )


@same_origin(refused=press_again)
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """Show the form, or queue a request (POST), which the worker settles: `signatures.find`."""
    if request.method != "POST":
        return _show(request)
    form = FindForm(request.POST, files=request.FILES)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return redrawing.instead(request, ["email"]) or _page(request, form, status)
    address = form.cleaned_data["email"]
    taken = _take(request, address)
    if taken.is_refused:
        response = _page(request, form, HTTPStatus.TOO_MANY_REQUESTS, too_many=True)
        response["Retry-After"] = str(rate_limits.RETRY_AFTER)
        return response
    finding.request_links(
        address=address, language=get_language() or "en", is_silenced=taken.is_silenced
    )
    return SeeOther(reverse("petitions:find_sent"))


@require_http_methods(["GET", "HEAD"])
@public_page
def sent(request: HttpRequest) -> HttpResponse:
    """The answer to every request: one page without an address, so that it can be cached."""
    context = {"sender": messages.sender(organisation()), "subject": messages.find_subject()}
    return render(request, "petitions/find_sent.html", context)


@public_page
def _show(request: HttpRequest) -> HttpResponse:
    return _page(request, FindForm())


def _take(request: HttpRequest, address: str) -> LimitResult:
    sender = client_network.sender_of(request.META)
    domain = email_addresses.domain_of(address)
    return rate_limits.hit(
        Act.FIND,
        address=address,
        # No petition: one rate limit for all requests.
        petition=0,
        sender=sender,
        lifted=rules.in_force().lifts(sender.address, domain),
    )


def _page(
    request: HttpRequest,
    form: FindForm,
    status: int = HTTPStatus.OK,
    *,
    press_again: bool = False,
    too_many: bool = False,
) -> HttpResponse:
    context = {"form": form, "press_again": press_again, "too_many": too_many}
    return render(request, "petitions/find.html", context, status=status)
