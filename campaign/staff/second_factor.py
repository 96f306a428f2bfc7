"""Views for the second factor: set up an authenticator app, type its code, recovery codes."""

from typing import Any

import django_otp
import segno
from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from campaign.staff.authentication import screen_of
from campaign.staff.passwords import next_page
from petitions.models import Authenticator
from petitions.staff import second_factor

Context = dict[str, Any]
# Pixels per module: a phone can read it from a laptop, and it fits a screen of 360 px.
QR_SCALE = 5
# Session key of the fingerprint of the secret that the session's set-up page shows.
_FINGERPRINT = "authenticator-begun"


class CodeForm(forms.Form):
    """Form for a code from an authenticator app, or a recovery code."""

    code = forms.CharField(
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "dir": "ltr"}
        ),
    )

    def refuse(self, wrong: second_factor.Wrong) -> None:
        """Add an error that says that the code was wrong, and how long to wait."""
        words = "This code is wrong, or has been used already."
        if wrong.wait:
            words += f" Wait {wrong.wait} seconds, and use the code that the app shows then."
        self.add_error("code", words)


def check(request: HttpRequest, context: Context) -> HttpResponse:
    user = _user(request)
    if not second_factor.has_one(user):
        return redirect("admin:second_factor_set_up")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"]
        found = second_factor.check(user=user, code=code, screen=screen_of(request))
        if not isinstance(found, second_factor.Wrong):
            _verify_session(request, found)
            return redirect(next_page(request))
        form.refuse(found)
    return render(request, "admin/second_factor.html", {**context, "form": form})


def set_up(request: HttpRequest, context: Context) -> HttpResponse:
    """Show a QR code until a first code proves that the app has it, then the recovery codes."""
    user = _user(request)
    if second_factor.has_one(user):
        return redirect("admin:second_factor")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"]
        found = second_factor.confirm(user=user, code=code, screen=screen_of(request))
        if not isinstance(found, second_factor.Wrong):
            _verify_session(request, found)
            return _show_new_codes(request, context)
        form.refuse(found)
    authenticator = _to_set_up(request, user)
    picture = segno.make(second_factor.otpauth_url(authenticator), micro=False)
    shown = {
        "form": form,
        # Scanners need a white background, in dark mode too.
        "qr": picture.svg_data_uri(scale=QR_SCALE, light="#fff"),
        "key": second_factor.typeable_secret(authenticator),
        "link": second_factor.otpauth_url(authenticator),
    }
    return render(request, "admin/second_factor_set_up.html", {**context, **shown})


def _to_set_up(request: HttpRequest, user: User) -> Authenticator:
    """Return the authenticator to set up: a new one, or after a wrong code the same as before.

    It stays the same only in the session that started it. Otherwise somebody who knows only the
    password could type a wrong code while the owner's page is open, and read the secret that the
    owner is about to confirm.
    """
    before = second_factor.unconfirmed(user) if request.method == "POST" else None
    if before and request.session.get(_FINGERPRINT) == second_factor.fingerprint_of(before):
        return before
    authenticator = second_factor.start_set_up(user)
    request.session[_FINGERPRINT] = second_factor.fingerprint_of(authenticator)
    return authenticator


def own(request: HttpRequest, context: Context) -> HttpResponse:
    """Let users make new recovery codes, or reset their second factor for another telephone."""
    user = _user(request)
    if not second_factor.has_one(user):
        return redirect("admin:second_factor_set_up")
    if request.method == "POST" and "codes" in request.POST:
        return _show_new_codes(request, context)
    if request.method == "POST" and "telephone" in request.POST:
        second_factor.reset(user=user, actor=user, screen=screen_of(request))
        # This session goes on, under another key.
        request.session.cycle_key()
        return redirect("admin:second_factor_set_up")
    left = second_factor.codes_left(user)
    return render(request, "admin/own_second_factor.html", {**context, "left": left})


def _show_new_codes(request: HttpRequest, context: Context) -> HttpResponse:
    """Make and show recovery codes. No other page shows them, and the admin is `no-store`."""
    codes = second_factor.make_recovery_codes(user=_user(request), screen=screen_of(request))
    shown = {**context, "codes": codes, "title": "Keep your recovery codes"}
    return render(request, "admin/recovery_codes.html", shown)


def _verify_session(request: HttpRequest, authenticator: Authenticator) -> None:
    django_otp.login(request, authenticator)
    request.session.cycle_key()


def _user(request: HttpRequest) -> User:
    assert request.user.is_authenticated
    # Read from the database, because django-otp wraps the request's user.
    return User.objects.get(pk=request.user.pk)
