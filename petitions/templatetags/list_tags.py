"""Template filter for lists in the admin."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register = template.Library()


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
