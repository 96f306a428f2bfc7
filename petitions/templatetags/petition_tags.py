"""Filters for what people read: numbers, dates, directions and postcodes."""

from django import template

from petitions import languages

register = template.Library()

for _filter in (
    languages.grouped,
    languages.month_and_year,
    languages.day,
    languages.clock_time,
    languages.direction,
):
    register.filter(_filter)


@register.filter
def postcode(stored: str) -> str:
    """A stored postcode with its space."""
    return f"{stored[:-3]} {stored[-3:]}"
