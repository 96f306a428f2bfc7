"""The contact form. What is sent is sealed, and read by organisers in the admin."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from petitions.infra import client_network
from petitions.models import Enquiry
from petitions.privacy import enquiries
from petitions.screening import fraud_signals, rate_limits
from petitions.screening.rate_limits import Act
from petitions.web import long_pages
from petitions.web.cache_headers import public_page
from petitions.web.forms.contact import ContactForm
from petitions.web.guards import same_origin
from petitions.web.responses import SeeOther
from petitions.web.views import redrawing

# All enquiries are counted together, and this is no petition's number.
_ALL = 0
_FIELDS = (*ContactForm.base_fields, fraud_signals.HONEYPOT)


def press_again(request: HttpRequest) -> HttpResponse:
    """Another site's page sent the form here: show what it holds, to be sent from ours."""
    if response := redrawing.instead(request, ContactForm.base_fields):
        return response
    typed = {name: request.POST.get(name, "") for name in ContactForm.base_fields}
    return _page(request, ContactForm(initial=typed), HTTPStatus.FORBIDDEN, press_again=True)


@same_origin(refused=press_again)
@require_http_methods(["GET", "HEAD", "POST"])
def contact(request: HttpRequest) -> HttpResponse:
    """Show the form, or take a message."""
    return _send(request) if request.method == "POST" else _show(request)


@public_page
@require_http_methods(["GET", "HEAD"])
def sent(request: HttpRequest) -> HttpResponse:
    """What happens now, and when: the same for everybody."""
    return render(request, "petitions/contact_sent.html", {"facts": long_pages.facts()})


@public_page
def _show(request: HttpRequest) -> HttpResponse:
    return _page(request, ContactForm())


def _send(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return redrawing.instead(request, _FIELDS) or _page(request, form, status)
    if _is_too_much(request, form.cleaned_data["email"]):
        response = _page(request, form, HTTPStatus.TOO_MANY_REQUESTS, too_many=True)
        response["Retry-After"] = str(rate_limits.RETRY_AFTER)
        return response
    enquiries.receive(
        kind=Enquiry.Kind(form.cleaned_data["kind"]),
        letter=form.letter(),
        # A sign, never a refusal: some browsers fill in what nobody sees.
        looks_automatic=bool(request.POST.get(fraud_signals.HONEYPOT)),
    )
    return SeeOther(reverse("petitions:contact_sent"))


def _is_too_much(request: HttpRequest, email: str) -> bool:
    sender = client_network.sender_of(request.META)
    taken = rate_limits.take(
        Act.CONTACT,
        address=email,
        petition=_ALL,
        sender=sender,
    )
    # No page here tells who signed, so whichever limit it was may be said alike.
    return taken.is_refused or taken.is_silenced


def _page(
    request: HttpRequest, form: ContactForm, status: int = HTTPStatus.OK, **flags: bool
) -> HttpResponse:
    context = {"form": form, "facts": long_pages.facts(), **flags}
    return render(request, "petitions/contact.html", context, status=status)
