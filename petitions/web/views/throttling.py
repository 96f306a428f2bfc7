"""Rate limits of the forms, their challenge, and the 429 response instead of a re-rendered form.

Rendering a form again (with errors, a challenge, or after a cross-site POST) costs several times
what storing a signature does, and needs no valid input. So each network has a limit a minute. Over
it, the answer is a cached page with what was typed in hidden fields, and a button that sends it
again: nothing is lost, at little cost (rendered each time, the answer takes 1.8 times as long).
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


def take(request: HttpRequest, act: Act, *, address: str = "", petition: int = 0) -> LimitResult:
    """Take a hit of an act's rate limits, but for those that a rule lifts from its sender."""
    sender = sender_of(request.META)
    lifted = rules.in_force().lifts(sender.address, email_addresses.domain_of(address))
    return rate_limits.hit(act, address=address, petition=petition, sender=sender, lifted=lifted)


def demanded(request: HttpRequest, taken: LimitResult, form: str) -> Offer | None:
    """The challenge to answer with where the rate limits ask for one; None once it is solved.

    `form` is what the challenge is bound to: see `challenge.demand`.
    """
    if not taken.needs_challenge:
        return None
    return challenge.demand(request.POST, form, sender_of(request.META).network)


def carried(request: HttpRequest, form: str) -> Offer | None:
    """The challenge that a form brings along, for its next page."""
    return challenge.carried(request.POST, form, sender_of(request.META).network)


def throttled(request: HttpRequest, fields: Iterable[str]) -> HttpResponse | None:
    """The 429 response instead of the form, or None while the network is under the limit.

    `fields` names the form fields whose values are carried over, as sent.
    """
    if not take(request, Act.FORM).is_refused:
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
    """The page in the active language, for all URLs: its language links lead to the front pages."""
    anywhere = HttpRequest()
    anywhere.path = anywhere.path_info = "/"
    return render_to_string("petitions/wait.html", {"typed": _TYPED}, anywhere)
