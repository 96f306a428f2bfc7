"""Middleware for all requests that the page cache does not answer."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ValidationError
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django_otp.middleware import OTPMiddleware

from campaign import sessions
from campaign.errors import error_page, is_admin
from petitions.sharing import typesetting
from petitions.staff import password_hashing
from petitions.web.responses import CONTENT_SECURITY_POLICY

logger = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponse]

_FORM_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data"}
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
BEHIND_TOKENS = "/t/"
# Mail providers report in JSON.
MAIL_REPORTS = "/reports/mail/"
_TOKEN_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
RETRY_AFTER = "30"
_BUSY = (password_hashing.Busy, typesetting.Busy)
_CHANGED_MEANWHILE = (
    "Nothing was saved. Somebody else changed this at the same moment. Look at it as it is now, "
    "and do it again."
)
# Suffixes of the names of Django's own admin routes.
_PAGES = ("_add", "_change", "_changelist", "_delete")
_LANGUAGES = frozenset(dict(settings.LANGUAGES))
# Bytes. A larger body is refused unread, even from staff. A long statement in three languages has a
# tenth of this.
_ADMIN_BODY_LIMIT = 2 * 1024 * 1024


def security_headers(get_response: GetResponse) -> GetResponse:
    """Add security headers such as CSP to every response, unless its view has set its own."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.path_info[: len(BEHIND_TOKENS)].lower() == BEHIND_TOKENS:
            # Also on error pages: the token must not reach another site, log or search engine.
            for name, value in _TOKEN_HEADERS.items():
                response[name] = value
        return response

    return middleware


def path_language(get_response: GetResponse) -> GetResponse:
    """Activate the language in the path. Nothing else decides it, so a cache needs no `Vary`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        language = language_of(request.path_info)
        translation.activate(language)
        request.LANGUAGE_CODE = language
        response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def language_of(path: str) -> str:
    """Return the language in a path such as `/ar/...` or `/t/ar/...`, English without a code."""
    # Not every path starts with a slash: "OPTIONS *" is a valid request.
    _before, first, second, *_rest = [*path.split("/", 3), "", ""]
    code = second.lower() if first.lower() == "t" else first
    return code if code in _LANGUAGES else settings.LANGUAGE_CODE


def refuse_malformed_requests(get_response: GetResponse) -> GetResponse:
    """Refuse malformed paths, and unread all bodies but small forms of two types (400 to 415)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return error_page(request, HTTPStatus.BAD_REQUEST)
        if "HTTP_TRANSFER_ENCODING" in request.META:
            # Chunked. Proxies that buffer bodies send a Content-Length. Django would read nothing.
            return error_page(request, HTTPStatus.LENGTH_REQUIRED)
        length, for_admin = _length(request), is_admin(request)
        if length > (_ADMIN_BODY_LIMIT if for_admin else settings.PUBLIC_BODY_LIMIT):
            return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        is_form = request.content_type in _FORM_TYPES
        changes = request.method not in {"GET", "HEAD", "OPTIONS"}
        may_be_json = for_admin or request.path_info == MAIL_REPORTS
        if changes and length and not is_form and not may_be_json:
            return error_page(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        response = get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not response.content:
            page = error_page(request, HTTPStatus.METHOD_NOT_ALLOWED)
            page["Allow"] = response.get("Allow", "GET")
            return page
        return response

    return middleware


def large_bodies_for_staff(get_response: GetResponse) -> GetResponse:
    """Refuse admin bodies above `PUBLIC_BODY_LIMIT` with 413, unless staff are logged in."""

    def middleware(request: HttpRequest) -> HttpResponse:
        is_large = is_admin(request) and _length(request) > settings.PUBLIC_BODY_LIMIT
        if is_large and not request.user.is_staff:
            return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return get_response(request)

    return middleware


def cookies_for_admin_only(get_response: GetResponse) -> GetResponse:
    """Drop the cookies of public requests. To a damaged one Django's CSRF middleware would reply
    with a new one, on pages that a proxy may keep, and the page cache would drop its copy.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not is_admin(request):
            request.META.pop("HTTP_COOKIE", None)
        return get_response(request)

    return middleware


class AdminOnly:
    """Mixin that runs a middleware only for the admin, because the public site has no cookies."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer: GetResponse = super().__call__ if is_admin(request) else self.get_response  # type: ignore[misc]
        return answer(request)


class AdminSessionMiddleware(AdminOnly, SessionMiddleware):
    """Django's sessions, only for the admin. Idle and old sessions end."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        is_renewal = "X-Renewal" in request.headers
        sessions.end_or_prolong(request.session, is_in_use=not is_renewal)


class AdminAuthenticationMiddleware(AdminOnly, AuthenticationMiddleware):
    """Django's authentication, only for the admin."""


class AdminSecondFactorMiddleware(AdminOnly, OTPMiddleware):  # type: ignore[misc]
    """django-otp's `request.user.otp_device`, only for the admin."""


class AdminMessageMiddleware(AdminOnly, MessageMiddleware):
    """Django's messages, only for the admin."""


class ErrorMiddleware:
    """Turn exceptions of views into responses.

    A 503 page with Retry-After answers an outage of the database, or too many passwords being
    hashed or pictures being typeset at once. In the admin, constraint violations become a message.
    Forms are validated before, so that happens only in races with another person's change. The
    transaction is rolled back by then. The log names the constraint, but no value.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        is_refusal = isinstance(error, (IntegrityError, ValidationError))
        if is_refusal and request.method == "POST" and is_admin(request):
            return _refused(request, error)
        if not isinstance(error, _BUSY) and not _is_database_outage(error):
            return None
        response = error_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
        response["Retry-After"] = RETRY_AFTER
        return response


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    kind, constraint = type(error).__name__, _constraint(error)
    logger.warning("refused after a form had passed: %s (%s)", kind, constraint or "no name")
    for words in error.messages if isinstance(error, ValidationError) else [_CHANGED_MEANWHILE]:
        messages.error(request, str(words))
    return HttpResponseRedirect(_page_of(request))


def _constraint(error: Exception) -> str:
    """Return the name of the violated constraint, or "" if the error is not about one."""
    # The psycopg2 exception, with PostgreSQL's diagnostics.
    report = getattr(error.__cause__, "diag", None)
    return str(getattr(report, "constraint_name", None) or "")


def _page_of(request: HttpRequest) -> str:
    """Return the URL of the form's page, or the admin's index if that URL only takes POST."""
    match = request.resolver_match
    has_page = match and (match.url_name or "").endswith(_PAGES)
    return request.get_full_path() if has_page else reverse("admin:index")


def _is_database_outage(error: Exception) -> bool:
    """Return whether this is an outage of the database, and not a mistake in our query."""
    # If a connection breaks in the middle of an answer, psycopg2 raises a plain DatabaseError.
    has_no_kind = type(error) is DatabaseError
    return has_no_kind or isinstance(error, (OperationalError, InterfaceError, InternalError))


def _length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else settings.PUBLIC_BODY_LIMIT + 1
