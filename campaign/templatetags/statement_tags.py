"""Template tags about a petition and the statement behind it."""

from datetime import datetime
from typing import Any, NamedTuple

from django import template
from django.db.models import Q
from django.utils import timezone

from campaign import publishing
from campaign.models import Statement
from petitions.infra.ttl_cache import TTLCache
from petitions.models import Petition

register = template.Library()

_SECONDS = 5.0
_published: TTLCache[None, dict[int, Statement]] = TTLCache(by_the_minute=True)


@register.simple_tag
def statement_behind(petition: Petition) -> str:
    """Return the path of the published statement linked to a petition, or "" if there is none."""
    statement = _published.get_or_set(None, _SECONDS, Statement.objects.by_petition).get(
        petition.pk
    )
    return statement.path if statement else ""


class Together(NamedTuple):
    """A statement whose petition is not public yet. `planned` is when the petition appears."""

    statement: Statement
    is_public: bool
    planned: datetime | None


@register.filter
def awaits_petition(statement: Statement) -> bool:
    """Return whether a statement's petition is a draft, or planned to be published."""
    petition = statement.petition
    is_draft = petition is not None and not petition.is_public
    return is_draft or publishing.planned_for(statement) is not None


@register.simple_tag(takes_context=True)
def to_publish_together(
    context: dict[str, Any], petition: Petition | None = None
) -> list[Together]:
    """Return statements whose petition is a draft or planned, if the user may publish it.

    With `petition`, return those of that one. One query, and a few for each statement found.
    """
    user = context["request"].user
    if not user.has_perm("petitions.change_petition"):
        return []
    has_to_open = Q(petition__state=Petition.State.DRAFT) | Q(
        petition__state=Petition.State.OPEN, petition__opens_at__gt=timezone.now()
    )
    statements = Statement.objects.titled().filter(has_to_open).select_related("petition")
    if petition is not None:
        statements = statements.filter(petition=petition)
    return [
        Together(one, one.texts.published().exists(), publishing.planned_for(one))
        for one in statements.order_by("pk")
        if awaits_petition(one)
    ]
