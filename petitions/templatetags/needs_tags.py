"""What needs a moderator, for the admin's home."""

from typing import Any

from django import template

from petitions.admin import needs
from petitions.models import Alert

register = template.Library()


@register.simple_tag(takes_context=True)
def needs_you(context: dict[str, Any]) -> needs.Needs | None:
    """What needs whoever is logged in; nothing is asked for those who decide about nothing."""
    user = context["request"].user
    return needs.needs() if user.has_perm("petitions.moderate_signature") else None


@register.filter
def signatures_url(alert: Alert) -> str:
    """The list of the signatures behind an alert."""
    return needs.alert_url(alert)
