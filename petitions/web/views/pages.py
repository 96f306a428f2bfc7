"""Views of the list of petitions, the pages about the site, and the contact form.

Messages are sealed, and read by organisers in the admin.
"""

from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from petitions.mail import enquiries
from petitions.models import Enquiry
from petitions.publishing import logo as logos
from petitions.publishing.visibility import listing
from petitions.screening import challenge, fraud_signals
from petitions.screening.screen import ChallengeRequired, TooMany
from petitions.web import long_pages
from petitions.web.forms import ContactForm
from petitions.web.guards import same_origin
from petitions.web.responses import A_DAY, SeeOther, get_or_post, public_page, turns_at
from petitions.web.views.throttling import evidence_of, offer_again, throttled, too_many

_FIELDS = (*ContactForm.base_fields, *challenge.FIELDS, fraud_signals.HONEYPOT)


@public_page
def petitions(request: HttpRequest) -> HttpResponse:
    """List all public petitions: open, announced and closed."""
    listed = listing(get_language())
    opens_at = min((one.opens_at for one in listed["announced"] if one.opens_at), default=None)
    return turns_at(opens_at, render(request, "petitions/petitions.html", listed))


@cache_control(public=True, max_age=365 * A_DAY, immutable=True)
@require_safe
def logo(request: HttpRequest, digest: str) -> HttpResponse:
    """Return the organisation's logo by its hash, so that each logo has its own URL."""
    content = logos.find(digest)
    if content is None:
        raise Http404
    return HttpResponse(content, content_type="image/png")


@public_page
def long_page(request: HttpRequest, name: str) -> HttpResponse:
    """Show the page `name`, one of `long_pages.NAMES`."""
    return render(request, "petitions/page.html", {"page": long_pages.read(name, get_language())})


def press_again(request: HttpRequest) -> HttpResponse:
    """Respond to a cross-site POST (CSRF) with the typed values, to be sent from our page."""
    if response := throttled(request, ContactForm.base_fields):
        return response
    typed = {name: request.POST.get(name, "") for name in ContactForm.base_fields}
    form = ContactForm(initial=typed)
    return _contact_page(request, form, HTTPStatus.FORBIDDEN, press_again=True)


@same_origin(refused=press_again)
@get_or_post
def contact(request: HttpRequest) -> HttpResponse:
    """Show the form, or receive a message (POST)."""
    return _send(request) if request.method == "POST" else _show(request)


@public_page
def contact_sent(request: HttpRequest) -> HttpResponse:
    """Show what happens next, and when. The page is the same for everybody."""
    return render(request, "petitions/contact_sent.html", {"facts": long_pages.facts()})


@public_page
def _show(request: HttpRequest) -> HttpResponse:
    return _contact_page(request, ContactForm())


def _send(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST)
    if not form.is_valid():
        offer = offer_again(request, challenge.CONTACT)
        return _again(request, form, HTTPStatus.UNPROCESSABLE_ENTITY, challenge=offer)
    kind = Enquiry.Kind(form.cleaned_data["kind"])
    evidence = evidence_of(request, honeypot=request.POST.get(fraud_signals.HONEYPOT, ""))
    match enquiries.submit(kind=kind, letter=form.letter(), evidence=evidence):
        case TooMany():
            return too_many(_contact_page(request, form, too_many=True))
        case ChallengeRequired(offer):
            return _again(request, form, HTTPStatus.FORBIDDEN, challenge=offer)
        case None:
            return SeeOther(reverse("petitions:contact_sent"))


def _again(request: HttpRequest, form: ContactForm, status: int, **shown: Any) -> HttpResponse:
    """Render a refused form, within the rate limit of `throttled`."""
    return throttled(request, _FIELDS) or _contact_page(request, form, status, **shown)


def _contact_page(
    request: HttpRequest, form: ContactForm, status: int = HTTPStatus.OK, **shown: Any
) -> HttpResponse:
    context = {"form": form, "facts": long_pages.facts(), **shown}
    return render(request, "petitions/contact.html", context, status=status)
