"""Base of all model admins: lists answer their own filters, and no other lookup in an address."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class Narrow(admin.ModelAdmin[Any]):
    """Base admin whose list takes only the lookups of its `list_filter`.

    Django's takes any of the model's own fields and relations, and counts what they find: by
    `?signatures__gt=<id>` the list of petitions told an organiser, without record, when each form
    was sent and when it went.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Whether a parameter of the list's address is one of its filters. Others answer 400."""
        is_ours = any(
            lookup == name or lookup.startswith(f"{name}__") for name in self._filters(request)
        )
        return is_ours and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def _filters(self, request: HttpRequest | None) -> Iterator[str]:
        listed: Any = self.list_filter if request is None else self.get_list_filter(request)
        for one in listed:
            name = one[0] if isinstance(one, tuple) else one
            yield name if isinstance(name, str) else name.parameter_name
