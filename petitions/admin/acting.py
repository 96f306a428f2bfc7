"""Helpers for admin views that call use cases: actor and screen, permissions and refusals.

`password_again` protects what must not be done from somebody's unattended browser.
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

# Seconds for which a typed password counts as recent.
PASSWORD_VALID_FOR = 600
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
    """Return the logged-in user and the URL name of the view, for a use case."""
    match = request.resolver_match
    return {"actor": actor(request), "screen": match.view_name if match else ""}


def need(request: HttpRequest, permission: str) -> None:
    """Raise `PermissionDenied`, as use cases do, unless the user has the permission."""
    roles.require(actor(request), permission)


class show_refusals(AbstractContextManager[object, bool]):  # noqa: N801 - as `contextlib.suppress`
    """Context manager that shows a `Refused` raised in its block, by `add_error` or a message."""

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
    """Store in the session when the password was typed. Receiver of `user_logged_in`."""
    request.session[TYPED_AT] = int(time.time())


def has_recent_password(request: HttpRequest) -> bool:
    """Return whether the password was typed in this session within `PASSWORD_VALID_FOR`."""
    return time.time() - int(request.session.get(TYPED_AT, 0)) < PASSWORD_VALID_FOR


def password_again(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Decorate a view that reveals, exports or changes roles to require a recent password.

    Without one it redirects to the page that asks for the password, on GET too, and then back to
    the form. A POST that comes too late is not carried out.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not has_recent_password(request):
            return ask_for_password(request)
        return view(request, *args, **kwargs)

    return checked


def ask_for_password(request: HttpRequest) -> HttpResponse:
    """Redirect to the page that asks for the password and then leads back here."""
    if request.method == "POST":
        messages.warning(request, "Nothing was done yet. Fill in the form again.")
    back = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('admin:password_again')}?{back}")
