"""Webhook events of mail providers (django-anymail): hard bounces and spam complaints.

A complaint is an opt-out from all mail, which the mailbox's owner can undo like any other. Of
bounces only hard ones count: the mailbox does not exist. A full mailbox, a busy server or a content
filter says nothing about tomorrow. An event names the outbox's row; the address comes from what the
signer gave, never from the event.
"""

import logging
from uuid import UUID

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.mail import replies, suppression
from petitions.models import Mail
from petitions.signers import sealing

_FOR_GOOD = {RejectReason.BOUNCED, RejectReason.INVALID}
# Postmark's soft bounces, some of which anymail reports as hard ones.
_SOFT = {"SoftBounce", "Transient", "DnsError", "VirusNotification"}

# The outbox's code for a bounce: see `admin.outcomes`.
BOUNCED = "bounced"

logger = logging.getLogger(__name__)


def heed(event: AnymailTrackingEvent) -> bool:
    """Suppress the mailbox of a complaint or hard bounce; return whether the event was used."""
    is_complaint = event.event_type == EventType.COMPLAINED
    if not (is_complaint or _is_for_good(event)) or (row_id := _row_of(event)) is None:
        return False
    mail = Mail.objects.select_related("signature__signer").filter(pk=row_id).first()
    try:
        person = sealing.addressee(mail) if mail else None
    except vault.CannotOpen:
        return False
    if person is None:
        return False
    if is_complaint:
        suppression.complained(address=person["email"])
        logger.info("mail %s was called spam", row_id)
        return True
    address = person["email"]
    if email_addresses.deliverable(address).lower() == email_addresses.canonical(address):
        # An alias may not exist though its mailbox does: anybody can make one up.
        suppression.note_undeliverable(address=address)
    Mail.objects.filter(pk=row_id, state=Mail.State.SENT).update(
        state=Mail.State.REFUSED, code=BOUNCED
    )
    logger.info("mail %s came back", row_id)
    return True


def _is_for_good(event: AnymailTrackingEvent) -> bool:
    """Whether it is a hard bounce, by the provider's own fields where anymail's blur it."""
    if event.event_type not in {EventType.BOUNCED, EventType.REJECTED}:
        return False
    said = event.esp_event or {}
    if said.get("Type") in _SOFT or _severity(said) == "temporary":
        return False
    if not replies.is_final(event.mta_response or ""):
        return False
    return event.reject_reason in _FOR_GOOD


def _severity(said: object) -> str:
    data = said.get("event-data", {}) if isinstance(said, dict) else {}
    return str(data.get("severity", "")) if isinstance(data, dict) else ""


def _row_of(event: AnymailTrackingEvent) -> UUID | None:
    """The outbox row's id: from the metadata that we gave the provider, else the Message-ID."""
    kept = event.metadata if isinstance(event.metadata, dict) else {}
    named = str(kept.get("mail") or (event.message_id or "").strip("<>").partition("@")[0])
    try:
        return UUID(named)
    except ValueError:
        return None
