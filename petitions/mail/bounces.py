"""What mail providers report of mails: that they did not arrive, or were called spam.

Whoever calls a mail spam wants no more of them: that is an objection to all mail, which its
maker can take back like any other. Of what did not arrive only what is for good counts: the
mailbox does not exist. A full mailbox, a busy server or a filter that took offence says nothing
about tomorrow. A report names the outbox's row; the address comes from what the signer gave,
never from the report.
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
# What Postmark calls bounces that are none for good, which anymail takes for such.
_SOFT = {"SoftBounce", "Transient", "DnsError", "VirusNotification"}

# The outbox's code for it: see `admin.outcomes`.
BOUNCED = "bounced"

logger = logging.getLogger(__name__)


def heed(event: AnymailTrackingEvent) -> bool:
    """Note the mailbox that a report is about, if it cannot be reached or wants no mail; whether
    it was noted.
    """
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
        # Of an alias that does not exist the mailbox may well: anybody can make one up.
        suppression.note_undeliverable(address=address)
    Mail.objects.filter(pk=row_id, state=Mail.State.SENT).update(
        state=Mail.State.REFUSED, code=BOUNCED
    )
    logger.info("mail %s came back", row_id)
    return True


def _is_for_good(event: AnymailTrackingEvent) -> bool:
    """Whether the address does not exist, in the provider's own words where anymail's blur it."""
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
    """The outbox's row: from what we gave the provider to keep, else from the Message-ID."""
    kept = event.metadata if isinstance(event.metadata, dict) else {}
    named = str(kept.get("mail") or (event.message_id or "").strip("<>").partition("@")[0])
    try:
        return UUID(named)
    except ValueError:
        return None
