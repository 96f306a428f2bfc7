"""Actor and screen of an admin request, for the audit log, and what the actor may do."""

from typing import TypedDict

from django.contrib.auth.models import User
from django.http import HttpRequest

from petitions.staff import roles


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
