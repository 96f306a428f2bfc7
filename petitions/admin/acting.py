"""Between a request of the admin and a use case: actor and screen, rights, refusals, and the
password once more before what must not be done from somebody's open browser.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypedDict
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from petitions.staff import roles
from petitions.staff.refusal import Refused

# Seconds for which a password that was typed counts.
GOOD_FOR = 600
TYPED_AT = "password-at"
P = ParamSpec("P")


class Acting(TypedDict):
    """Keyword arguments of the use cases that write an audit record."""

    actor: User
    screen: str


def actor(request: HttpRequest) -> User:
    assert request.user.is_authenticated
    return request.user


def acting(request: HttpRequest) -> Acting:
    """The logged-in user, and the URL name of the view."""
    match = request.resolver_match
    return {"actor": actor(request), "screen": match.view_name if match else ""}


def need(request: HttpRequest, permission: str) -> None:
    """Raise `PermissionDenied`, as use cases do, unless the user may see the page."""
    roles.require(actor(request), permission)


class show_refusals(AbstractContextManager[object, bool]):  # noqa: N801 - as `contextlib.suppress`
    """Show the text of a `Refused` that ends the block: by a form's `add_error`, or a message."""

    def __init__(
        self, request: HttpRequest, add_error: Callable[[None, str], None] | None = None
    ) -> None:
        self.request, self.add_error = request, add_error

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Refused):
            return False
        if self.add_error:
            self.add_error(None, str(error))
        else:
            messages.error(self.request, str(error))
        return True


def note_login(request: HttpRequest, **_kwargs: Any) -> None:
    """`user_logged_in` receiver, and after the password was typed again."""
    request.session[TYPED_AT] = int(time.time())


def has_recent_password(request: HttpRequest) -> bool:
    """Whether this session's user typed the password within `GOOD_FOR` seconds."""
    return time.time() - int(request.session.get(TYPED_AT, 0)) < GOOD_FOR


def password_again(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Decorator: pass only while the password is recent, else lead to the page that asks for it.

    For a view that reveals, exports, or changes roles, its form's GET included. A POST that comes
    too late is not carried out: its form comes again after the password.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not has_recent_password(request):
            return ask_for_password(request)
        return view(request, *args, **kwargs)

    return checked


def ask_for_password(request: HttpRequest) -> HttpResponse:
    """Lead to the page that asks for the password, and back."""
    if request.method == "POST":
        messages.warning(request, "Nothing was done yet. Fill in the form again.")
    back = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('admin:password_again')}?{back}")
