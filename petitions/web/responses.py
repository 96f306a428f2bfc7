"""Responses and HTTP headers: redirects, CORS, CSP, and caching by the page cache and any CDN."""

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
# For every response whose view has not set its own.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; connect-src 'self'; form-action 'self'; "
    # Workers, for the challenge. Safari before 15.5 knows only child-src for them, which includes
    # frames, so frame-src forbids those.
    "worker-src 'self'; child-src 'self'; frame-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The page varies by this query parameter only. Source: the HTTP draft "No-Vary-Search".
_BY_SOURCE = 'params, except=("s")'

# Decorator for a view that shows and receives a form.
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class SeeOther(HttpResponseRedirect):
    """303 See Other: redirect to a GET, whatever the method of this request (POST/redirect/GET)."""

    status_code = HTTPStatus.SEE_OTHER


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator for pages that are the same for everybody: shared caches may store them.

    Caches may serve them stale while the site is down, but not after an expiry (`turns_at`). The
    end of an embargo needs no expiry: it is on a full minute, at which the page cache drops copies.
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
            # A proxy counts from its request, when our own copy may be `fresh` seconds old.
            fresh = max(0, min(fresh, int(left) - fresh))
        patch_cache_control(response, public=True, max_age=0, s_maxage=fresh, **stale)
        return response

    return cacheable


def turns_at(moment: datetime | None, response: HttpResponse) -> HttpResponse:
    """Set `Expires` to the moment at which the page becomes wrong, if any.

    Callers must evaluate `moment`, the first argument, before they render the page. A page rendered
    while the moment passes is then cached too briefly, but never too long.
    """
    if moment is not None:
        # Rounded down to whole seconds.
        response["Expires"] = http_date(math.floor(moment.timestamp()))
    return response


def seconds_left(response: HttpResponse) -> float | None:
    """Return the seconds until the page expires, or None without an expiry."""
    expiry = parse_http_date_safe(response.get("Expires", ""))
    return None if expiry is None else max(0.0, expiry - time.time())


def carries_source(response: HttpResponse) -> HttpResponse:
    """Mark a page whose links keep the URL's source parameter, so that caches vary by it."""
    response["No-Vary-Search"] = _BY_SOURCE
    return response


def is_carrying(response: HttpResponse) -> bool:
    """Return whether a page was marked by `carries_source`."""
    return response.get("No-Vary-Search") == _BY_SOURCE


def with_frames(response: HttpResponse) -> HttpResponse:
    """Allow a page of the admin to contain frames of this site: see `as_frame`."""
    policy = CONTENT_SECURITY_POLICY.replace("frame-src 'none'", "frame-src 'self'")
    response["Content-Security-Policy"] = policy
    return response


def as_frame(response: HttpResponse, *, is_mail: bool = False) -> HttpResponse:
    """Allow pages of this site to frame a response, sandboxed, without scripts and forms.

    It may load only our own styles and pictures. A mail, whose styles are inline, loads nothing.
    """
    loads = "style-src 'unsafe-inline'" if is_mail else "style-src 'self'; img-src 'self' data:"
    # Without `allow-same-origin` our own styles would not be 'self'.
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
