"""What needs a moderator, for the admin's home."""

from typing import Any

from django import template

from petitions.admin import needs
from petitions.mail import monitoring
from petitions.models import Alert

register = template.Library()


@register.simple_tag(takes_context=True)
def needs_you(context: dict[str, Any]) -> needs.Needs | None:
    """What needs whoever is logged in; nothing is asked for those who decide about nothing."""
    user = context["request"].user
    return needs.needs() if user.has_perm("petitions.moderate_signature") else None


@register.simple_tag(takes_context=True)
def enquiries_waiting(context: dict[str, Any]) -> needs.Enquiries | None:
    """What people wrote that nobody has acknowledged, for those who answer; None if nothing."""
    user = context["request"].user
    found = needs.enquiries() if user.has_perm("petitions.change_enquiry") else None
    return found if found and found.number else None


@register.simple_tag(takes_context=True)
def erasures_to_come(context: dict[str, Any]) -> list[needs.ComingErasure]:
    """Whose data is erased soon, or kept past its date, for those who may stop that."""
    user = context["request"].user
    return needs.erasures() if user.has_perm("petitions.change_erasure") else []


@register.simple_tag(takes_context=True)
def mail_trouble(context: dict[str, Any]) -> str:
    """What is wrong with mail, "" if nothing is, for those who see the outbox."""
    user = context["request"].user
    if not user.has_perm("petitions.view_mail"):
        return ""
    state = monitoring.mail_state().state
    return "" if state is monitoring.MailState.WELL else state


@register.simple_tag(takes_context=True)
def old_postcodes(context: dict[str, Any]) -> needs.OldPostcodes | None:
    """That constituencies are not found, or not all, for those who hand the list in."""
    user = context["request"].user
    return needs.old_postcodes() if user.has_perm("petitions.export_signatures") else None


@register.filter
def signatures_url(alert: Alert) -> str:
    """The list of the signatures behind an alert."""
    return needs.alert_url(alert)
