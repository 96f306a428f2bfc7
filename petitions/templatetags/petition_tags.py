"""Filters for what people read: numbers, dates, directions and postcodes."""

from django import template

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


# How long and how often, as the code that keeps it says: "14 days".
register.simple_tag(pages.promises)


@register.filter
def postcode(stored: str) -> str:
    """A stored postcode with its space."""
    return f"{stored[:-3]} {stored[-3:]}"
