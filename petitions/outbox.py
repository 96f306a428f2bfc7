"""The outbox at work: claim a batch, send it over one connection, settle it.

1. Claim up to `BATCH` mails that are due: push `due_at` past a lease and count the attempt,
   skipping rows that another worker holds. Commit. The database's clock alone decides.
2. Read what the batch needs, once; cancel what is not to be sent any more.
3. Open one SMTP connection, outside any transaction, and send one mail after the other.
4. Settle by id and attempt, so that a worker whose lease ran out cannot overwrite the
   outcome of the one that took over. Temporary failures wait longer each time; what the
   server refuses for good is kept as failed, with its code and nothing else.
5. Repeat while there was a full batch.

A worker killed between 3 and 4 sends those mails again after the lease, with the same
Message-ID and Date, so that mail programs show one.
"""

import logging
import random
import smtplib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from petitions import messages, vault
from petitions.models import Mail, Signature

BATCH = 100
SETTLE_EVERY = 20
LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 12
FIRST_WAIT = 20
LONGEST_WAIT = 4 * 3600
_PERMANENT = 500

logger = logging.getLogger(__name__)


def deliver() -> int:
    """Send everything that is due; return how many mails were sent."""
    sent = 0
    while claimed := claim():
        sent += _send_batch(claimed)
        if len(claimed) < BATCH:
            break
    return sent


@transaction.atomic
def claim(limit: int = BATCH) -> list[UUID]:
    """Lease up to `limit` mails that are due to this worker, and return their ids."""
    due = Mail.objects.filter(state=Mail.State.QUEUED, due_at__lte=Now()).order_by("due_at")
    ids = list(due.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit])
    Mail.objects.filter(id__in=ids).update(due_at=Now() + LEASE, attempts=F("attempts") + 1)
    return ids


def settle(mails: Iterable[Mail], state: Mail.State, code: str = "") -> None:
    """Write the outcome of claimed mails, unless another worker has taken them over."""
    for attempts, ids in _by_attempts(mails):
        mine = Mail.objects.filter(id__in=ids, attempts=attempts, state=Mail.State.QUEUED)
        mine.update(state=state, code=code)


def put_back(mails: Iterable[Mail], code: str) -> None:
    """Queue claimed mails again after a wait that doubles with every attempt, with jitter."""
    for mail in mails:
        if mail.attempts >= MOST_ATTEMPTS:
            settle([mail], Mail.State.FAILED, code)
            continue
        wait = min(FIRST_WAIT * 2 ** (mail.attempts - 1), LONGEST_WAIT)
        wait *= random.uniform(0.75, 1.25)
        mine = Mail.objects.filter(id=mail.pk, attempts=mail.attempts, state=Mail.State.QUEUED)
        mine.update(due_at=Now() + timedelta(seconds=wait), code=code)


def _send_batch(ids: list[UUID]) -> int:
    mails = list(
        Mail.objects.filter(id__in=ids)
        .select_related("signature__signer", "signature__petition")
        .order_by("due_at", "id")
    )
    wanted = [mail for mail in mails if _still_wanted(mail)]
    settle([mail for mail in mails if mail not in wanted], Mail.State.CANCELLED)
    connection = get_connection(fail_silently=False)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        # The server is away for all of them: no mail is to blame.
        logger.warning("cannot reach the mail server (%s)", type(error).__name__)
        put_back(wanted, code_of(error))
        return 0
    try:
        return _send_all(connection, wanted)
    finally:
        connection.close()


def _send_all(connection: BaseEmailBackend, mails: list[Mail]) -> int:
    sent: list[Mail] = []
    total = 0
    for mail in mails:
        if _send(connection, mail):
            sent.append(mail)
            total += 1
        if len(sent) == SETTLE_EVERY:
            settle(sent, Mail.State.SENT)
            sent = []
    settle(sent, Mail.State.SENT)
    return total


def _send(connection: BaseEmailBackend, mail: Mail) -> bool:
    message = _composed(mail)
    if message is None:
        return False
    try:
        connection.send_messages([message])
    except (OSError, smtplib.SMTPException) as error:
        # The exception's text may hold the address, so only its code is kept.
        if is_permanent(error):
            settle([mail], Mail.State.FAILED, code_of(error))
        else:
            put_back([mail], code_of(error))
        logger.warning("mail %s not sent (%s)", mail.pk, code_of(error))
        connection.close()
        return False
    return True


def _composed(mail: Mail) -> EmailMultiAlternatives | None:
    """The message, or nothing: one row that cannot be read must not hold up those behind it."""
    try:
        return messages.compose(mail)
    except vault.CannotOpen:
        settle([mail], Mail.State.FAILED, "CannotOpen")
    except Exception as error:
        put_back([mail], code_of(error))
        logger.exception("mail %s cannot be composed", mail.pk)
    return None


def _still_wanted(mail: Mail) -> bool:
    """Whether the signature still has its person, and its petition is still there."""
    signature = mail.signature
    if not hasattr(signature, "signer"):
        return False
    return signature.state in {
        Signature.State.PENDING,
        Signature.State.CONFIRMED,
        Signature.State.HELD,
    }


def code_of(error: Exception) -> str:
    """What may be kept of a failure: the SMTP code, or the kind of the exception."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _reply in error.recipients.values()]
        return str(codes[0]) if codes else "refused"
    if isinstance(error, smtplib.SMTPResponseException):
        return str(error.smtp_code)
    return type(error).__name__[:20]


def is_permanent(error: Exception) -> bool:
    """Whether the server said never: a reply of 500 or above to this very message."""
    code = code_of(error)
    return code.isdecimal() and int(code) >= _PERMANENT


def _by_attempts(mails: Iterable[Mail]) -> Iterator[tuple[int, list[UUID]]]:
    groups: defaultdict[int, list[UUID]] = defaultdict(list)
    for mail in mails:
        groups[mail.attempts].append(mail.pk)
    yield from groups.items()
