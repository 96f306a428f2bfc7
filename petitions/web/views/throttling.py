"""Rate limits of the forms, their challenge, and the 429 response instead of a re-rendered form.

Rendering a form again (with errors, a challenge, or after a cross-site POST) costs several times
as much as storing a signature, and needs no valid input. So each network has a limit per minute.
Over it, the response is a cached page with the typed values in hidden fields and a button that
sends them again, so that nothing is lost. Rendering that page each time takes 1.8 times as long.
"""

from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language

from petitions.identity import email_addresses
from petitions.infra.client_network import sender_of
from petitions.infra.ttl_cache import TTLCache
from petitions.screening import challenge, rate_limits, rules
from petitions.screening.challenge import Offer
from petitions.screening.rate_limits import Act, LimitResult

RETRY_AFTER = 60
# Placeholder in the cached page for the hidden fields.
_TYPED = "\0typed\0"
_pages: TTLCache[str, str] = TTLCache()


def hit(request: HttpRequest, act: Act, *, address: str = "", petition: int = 0) -> LimitResult:
    """Count an action against its rate limits, except those that a rule lifts for its sender."""
    sender = sender_of(request.META)
    lifted = rules.in_force().lifts(sender.address, email_addresses.domain_of(address))
    return rate_limits.hit(act, address=address, petition=petition, sender=sender, lifted=lifted)


def demand_challenge(request: HttpRequest, limits: LimitResult, form: str) -> Offer | None:
    """Return the challenge to respond with, or None if none is needed or it is solved.

    `form` is the form that the challenge is bound to: see `challenge.demand`.
    """
    if not limits.needs_challenge:
        return None
    return challenge.demand(request.POST, form, sender_of(request.META).network)


def offer_again(request: HttpRequest, form: str) -> Offer | None:
    """Return the challenge that a form was sent with, for its next page."""
    return challenge.offer_again(request.POST, form, sender_of(request.META).network)


def throttled(request: HttpRequest, fields: Iterable[str]) -> HttpResponse | None:
    """Return the 429 response instead of the form, or None if the network is within its limit.

    `fields` names the form fields whose submitted values are kept.
    """
    if not hit(request, Act.FORM).is_refused:
        return None
    typed = [(name, request.POST[name]) for name in fields if request.POST.get(name)]
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n'
        for name, value in typed
    )
    page = _pages.get_or_set(get_language(), settings.PAGE_CACHE_SECONDS, _render)
    response = HttpResponse(page.replace(_TYPED, hidden), status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def _render() -> str:
    """Render the page for all URLs, in the active language. Its language links lead to "/"."""
    anywhere = HttpRequest()
    anywhere.path = anywhere.path_info = "/"
    return render_to_string("petitions/wait.html", {"typed": _TYPED}, anywhere)
