"""Template filters that format numbers, dates, text direction and postcodes; the timeline."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from petitions.counting import breakdowns
from petitions.formatting import languages, sanitising
from petitions.identity import residence
from petitions.models import PetitionText, Signature
from petitions.publishing import timeline
from petitions.signers import consent
from petitions.web import long_pages

register = template.Library()

for _filter in (
    languages.grouped,
    languages.month_and_year,
    languages.day,
    languages.clock_time,
    languages.closing,
    languages.direction,
    sanitising.render_markdown,
):
    register.filter(_filter)

register.filter("moment", languages.moment_of_staff)
register.filter("share", breakdowns.written)
register.filter("postcode", residence.spaced)
# The timeline of a text's petition: past milestones and announced ones.
register.simple_tag(timeline.story_of, name="story")
# Periods and limits, such as "14 days", from the constants that enforce them.
register.simple_tag(long_pages.promises)


@register.filter
def name_use(signature: Signature, text: PetitionText | None) -> str:
    """The choice for the name in the words of the form; of a text that is off the site, in general
    ones.
    """
    if text is None:
        return signature.get_name_use_display()
    return consent.name_use_wording(signature.name_use, text.addressee, language=text.language)


@register.filter
def isolated(name: str, language: str = "") -> SafeString:
    """A name in a `<bdi>` (bidirectional isolation): it may run the other way."""
    if language:
        return format_html('<bdi lang="{}">{}</bdi>', language, name)
    return format_html("<bdi>{}</bdi>", name)
