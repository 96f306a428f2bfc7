"""The use case: check the sender's DNS records and store the result, for the checklist."""

from contextlib import suppress
from dataclasses import asdict

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.mail import messages
from petitions.mail.sender import dkim, dmarc, spf
from petitions.mail.sender.lookup import Lookup, Record, Unanswered
from petitions.models import AuditRecord, SenderCheck
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

# The SPF term that allows a provider's servers.
_PROVIDERS = {"mailgun": "include:mailgun.org", "postmark": "include:spf.mtasv.net"}
_AWAY = (
    "No name server answered in time, so nothing is known about this record. Check again in a "
    "minute. If that does not help, ask your operator whether the server may ask DNS."
)


def check(*, domain: str, selector: str) -> list[Record]:
    """Ask DNS for SPF, DKIM and DMARC of a domain, for `lookup.TOTAL_TIMEOUT` seconds at most.

    Raises `Refused` if the domain or the selector is invalid.
    """
    if "." not in domain.strip("."):
        raise Refused(
            f"The sender’s address ends in “{domain}”, which is not a domain on the internet. "
            "Ask your operator to set MAIL_FROM."
        )
    if selector and not dkim.SELECTOR.fullmatch(selector):
        raise Refused(
            "This is not a selector. A selector is a short word of letters, digits, dots and "
            "dashes, such as “mail2026”. It is the part before “._domainkey” in the record of "
            "your mail provider."
        )
    lookup = Lookup()
    policy = dmarc.Policy(_unanswered("DMARC", domain), domain)
    own_spf, own_dkim = _unanswered("SPF", domain), _unanswered("DKIM", domain)
    # Each in its own block: if one goes unanswered, the others may still be answered.
    with suppress(Unanswered):
        policy = dmarc.check(domain, lookup)
    with suppress(Unanswered):
        own_spf = spf.check(domain, lookup, sender=_sender())
    with suppress(Unanswered):
        own_dkim = dkim.check(
            domain, selector, lookup, parent=policy.domain, is_strict=policy.is_strict
        )
    return [own_spf, own_dkim, policy.record]


def check_sender(*, selector: str, actor: User, screen: str) -> SenderCheck:
    """Check the domain of the sender's address and store the result, on the audit record.

    Raises `Refused`. No query is sent inside a transaction.
    """
    roles.require(actor, "petitions.change_sendercheck")
    domain = messages.sender_domain()
    records = check(domain=domain, selector=selector)
    with transaction.atomic():
        stored, _created = SenderCheck.objects.update_or_create(
            domain=domain,
            defaults={
                "selector": selector,
                "records": [asdict(record) for record in records],
                "is_right": all(record.is_right for record in records),
                "checked_at": timezone.now(),
            },
        )
        audit.record(
            action=AuditRecord.Action.SENDER_CHECKED, screen=screen, actor=actor, about=stored
        )
    return stored


def _unanswered(kind: str, domain: str) -> Record:
    return Record(kind, domain, problems=[_AWAY], is_unanswered=True)


def _sender() -> str:
    """Return the SPF term that allows the mail server, or "" if it is on this machine."""
    if settings.MAIL_PROVIDER in _PROVIDERS:
        return _PROVIDERS[settings.MAIL_PROVIDER]
    host = settings.EMAIL_HOST
    if "." not in host or host.startswith("127."):
        return ""
    return f"ip4:{host}" if host.replace(".", "").isdigit() else f"a:{host}"
