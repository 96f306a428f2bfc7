"""How far a petition has come, for its pages."""

from django import template

from petitions import progress, timeline
from petitions.models import PetitionText

register = template.Library()

register.filter("share", progress.written)


@register.simple_tag
def story(text: PetitionText) -> timeline.Story:
    """What happened to the petition of a text, and what is announced."""
    return timeline.story_of(text)
