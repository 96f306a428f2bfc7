"""Responses and their HTTP headers: redirects, CORS, and caching, which the page cache and any CDN
obey.
"""

import math
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import patch_cache_control
from django.utils.http import http_date, parse_http_date_safe
from django.views.decorators.http import require_http_methods, require_safe

A_DAY = 86_400
# Of every response whose view has not set its own.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; connect-src 'self'; form-action 'self'; "
    # Workers, for the challenge. Safari before 15.5 knows only child-src for them, which stands for
    # frames, too; those stay closed.
    "worker-src 'self'; child-src 'self'; frame-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Source: the HTTP draft "No-Vary-Search". The page varies by this query parameter only.
_BY_SOURCE = 'params, except=("s")'

# Decorator of a view that shows a form and receives it.
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class SeeOther(HttpResponseRedirect):
    """303 See Other: redirect to a GET, whatever the method of this request (POST/redirect/GET)."""

    status_code = HTTPStatus.SEE_OTHER


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator: a page to GET that is the same for everybody, cacheable by shared caches, also
    stale while the site is down.

    A page with an expiry (`turns_at`) is never served stale after it. The end of an embargo needs
    none: it comes on a full minute, and the page cache keeps no copy across one.
    """

    @require_safe
    @wraps(view)
    def cacheable(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        fresh, stale = settings.PAGE_CACHE_SECONDS, {}
        left = seconds_left(response)
        if left is None:
            stale = {"stale_while_revalidate": 10, "stale_if_error": A_DAY}
        else:
            # A proxy counts from when it asks us, and our own copy may be as old by then.
            fresh = max(0, min(fresh, int(left) - fresh))
        patch_cache_control(response, public=True, max_age=0, s_maxage=fresh, **stale)
        return response

    return cacheable


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
    expiry = parse_http_date_safe(response.get("Expires", ""))
    return None if expiry is None else max(0.0, expiry - time.time())


def carries_source(response: HttpResponse) -> HttpResponse:
    """Mark a page whose links pass on the source of its URL: caches vary by that parameter."""
    response["No-Vary-Search"] = _BY_SOURCE
    return response


def is_carrying(response: HttpResponse) -> bool:
    """Whether a page is so marked: see `carries_source`."""
    return response.get("No-Vary-Search") == _BY_SOURCE


def with_frames(response: HttpResponse) -> HttpResponse:
    """Let a page of the admin hold frames of this site: see `as_frame`."""
    policy = CONTENT_SECURITY_POLICY.replace("frame-src 'none'", "frame-src 'self'")
    response["Content-Security-Policy"] = policy
    return response


def as_frame(response: HttpResponse, *, is_mail: bool = False) -> HttpResponse:
    """Let pages of this site hold a response in a frame, sandboxed: it runs no script, sends no
    form, and loads our own styles and pictures alone; a mail, which has its styles inside, nothing.
    """
    loads = "style-src 'unsafe-inline'" if is_mail else "style-src 'self'; img-src 'self' data:"
    # Without the origin, our own styles would be another site's.
    sandbox = "sandbox" if is_mail else "sandbox allow-same-origin"
    policy = f"default-src 'none'; {loads}; frame-ancestors 'self'; {sandbox}"
    response["Content-Security-Policy"] = policy
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def allow_any_origin(response: HttpResponse) -> HttpResponse:
    """Allow cross-origin use from any site: embedding (CORP) and reading by scripts (CORS)."""
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
