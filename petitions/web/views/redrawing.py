"""Rate limit on re-rendered forms: with errors, with a challenge, or after a cross-site POST.

Rendering such a page costs several times what storing a signature does, and needs no valid input.
So each network has a limit a minute. Over it, the answer is a cached page with what was typed in
hidden fields, and a button that sends it again: nothing is lost, at little cost.
"""

from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language

from petitions.infra import client_network
from petitions.infra.ttl_cache import TTLCache
from petitions.screening import rate_limits, rules
from petitions.screening.rate_limits import Act

RETRY_AFTER = 60
# Placeholder in the cached page for the hidden fields.
_TYPED = "\0typed\0"
_pages: TTLCache[str, str] = TTLCache()


def instead(request: HttpRequest, fields: Iterable[str]) -> HttpResponse | None:
    """The 429 response instead of the form, or None while the network is under the limit.

    `fields` names the form fields whose values are carried over, as sent.
    """
    sender = client_network.sender_of(request.META)
    taken = rate_limits.hit(
        Act.FORM,
        sender=sender,
        lifted=rules.in_force().lifts(sender.address, ""),
    )
    if not taken.is_refused:
        return None
    typed = [(name, request.POST[name]) for name in fields if request.POST.get(name)]
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n'
        for name, value in typed
    )
    response = HttpResponse(_page().replace(_TYPED, hidden), status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def _page() -> str:
    """The page in the active language, from a TTL cache of `PAGE_CACHE_SECONDS`.

    It is shared by all URLs, so its language links lead to the front pages.
    """
    return _pages.get_or_set(get_language(), settings.PAGE_CACHE_SECONDS, _draw)


def _draw() -> str:
    anywhere = HttpRequest()
    anywhere.path = anywhere.path_info = "/"
    return render_to_string("petitions/wait.html", {"typed": _TYPED}, anywhere)
