"""HTTP caching and CORS headers of public pages, which the page cache and any CDN obey."""

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
# Source: the HTTP draft "No-Vary-Search". The page varies by this query parameter only.
_BY_SOURCE = 'params, except=("s")'


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator: a page that is the same for everybody, cacheable by shared caches, also stale
    while the site is down.

    A page with an expiry (`turns_at`) is never served stale after it. The end of an embargo needs
    none: it comes on a full minute, and the page cache keeps no copy across one.
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
            # A proxy counts from when it asks us, and our own copy may be as old by then.
            fresh = min(settings.PAGE_CACHE_SECONDS, int(left) - settings.PAGE_CACHE_SECONDS)
            patch_cache_control(response, public=True, max_age=0, s_maxage=max(0, fresh))
        return response

    return kept


def turns_at(moment: datetime | None, response: HttpResponse) -> HttpResponse:
    """Set `Expires` to the moment at which the page becomes wrong, if there is one.

    `moment` is the first argument, to be evaluated before the page is rendered: a page rendered
    while the moment passes is then cached for too short a time, and never too long.
    """
    if moment is not None:
        # In whole seconds, rounded down.
        response["Expires"] = http_date(math.floor(moment.timestamp()))
    return response


def seconds_left(response: HttpResponse) -> float | None:
    """Seconds until the page expires; None without an expiry."""
    said = parse_http_date_safe(response.get("Expires", ""))
    return None if said is None else max(0.0, said - time.time())


def carries_source(response: HttpResponse) -> HttpResponse:
    """Mark a page whose links pass on the source of its URL: caches vary by that parameter."""
    response["No-Vary-Search"] = _BY_SOURCE
    return response


def is_carrying(response: HttpResponse) -> bool:
    """Whether a page is so marked: see `carries_source`."""
    return response.get("No-Vary-Search") == _BY_SOURCE


def open_to_all(response: HttpResponse) -> HttpResponse:
    """Allow cross-origin use from any site: embedding (CORP) and reading by scripts (CORS)."""
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
