"""Between a request of the admin and a use case: actor and screen, rights, and refusals."""

from typing import Protocol, TypedDict

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


class TakesErrors(Protocol):
    """A form, or a sheet of forms."""

    def add_error(self, field: None, error: str) -> None:
        """Add an error that is about no single field."""


class show_refusals:  # noqa: N801 - used as `contextlib.suppress` is
    """Context manager that shows the text of a `Refused` which ends its block: as an error of the
    form, if there is one, else as a message.
    """

    def __init__(self, request: HttpRequest, form: TakesErrors | None = None) -> None:
        self.request, self.form = request, form

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Refused):
            return False
        if self.form is None:
            messages.error(self.request, str(error))
        else:
            self.form.add_error(None, str(error))
        return True
