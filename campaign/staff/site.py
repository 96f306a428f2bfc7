"""Staff authentication: the backend, forms and admin site through which passwords are checked.

Every password passes `StaffBackend`, and so the lockout and the record of `petitions.staff.logins`.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext

from campaign import health
from campaign.views import error_page
from petitions.formatting.languages import minutes
from petitions.infra.client_network import NOWHERE, sender_of
from petitions.staff import logins, password_hashing

Page = TypeVar("Page", bound=HttpResponseBase)
_REFUSALS = (logins.TooMany, password_hashing.Busy)


class StaffBackend(ModelBackend):
    """Django's `ModelBackend`, for staff alone, with lockout after wrong passwords."""

    def authenticate(  # type: ignore[override]
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
    ) -> User | None:
        if not username or password is None:
            return None
        find_user = partial(super().authenticate, request, username, password)
        sender = sender_of(request.META) if request else NOWHERE
        attempt = logins.Attempt(username, sender, _screen(request))
        return logins.check(attempt, find_user)

    def user_can_authenticate(self, user: Any) -> bool:
        """Accounts are for the admin alone: without staff status the right password is wrong."""
        return super().user_can_authenticate(user) and user.is_staff


class LoginForm(AdminAuthenticationForm):
    """Log-in form that says when passwords are not checked (lockout), and when to try again."""

    refusal: logins.Refused | None = None

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except _REFUSALS as refusal:
            raise _told(self, refusal) from None


class OwnPasswordForm(AdminPasswordChangeForm):
    """Change of one's own password; the old one is checked, and limited, as at logging in."""

    refusal: logins.Refused | None = None

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_old_password(self) -> str:
        old = str(self.cleaned_data["old_password"])
        name = self.user.get_username()
        try:
            is_right = authenticate(self.request, username=name, password=old) is not None
        except _REFUSALS as refusal:
            raise _told(self, refusal) from None
        if not is_right:
            code = "password_incorrect"
            raise ValidationError(self.error_messages[code], code=code)
        return old


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}


class StaffSite(AdminSite):
    """The admin site, with rate-limited log-in."""

    login_form = LoginForm

    def get_urls(self) -> list[URLResolver | URLPattern]:
        return [
            path("may-upload/", self.may_upload, name="may_upload"),
            path("health/", self.admin_view(health.details), name="health"),
            *super().get_urls(),
        ]

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return _with_status(super().login(request, extra_context))

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        request.current_app = self.name
        view: Callable[[HttpRequest], Any] = OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        page: TemplateResponse = view(request)
        return _with_status(page)

    def may_upload(self, request: HttpRequest) -> HttpResponse:
        """Subrequest of the proxy before it takes a large body: 204 for staff, 413 for others."""
        if self.has_permission(request):
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _screen(request: HttpRequest | None) -> str:
    match = request.resolver_match if request else None
    return match.view_name if match else ""


def _told(form: Any, refusal: logins.Refused) -> ValidationError:
    """Store on a form why no password was checked; return it as a `ValidationError`."""
    form.refusal = refusal
    if isinstance(refusal, password_hashing.Busy):
        return ValidationError(
            gettext(
                "Others are logging in at this moment, so your password was not looked at. "
                "Try again in a few seconds."
            )
        )
    said = gettext(
        "Too many wrong passwords. For %(time)s none is looked at, not even the right one. "
        "Try again then."
    )
    wait = timedelta(seconds=max(60, refusal.retry_after))
    return ValidationError(said % {"time": minutes(wait)})


def _with_status(response: Page) -> Page:
    """Set 429 or 503 and Retry-After for a form whose password was not checked."""
    context = getattr(response, "context_data", None) or {}
    if refusal := getattr(context.get("form"), "refusal", None):
        is_busy = isinstance(refusal, password_hashing.Busy)
        response.status_code = (
            HTTPStatus.SERVICE_UNAVAILABLE if is_busy else HTTPStatus.TOO_MANY_REQUESTS
        )
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
