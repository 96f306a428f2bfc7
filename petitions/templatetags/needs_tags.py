"""Template tags for the to-do lists and warnings on the admin's home, each by permission."""

from typing import Any

from django import template

from petitions.admin import needs
from petitions.mail import monitoring
from petitions.models import Alert

register = template.Library()


@register.simple_tag(takes_context=True)
def needs_you(context: dict[str, Any]) -> dict[str, Any] | None:
    """What waits for a moderator in any petition; None if nothing does, and, without a query, for
    users who may not moderate.
    """
    user = context["request"].user
    found = needs.needs() if user.has_perm("petitions.moderate_signature") else {}
    return found if any(found.get(name) for name in ("held", "alerts", "jobs")) else None


@register.simple_tag(takes_context=True)
def switched_on(context: dict[str, Any]) -> list[Any]:
    """Petitions whose signing is paused, checked or held by a switch, for who decides about it."""
    user = context["request"].user
    is_concerned = user.has_perm("petitions.moderate_signature") or user.has_perm(
        "petitions.change_petition"
    )
    return needs.switched() if is_concerned else []


@register.simple_tag(takes_context=True)
def enquiries_waiting(context: dict[str, Any]) -> dict[str, Any] | None:
    """Enquiries that wait, for users who may answer them; None if there are none."""
    user = context["request"].user
    found = needs.enquiries() if user.has_perm("petitions.change_enquiry") else None
    return found if found and found["number"] else None


@register.simple_tag(takes_context=True)
def erasures_to_come(context: dict[str, Any]) -> list[Any]:
    """Erasures due soon, or overdue because of a stop, for users who may stop them."""
    user = context["request"].user
    return needs.erasures() if user.has_perm("petitions.change_erasure") else []


@register.simple_tag(takes_context=True)
def mail_trouble(context: dict[str, Any]) -> str:
    """What is wrong with mail delivery ("" if nothing), for users who may see the outbox."""
    user = context["request"].user
    if not user.has_perm("petitions.view_mail"):
        return ""
    state = monitoring.mail_state().state
    return "" if state is monitoring.MailState.WELL else state


@register.simple_tag(takes_context=True)
def old_postcodes(context: dict[str, Any]) -> dict[str, Any] | None:
    """A warning that the postcode data is missing or stale, for users who may export."""
    user = context["request"].user
    return needs.old_postcodes() if user.has_perm("petitions.export_signatures") else None


@register.simple_tag(takes_context=True)
def going_live(context: dict[str, Any]) -> list[Any]:
    """Petitions that are not open yet, for users who may publish them."""
    user = context["request"].user
    return needs.drafts() if user.has_perm("petitions.change_petition") else []


@register.filter
def signatures_url(alert: Alert) -> str:
    """The URL of the list of the signatures behind an alert."""
    return needs.alert_url(alert)
