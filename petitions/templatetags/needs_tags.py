"""Template tag for the to-do lists and warnings on the admin's home."""

from collections.abc import Callable
from typing import Any

from django import template

from petitions.admin import needs

register = template.Library()

_MODERATE, _PUBLISH = "petitions.moderate_signature", "petitions.change_petition"
# Each list: who may read it, by any of these permissions, and what finds it.
_LISTS: dict[str, tuple[tuple[str, ...], Callable[[], Any]]] = {
    "moderating": ((_MODERATE,), needs.needs),
    "switches": ((_MODERATE, _PUBLISH), needs.switched),
    "enquiries": (("petitions.change_enquiry",), needs.enquiries),
    "erasures": (("petitions.change_erasure",), needs.erasures),
    "mail": (("petitions.view_mail",), needs.mail_trouble),
    "postcodes": (("petitions.export_signatures",), needs.old_postcodes),
    "drafts": ((_PUBLISH,), needs.drafts),
}


@register.simple_tag(takes_context=True)
def what_waits(context: dict[str, Any], name: str) -> Any:
    """One of the lists; false if it is empty, and, without a query, for who may not read it."""
    permissions, find = _LISTS[name]
    user = context["request"].user
    return find() if any(map(user.has_perm, permissions)) else None
