"""Template filter for the lists of the admin."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register = template.Library()


@register.filter
def with_labels(row: Sequence[SafeString], headers: Sequence[dict[str, Any]]) -> list[SafeString]:
    """The cells of a row of `result_list`, each with the name of its column in `data-label`.

    On a narrow screen the heads of the columns are out of sight, and the style sheet shows it.
    """
    return [_labelled(cell, head) for cell, head in zip(row, headers, strict=True)]


def _labelled(cell: SafeString, head: dict[str, Any]) -> SafeString:
    """Neither the first column, which is the heading of its row, nor the box that ticks it."""
    if not cell.startswith("<td") or cell.startswith('<td class="action-checkbox"'):
        return cell
    label = format_html('<td data-label="{}"', capfirst(head["text"]))
    return mark_safe(label + cell.removeprefix("<td"))  # noqa: S308 - Django has made the cell
