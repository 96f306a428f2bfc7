"""Filters for what people read: numbers, dates, directions and postcodes."""

from django import template
from django.conf import settings

from petitions import languages, pages

register = template.Library()

for _filter in (
    languages.grouped,
    languages.month_and_year,
    languages.day,
    languages.clock_time,
    languages.direction,
):
    register.filter(_filter)


@register.simple_tag
def kept_unconfirmed() -> str:
    """How long a mailed link works, and what nobody confirms is kept: "14 days"."""
    return pages.days(settings.PENDING_DAYS)


@register.filter
def postcode(stored: str) -> str:
    """A stored postcode with its space."""
    return f"{stored[:-3]} {stored[-3:]}"
