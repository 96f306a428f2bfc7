"""Webhook events of mail providers (django-anymail): bounces and spam complaints.

A complaint is an opt-out from all mail, which the mailbox's owner can undo like any other. Only a
hard bounce suppresses an address, because its mailbox does not exist. A full mailbox, a busy server
or a content filter may have recovered tomorrow. An event names the outbox row. The address comes
from what the signer gave, never from the event.
"""

import logging
from contextlib import suppress
from uuid import UUID

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.db import transaction

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.mail import claims, news_counts, pace, replies, suppression
from petitions.mail.replies import Verdict
from petitions.models import Mail
from petitions.signers import sealing

_HARD_REASONS = {RejectReason.BOUNCED, RejectReason.INVALID}
# Soft bounces of Postmark. anymail reports some of them as hard.
_SOFT = {"SoftBounce", "Transient", "DnsError", "VirusNotification"}

# The outbox's code for a bounce: see `petitions.admin.mail`.
BOUNCED = "bounced"
COMPLAINED = "complained"

logger = logging.getLogger(__name__)


def handle(event: AnymailTrackingEvent) -> bool:
    """Act on a complaint or bounce; return whether the event was used.

    A complaint suppresses all mail to the mailbox, a hard bounce only mail to the address. If a
    provider bounces a mail because it blocks our server, the mail is sent again later.
    """
    is_complaint = event.event_type == EventType.COMPLAINED
    is_bounce = event.event_type in {EventType.BOUNCED, EventType.REJECTED}
    if not (is_complaint or is_bounce) or (row_id := _row_of(event)) is None:
        return False
    code, verdict = replies.read_report(event.mta_response or "")
    if is_bounce and verdict is Verdict.DOMAIN:
        return _send_again(row_id, code)
    if is_bounce and not (_is_hard(event) and verdict is Verdict.ADDRESS):
        return False
    mail = Mail.objects.select_related("signature__signer").filter(pk=row_id).first()
    person = None
    with suppress(vault.CannotOpen):
        person = sealing.addressee(mail) if mail else None
    if mail is None or person is None:
        return False
    address = person["email"]
    if is_complaint:
        suppression.suppress_all(inbox=sealing.inbox_of(address))
        _count(mail, address, "complained", code=COMPLAINED)
        logger.info("mail %s was reported as spam", row_id)
        return True
    suppression.suppress_bounced(address=address)
    _count(mail, address, "returned", state=Mail.State.REFUSED, code=BOUNCED)
    logger.info("mail %s bounced", row_id)
    return True


@transaction.atomic
def _count(mail: Mail, address: str, column: str, **outcome: str) -> None:
    """Record the outcome of a sent mail. News is counted once, however often it is reported."""
    sent = Mail.objects.filter(pk=mail.pk, state=Mail.State.SENT)
    is_first = sent.exclude(code=COMPLAINED).update(**outcome)
    if mail.news_id and is_first:
        provider = pace.provider_of(email_addresses.domain_of(address))
        news_counts.add(mail.news_id, column, provider)


def _send_again(row_id: UUID, code: str) -> bool:
    """Queue a mail again that a provider has bounced because it blocks us, as if it had refused it
    at once. Staff see it like any mail that such a provider refuses.
    """
    with transaction.atomic():
        sent = Mail.objects.filter(pk=row_id, state=Mail.State.SENT)
        mail = sent.select_for_update().first()
        if mail is None or (mail.signature_id is None and mail.sealed is None):
            return False
        sent.update(state=Mail.State.QUEUED)
        claims.put_back(mail, code)
    logger.warning("mail %s bounced, because a provider blocks us (%s)", row_id, code)
    return True


def _is_hard(event: AnymailTrackingEvent) -> bool:
    """Return whether it is a hard bounce, by the provider's own fields where anymail loses them."""
    fields = event.esp_event or {}
    data = fields.get("event-data")
    if isinstance(data, dict) and data.get("severity") == "temporary":
        return False
    return event.reject_reason in _HARD_REASONS and fields.get("Type") not in _SOFT


def _row_of(event: AnymailTrackingEvent) -> UUID | None:
    """Return the outbox row's id, from the metadata that we sent along or from the Message-ID."""
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    named = str(metadata.get("mail") or (event.message_id or "").strip("<>").partition("@")[0])
    try:
        return UUID(named)
    except ValueError:
        return None
