"""Views for passwords: change one's own, ask for a link, set by link, and type it again."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView, PasswordResetConfirmView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme

from campaign.staff.authentication import (
    OwnPasswordForm,
    PasswordAgainForm,
    screen_of,
    with_status,
)
from petitions.admin import acting
from petitions.infra.client_network import sender_of
from petitions.screening import rate_limits
from petitions.screening.rate_limits import Act
from petitions.staff import people
from petitions.staff.logins import TooMany

Context = dict[str, Any]


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        people.record_password_set(person=form.user, screen=screen_of(self.request))
        return answer


class SetPasswordView(PasswordResetConfirmView):
    """Set a password by the link of an invitation or of a forgotten password.

    It does not log in, because the log-in also asks for the second factor.
    """

    template_name = "admin/set_password.html"
    success_url = reverse_lazy("admin:login")

    def get_user(self, uidb64: str) -> Any:
        """Accept no link of a deactivated account. Otherwise somebody who has its link could set
        the password that works once it is activated again.
        """
        user = super().get_user(uidb64)
        return user if user is not None and user.is_active else None

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        people.record_password_set(person=form.user, screen=screen_of(self.request))
        messages.success(self.request, f"Your password is set. Log in with it as {form.user}.")
        return answer


class ForgottenForm(forms.Form):
    refusal: TooMany | None = None
    # The longest possible address; sealed addresses all have the same length.
    email = forms.EmailField(
        label="Email address of your account",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


def forgotten(request: HttpRequest, context: Context) -> HttpResponse:
    """Request a password link by mail. The response is the same for unknown addresses."""
    form = ForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not rate_limits.hit(Act.STAFF_LINK, sender=sender_of(request.META)).is_refused:
            people.request_password_link(email=form.cleaned_data["email"])
            return redirect("admin:forgotten_sent")
        form.refusal = TooMany(rate_limits.RETRY_AFTER)
        form.add_error(None, "Too many links were asked for from your network. Try again later.")
    page = render(request, "admin/forgotten.html", {**context, "form": form})
    return with_status(page, form)


def password_again(request: HttpRequest, context: Context) -> HttpResponse:
    """Ask for the user's password, then redirect to the page that required it."""
    form = PasswordAgainForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        acting.note_login(request)
        return redirect(next_page(request))
    page = render(request, "admin/password_again.html", {**context, "form": form})
    return with_status(page, form)


def next_page(request: HttpRequest) -> str:
    """Return the URL in `next` if it is in the admin, else the admin's home."""
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    is_in_admin = wanted.startswith(f"/{settings.ADMIN_PATH}")
    return wanted if is_ours and is_in_admin else reverse("admin:index")
