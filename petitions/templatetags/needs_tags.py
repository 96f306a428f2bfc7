"""Template tag for the to-do lists and warnings on the admin's home page."""

from collections.abc import Callable
from typing import Any

from django import template

from petitions.admin import needs
from petitions.staff import roles

register = template.Library()

_PUBLISH = "petitions.change_petition"
# For each list, the permissions of which its readers need one, and the function that returns it.
_LISTS: dict[str, tuple[tuple[str, ...], Callable[[], Any]]] = {
    "moderating": ((roles.MODERATE,), needs.needs),
    "switches": ((roles.MODERATE, _PUBLISH), needs.switched),
    "enquiries": (("petitions.change_enquiry",), needs.enquiries),
    "erasures": (("petitions.change_erasure",), needs.erasures),
    "mail": (("petitions.view_mail",), needs.mail_trouble),
    "postcodes": (("petitions.export_signatures",), needs.old_postcodes),
    "drafts": ((_PUBLISH,), needs.drafts),
}


@register.simple_tag(takes_context=True)
def what_waits(context: dict[str, Any], name: str) -> Any:
    """Return one of the lists, or None, without a query, if the user may not read it."""
    permissions, find = _LISTS[name]
    user = context["request"].user
    return find() if any(map(user.has_perm, permissions)) else None
