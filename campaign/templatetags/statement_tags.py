"""Template tag that links pages of a petition to the statement behind it."""

from django import template

from campaign.models import Statement
from petitions.infra.ttl_cache import TTLCache
from petitions.models import Petition

register = template.Library()

_SECONDS = 5.0
_published: TTLCache[None, dict[int, Statement]] = TTLCache(by_the_minute=True)


@register.simple_tag
def statement_behind(petition: Petition) -> str:
    """The path of the published statement that leads to a petition; empty if there is none."""
    statement = _published.get_or_set(None, _SECONDS, Statement.objects.by_petition).get(
        petition.pk
    )
    return statement.path if statement else ""


def invalidate() -> None:
    """Clear the TTL cache of published statements."""
    _published.invalidate()
