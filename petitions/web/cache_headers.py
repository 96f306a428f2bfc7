"""What may be kept of a page, and who may read it, said in its headers.

The page cache and any CDN obey them.
"""

import math
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.utils.http import http_date, parse_http_date_safe

A_DAY = 86_400
# Source: the HTTP draft "No-Vary-Search". It differs by this parameter, and by no other.
_BY_SOURCE = 'params, except=("s")'


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page that is the same for everybody. Stale copies serve while the site is in trouble.

    Of one that `turns_at` some moment no copy serves after it, whatever the trouble. The end of an
    embargo needs no such moment: it comes on a full minute, across which the page cache keeps none.
    """

    @wraps(view)
    def kept(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        left = seconds_left(response)
        if left is None:
            stale = {"stale_while_revalidate": 10, "stale_if_error": A_DAY}
            patch_cache_control(
                response, public=True, max_age=0, s_maxage=settings.PAGE_CACHE_SECONDS, **stale
            )
        else:
            # A proxy keeps its copy from when it asks us, and ours is as old by then.
            fresh = min(settings.PAGE_CACHE_SECONDS, int(left) - settings.PAGE_CACHE_SECONDS)
            patch_cache_control(response, public=True, max_age=0, s_maxage=max(0, fresh))
        return response

    return kept


def turns_at(moment: datetime | None, response: HttpResponse) -> HttpResponse:
    """Say that at a moment the page becomes wrong, if there is one.

    It stands first, to be asked before the page is drawn: a page drawn while the moment passes
    is then kept too short a time, and never too long.
    """
    if moment is not None:
        # To the second, and none too late.
        response["Expires"] = http_date(math.floor(moment.timestamp()))
    return response


def seconds_left(response: HttpResponse) -> float | None:
    """For how long the page is right; None if it says nothing of the kind."""
    said = parse_http_date_safe(response.get("Expires", ""))
    return None if said is None else max(0.0, said - time.time())


def carries_source(response: HttpResponse) -> HttpResponse:
    """Say that the page's links carry on the source that its address names."""
    response["No-Vary-Search"] = _BY_SOURCE
    return response


def is_carrying(response: HttpResponse) -> bool:
    """Whether a page says so: see `carries_source`."""
    return response.get("No-Vary-Search") == _BY_SOURCE


def open_to_all(response: HttpResponse) -> HttpResponse:
    """Let any other site show it, and let its scripts read it."""
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
