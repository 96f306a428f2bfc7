"""CSRF protection: the guards of unsafe requests. Every view has exactly one.

- `same_origin` for public forms: it needs no cookie, so the public site sets none.
  Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet (fetch metadata).
- `signed_report` for mail providers' webhooks, which send a signature or a password.
- `token_is_proof` for pages behind a mailed or sealed token, which nobody can forge.
- Django's CSRF token for everything else, which is the admin.
"""

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponse]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PORTS = {"http": 80, "https": 443}


class Origin(Enum):
    """The origin of a request, as the browser reports it."""

    OURS = "ours"
    MISSING = "missing"  # no header (very old browsers): accepted, but a weak fraud signal
    FOREIGN = "foreign"


def origin_of(request: HttpRequest) -> Origin:
    """Classify a request by `Sec-Fetch-Site`, or else by `Origin`, where "null" is foreign."""
    site = request.META.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return Origin.OURS if site in {"same-origin", "none"} else Origin.FOREIGN
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return Origin.MISSING
    return Origin.OURS if _parts(origin) == _parts(settings.SITE_URL) else Origin.FOREIGN


def same_origin(refused: View) -> Callable[[View], View]:
    """Decorator: refuse cross-site unsafe requests, with the response of the view `refused`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in SAFE_METHODS and origin_of(request) is Origin.FOREIGN:
                return refused(request, *args, **kwargs)
            return view(request, *args, **kwargs)

        return _exempt(guarded, "same-origin")

    return decorate


def token_is_proof(view: View) -> View:
    """Decorator: CSRF-exempt a view whose path has a secret token, which authorises the request.

    Such views are under `/t/`, whose responses are `no-store` and send no referrer.
    """
    return _exempt(view, "token")


def signed_report(view: View) -> View:
    """Decorator: CSRF-exempt a webhook that authenticates by a signature or an HTTP password.

    A browser sends neither by itself, so it cannot be tricked into the request.
    """
    return _exempt(view, "signature")


def _exempt(view: View, guard: str) -> View:
    exempt = csrf_exempt(view)
    exempt.guard = guard  # type: ignore[attr-defined]
    return exempt


def _parts(url: str) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port (the origin) of a URL, or None if it is invalid."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
