"""Forms that come back: with errors, for a proof, or because another site's page sent them.

Drawing such a page costs several times what taking a signature does, and asks for nothing. So
each network may have so many in a minute. What is more gets a page that is kept ready: what was
typed stands in it, in fields that nobody sees, and a button sends it once more. Nothing is lost,
and little is spent.
"""

from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language

from petitions.infra import client_network
from petitions.infra.ttl_cache import Kept
from petitions.screening import rate_limits, rules
from petitions.screening.rate_limits import Act

RETRY_AFTER = 60
# Stands in the kept page for what somebody typed.
_TYPED = "\0typed\0"
_pages: Kept[str, str] = Kept()


def instead(request: HttpRequest, fields: Iterable[str]) -> HttpResponse | None:
    """What to answer instead of drawing the form again; None while the network may have it.

    `fields` are those whose values are kept, as they were sent.
    """
    sender = client_network.sender_of(request.META)
    taken = rate_limits.take(
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
    """The page in the reader's language, as it was at most `PAGE_CACHE_SECONDS` ago.

    It is one for all addresses, so the other languages lead to their front pages.
    """
    return _pages.get(get_language(), settings.PAGE_CACHE_SECONDS, _draw)


def _draw() -> str:
    anywhere = HttpRequest()
    anywhere.path = anywhere.path_info = "/"
    return render_to_string("petitions/wait.html", {"typed": _TYPED}, anywhere)
