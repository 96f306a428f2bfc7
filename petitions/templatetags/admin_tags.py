"""Template tags of the admin: lists on narrow screens, and what waits on the home page."""

from collections.abc import Callable, Sequence
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

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
    "news": (("petitions.send_news", "petitions.approve_news"), needs.news),
    "mail": (("petitions.view_mail",), needs.mail_trouble),
    "postcodes": (("petitions.export_signatures",), needs.old_postcodes),
    "drafts": ((_PUBLISH,), needs.drafts),
    "unready": ((_PUBLISH,), needs.unready),
}


@register.simple_tag(takes_context=True)
def what_waits(context: dict[str, Any], name: str) -> Any:
    """Return one of the lists, or None, without a query, if the user may not read it."""
    permissions, find = _LISTS[name]
    user = context["request"].user
    return find() if any(map(user.has_perm, permissions)) else None


@register.filter
def with_labels(row: Sequence[SafeString], headers: Sequence[dict[str, Any]]) -> list[SafeString]:
    """Return the cells of a row of `result_list`, with their column's name in `data-label`.

    On narrow screens the column headings are hidden, and the style sheet shows these names.
    """
    return [_labelled(cell, head) for cell, head in zip(row, headers, strict=True)]


def _labelled(cell: SafeString, head: dict[str, Any]) -> SafeString:
    """Label a cell. The row heading in the first column and the checkbox get no label."""
    if not cell.startswith("<td") or cell.startswith('<td class="action-checkbox"'):
        return cell
    label = format_html('<td data-label="{}"', capfirst(head["text"]))
    return mark_safe(label + cell.removeprefix("<td"))  # noqa: S308 - Django has made the cell
