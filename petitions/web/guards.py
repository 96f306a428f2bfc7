"""The guards of requests that change something. Every view has exactly one.

- `same_origin` for public forms: it needs no cookie, so the public site sets none.
  Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet (fetch metadata).
- `signed_report` for mail providers' reports, which bear their signature or our password.
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
    """Where a request came from, as far as the browser says."""

    OURS = "ours"
    UNSAID = "unsaid"  # very old browsers: accepted, and a weak sign of a machine
    FOREIGN = "foreign"


def origin_of(request: HttpRequest) -> Origin:
    """Judge by `Sec-Fetch-Site`, where it is absent by `Origin`; `Origin: null` is foreign."""
    site = request.META.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return Origin.OURS if site in {"same-origin", "none"} else Origin.FOREIGN
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return Origin.UNSAID
    return Origin.OURS if _is_ours(origin) else Origin.FOREIGN


def same_origin(refused: View) -> Callable[[View], View]:
    """Let changes through from our own pages only; others get `refused`'s answer."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in SAFE_METHODS and origin_of(request) is Origin.FOREIGN:
                return refused(request, *args, **kwargs)
            return view(request, *args, **kwargs)

        guarded.guard = "same-origin"  # type: ignore[attr-defined]
        return csrf_exempt(guarded)

    return decorate


def token_is_proof(view: View) -> View:
    """Mark a view whose path carries a token: knowing it is the proof, so no guard is needed.

    Such views stand below `/t/`, whose answers are kept by nobody and tell no other site.
    """
    return _marked(view, "token")


def signed_report(view: View) -> View:
    """Mark a view that checks who calls it by itself: a signature, or a password in the header.

    Neither is sent by a browser unasked, so nobody's browser can be made to call it.
    """
    return _marked(view, "signature")


def _marked(view: View, guard: str) -> View:
    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    marked.guard = guard  # type: ignore[attr-defined]
    return csrf_exempt(marked)


def _is_ours(origin: str) -> bool:
    return _parts(origin) == _parts(settings.SITE_URL)


def _parts(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, host and port, as browsers compare them; None for what is no address."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
