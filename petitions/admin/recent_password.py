"""Ask for the password again before what must not be done from somebody's open browser.

Wrap a view that reveals, exports, or changes roles, its form's GET included:

    @method_decorator(password_again)
    def export_view(self, request, pk): ...
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

# Seconds for which a password that was typed counts.
GOOD_FOR = 600
TYPED_AT = "password-at"
P = ParamSpec("P")


def note_login(request: HttpRequest, **_kwargs: Any) -> None:
    """`user_logged_in` receiver, and after the password was typed again."""
    request.session[TYPED_AT] = int(time.time())


def is_recent(request: HttpRequest) -> bool:
    """Whether this session's user typed the password within `GOOD_FOR` seconds."""
    return time.time() - int(request.session.get(TYPED_AT, 0)) < GOOD_FOR


def password_again(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Decorator: pass only while the password is recent, else lead to the page that asks for it.

    A POST that comes too late is not carried out: its form comes again after the password.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        return view(request, *args, **kwargs) if is_recent(request) else ask(request)

    return checked


def ask(request: HttpRequest) -> HttpResponse:
    """Lead to the page that asks for the password, and back."""
    if request.method == "POST":
        messages.warning(request, "Nothing was done yet. Fill in the form again.")
    back = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('admin:password_again')}?{back}")
