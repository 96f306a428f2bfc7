"""The authentication backend, and forms that check a password through it."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from petitions.formatting.languages import minutes
from petitions.infra.client_network import NOWHERE, sender_of
from petitions.staff import logins, password_hashing

Page = TypeVar("Page", bound=HttpResponseBase)
_REFUSALS = (logins.TooMany, password_hashing.Busy)


class StaffBackend(ModelBackend):
    """Django's `ModelBackend` for staff only, with lockout after wrong passwords."""

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
        attempt = logins.Attempt(username, sender, screen_of(request))
        return logins.check(attempt, find_user)

    def user_can_authenticate(self, user: Any) -> bool:
        """Refuse users without staff status, because accounts are only for the admin."""
        return super().user_can_authenticate(user) and user.is_staff


class LoginForm(AdminAuthenticationForm):
    """The log-in form, which says during a lockout when to try again."""

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except _REFUSALS as refusal:
            raise _as_error(self, refusal) from None


class _PasswordCheck:
    """Mixin for forms that check the user's password, with the rate limits of logging in."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def is_own_password(self, password: str) -> bool:
        try:
            name = self.request.user.get_username()
            return authenticate(self.request, username=name, password=password) is not None
        except _REFUSALS as refusal:
            raise _as_error(self, refusal) from None


class OwnPasswordForm(_PasswordCheck, AdminPasswordChangeForm):
    def clean_old_password(self) -> str:
        old = str(self.cleaned_data["old_password"])
        if not self.is_own_password(old):
            code = "password_incorrect"
            raise ValidationError(self.error_messages[code], code=code)
        return old


class PasswordAgainForm(_PasswordCheck, forms.Form):
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        if not self.is_own_password(password):
            raise ValidationError("This is not your password.", code="password_incorrect")
        return password


def with_status(response: Page, form: object) -> Page:
    """Set status 429 or 503 and Retry-After if the form's password was not checked."""
    if refusal := getattr(form, "refusal", None):
        is_busy = isinstance(refusal, password_hashing.Busy)
        response.status_code = (
            HTTPStatus.SERVICE_UNAVAILABLE if is_busy else HTTPStatus.TOO_MANY_REQUESTS
        )
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def screen_of(request: HttpRequest | None) -> str:
    """Return the route's name for audit records, or ""."""
    match = request.resolver_match if request else None
    return match.view_name if match else ""


def _as_error(form: Any, refusal: logins.Refusal) -> ValidationError:
    """Store on the form why the password was not checked; return it as a `ValidationError`."""
    form.refusal = refusal
    if isinstance(refusal, password_hashing.Busy):
        return ValidationError(
            "Your password was not checked, because others are logging in. Try again in a few "
            "seconds."
        )
    wait = minutes(timedelta(seconds=max(60, refusal.retry_after)))
    return ValidationError(
        f"Too many wrong passwords. For {wait} no password is checked, not even the right one. "
        "Try again after that."
    )
