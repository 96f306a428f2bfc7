"""Who acts on which screen, as the use cases of staff record it."""

from typing import TypedDict

from django.contrib.auth.models import User
from django.http import HttpRequest


class Acting(TypedDict):
    """Arguments of every use case that writes an audit record."""

    actor: User
    screen: str


def acting(request: HttpRequest) -> Acting:
    """Whoever is logged in, and the name of the screen's route."""
    assert request.user.is_authenticated
    match = request.resolver_match
    return {"actor": request.user, "screen": match.view_name if match else ""}
