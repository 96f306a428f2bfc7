"""What pages of a petition say of the statement behind it."""

from django import template

from campaign import heads
from campaign.models import Statement
from petitions.models import Petition

register = template.Library()


@register.simple_tag
def statement_behind(petition: Petition) -> str:
    """The path of the published statement that leads to a petition; empty if there is none."""
    statement = Statement.objects.behind(petition)
    return heads.path_of(statement) if statement else ""
