"""Between a request of the admin and a use case: actor and screen, rights, and refusals."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypedDict

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest

from petitions.staff import roles
from petitions.staff.refusal import Refused


class Acting(TypedDict):
    """Keyword arguments of the use cases that write an audit record."""

    actor: User
    screen: str


def actor(request: HttpRequest) -> User:
    """The logged-in user."""
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
