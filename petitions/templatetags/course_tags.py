"""How far a petition has come, for its pages."""

from django import template

from petitions.counting import breakdowns
from petitions.models import PetitionText
from petitions.publishing import timeline

register = template.Library()

register.filter("share", breakdowns.written)


@register.simple_tag
def story(text: PetitionText) -> timeline.Story:
    """What happened to the petition of a text, and what is announced."""
    return timeline.story_of(text)
