"""Views for passwords: change one's own, forgotten, set by a mailed link, and typed again."""

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
from petitions.staff import people

Context = dict[str, Any]


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        people.note_password_set(person=form.user, screen=screen_of(self.request))
        return answer


class SetPasswordView(PasswordResetConfirmView):
    """Set a password by the link of an invitation, or of a forgotten password.

    It logs nobody in: the log-in asks for the second factor besides.
    """

    template_name = "admin/set_password.html"
    success_url = reverse_lazy("admin:login")

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        people.note_password_set(person=form.user, screen=screen_of(self.request))
        messages.success(self.request, f"Your password is set. Log in with it as {form.user}.")
        return answer


class ForgottenForm(forms.Form):
    # As long as an address can be; what is sealed has one length for all of them.
    email = forms.EmailField(
        label="Email address of your account",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


def forgotten(request: HttpRequest, context: Context) -> HttpResponse:
    """Ask for a link by mail; the answer is the same whether any account has the address."""
    form = ForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        people.ask_for_password(email=form.cleaned_data["email"])
        return redirect("admin:forgotten_sent")
    return render(request, "admin/forgotten.html", {**context, "form": form})


def password_again(request: HttpRequest, context: Context) -> HttpResponse:
    """Ask who is logged in for the password, and lead back to where it was needed."""
    form = PasswordAgainForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        acting.note_login(request)
        return redirect(next_page(request))
    page = render(request, "admin/password_again.html", {**context, "form": form})
    return with_status(page, form)


def next_page(request: HttpRequest) -> str:
    """The page of ours that `next` names, else the admin's home."""
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    is_in_admin = wanted.startswith(f"/{settings.ADMIN_PATH}")
    return wanted if is_ours and is_in_admin else reverse("admin:index")
