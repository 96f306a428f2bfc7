"""Every address has exactly one guard against forged requests."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


def _views(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for item in resolver.url_patterns:
        route = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            yield from _views(item, route)
        elif isinstance(item, URLPattern):
            yield route, item.callback


def test_every_view_has_exactly_one_csrf_guard() -> None:
    found = list(_views(get_resolver()))
    assert len(found) > 20
    for route, view in found:
        own = getattr(view, "guard", None)
        exempt = getattr(view, "csrf_exempt", False)
        # A view without a guard of its own is left to Django's CSRF token.
        assert exempt is (own is not None), route
        assert own in {None, "same-origin", "token", "signature"}, route


def test_token_guarded_views_are_exactly_those_below_the_t_prefix() -> None:
    for route, view in _views(get_resolver()):
        assert (getattr(view, "guard", None) == "token") is route.lower().startswith("t/"), route
