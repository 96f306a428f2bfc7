"""Template tag: a petition's timeline."""

from django import template

from petitions.counting import breakdowns
from petitions.models import PetitionText
from petitions.publishing import timeline

register = template.Library()

register.filter("share", breakdowns.written)


@register.simple_tag
def story(text: PetitionText) -> timeline.Story:
    """The timeline of a text's petition: past milestones and announced ones."""
    return timeline.story_of(text)
