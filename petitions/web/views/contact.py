"""View of the contact form. Messages are sealed, and read by organisers in the admin."""

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

# Rate limit key for all enquiries together: no petition has this id.
_ALL = 0
_FIELDS = (*ContactForm.base_fields, fraud_signals.HONEYPOT)


def press_again(request: HttpRequest) -> HttpResponse:
    """Answer a cross-site POST (CSRF): show what was typed, to be sent again from our page."""
    if response := redrawing.instead(request, ContactForm.base_fields):
        return response
    typed = {name: request.POST.get(name, "") for name in ContactForm.base_fields}
    return _page(request, ContactForm(initial=typed), HTTPStatus.FORBIDDEN, press_again=True)


@same_origin(refused=press_again)
@require_http_methods(["GET", "HEAD", "POST"])
def contact(request: HttpRequest) -> HttpResponse:
    """Show the form, or receive a message (POST)."""
    return _send(request) if request.method == "POST" else _show(request)


@public_page
@require_http_methods(["GET", "HEAD"])
def sent(request: HttpRequest) -> HttpResponse:
    """Say what happens next, and when: the same page for everybody."""
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
        # The honeypot is a signal, never a refusal: some browsers autofill hidden fields.
        looks_automatic=bool(request.POST.get(fraud_signals.HONEYPOT)),
    )
    return SeeOther(reverse("petitions:contact_sent"))


def _is_too_much(request: HttpRequest, email: str) -> bool:
    sender = client_network.sender_of(request.META)
    taken = rate_limits.hit(
        Act.CONTACT,
        address=email,
        petition=_ALL,
        sender=sender,
    )
    # Nothing here depends on who signed, so silent limits may be told like the others.
    return taken.is_refused or taken.is_silenced


def _page(
    request: HttpRequest, form: ContactForm, status: int = HTTPStatus.OK, **flags: bool
) -> HttpResponse:
    context = {"form": form, "facts": long_pages.facts(), **flags}
    return render(request, "petitions/contact.html", context, status=status)
