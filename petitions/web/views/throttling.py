"""What a form's request shows for screening, and the 429 response instead of a re-rendered form.

Rendering a form again (with errors, a challenge, or after a cross-site POST) costs several times
as much as storing a signature, and needs no valid input. So each network has a limit per minute.
Over it, the response is a cached page with the typed values in hidden fields and a button that
sends them again, so that nothing is lost. Rendering that page each time takes 1.8 times as long.
"""

from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language

from petitions.infra.client_network import sender_of
from petitions.infra.ttl_cache import TTLCache
from petitions.screening import challenge, rate_limits
from petitions.screening.challenge import Offer
from petitions.screening.rate_limits import Act
from petitions.screening.screen import Evidence, check_limits

# In seconds. The limit of `throttled` is by the minute.
RETRY_AFTER = 60
# Placeholder in the cached page for the hidden fields.
_TYPED = "\0typed\0"
_pages: TTLCache[str, str] = TTLCache()


def evidence_of(request: HttpRequest, **bot_traps: Any) -> Evidence:
    """Return the request's data for screening: sender, challenge, and the form's bot traps."""
    fields = {name: request.POST.get(name, "") for name in challenge.FIELDS}
    return Evidence(sender=sender_of(request.META), challenge=fields, **bot_traps)


def offer_again(request: HttpRequest, form: str) -> Offer | None:
    """Return the challenge that a form was sent with, for its next page."""
    return challenge.offer_again(request.POST, form, sender_of(request.META).network)


def too_many(response: HttpResponse) -> HttpResponse:
    """Turn a response into a 429 with Retry-After, unless `throttled` has done so already."""
    response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    response.headers.setdefault("Retry-After", str(rate_limits.RETRY_AFTER))
    return response


def throttled(request: HttpRequest, fields: Iterable[str]) -> HttpResponse | None:
    """Return the 429 response instead of the form, or None if the network is within its limit.

    `fields` names the form fields whose submitted values are kept.
    """
    if not check_limits(Act.FORM, sender=sender_of(request.META)).is_refused:
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
