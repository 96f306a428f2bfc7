"""Actor and screen of an admin request, for the audit log, and what the actor may do."""

from typing import TypedDict

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


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
    """Raise `PermissionDenied`, with the permission's name, unless the user has it."""
    if not request.user.has_perm(permission):
        raise PermissionDenied(permission)
