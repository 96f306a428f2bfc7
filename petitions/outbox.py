"""The outbox at work: claim a batch, send it over one connection, settle it.

1. Claim up to `BATCH` mails that are due: push `due_at` past a lease and count the attempt,
   skipping rows that another worker holds. Commit. The database's clock alone decides.
2. Read what the batch needs, once; withhold what is over its mailbox's limit, and cancel
   what is not to be sent any more.
3. Open one SMTP connection, outside any transaction, and send one mail after the other.
4. Settle by id and attempt, so that a worker whose lease ran out cannot overwrite the
   outcome of the one that took over. Temporary failures wait longer each time; what the
   server refuses for good is kept as failed, with its code and nothing else. A server that
   takes nothing at all is no mail's failure, however long it lasts.
5. Repeat while there was a full batch.

A worker killed between 3 and 4 sends those mails again after the lease, with the same
Message-ID and Date, so that mail programs show one.
"""

import logging
import random
import smtplib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
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


class ServerAway(Exception):
    """The mail server takes no mail at all now; the words are a code, never its reply."""


def deliver() -> int:
    """Send everything that is due, or all that goes before the server takes no more.

    Returns how many mails were sent in the batches that went through.
    """
    sent = 0
    while claimed := claim(BATCH):
        try:
            sent += _send_batch(claimed)
        except ServerAway as away:
            # The next sweep tries again: batch after batch would wait for the same silence.
            logger.warning("the mail server takes nothing now (%s)", away)
            break
        if len(claimed) < BATCH:
            break
    return sent


@transaction.atomic
def claim(limit: int) -> list[UUID]:
    """Lease up to `limit` mails that are due to this worker, and return their ids."""
    due = Mail.objects.filter(state=Mail.State.QUEUED, due_at__lte=Now()).order_by("due_at")
    ids = list(due.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit])
    Mail.objects.filter(id__in=ids).update(due_at=Now() + LEASE, attempts=F("attempts") + 1)
    return ids


def over_limit(ids: list[UUID]) -> set[UUID]:
    """Which of these mails are more than their mailbox may get of their kind.

    Up to `MAILS_PER_MAILBOX_AND_DAY`, then one an hour, over all petitions. It is judged here
    and not at signing, so that signing does the same for every address; by the order in which
    the mails were asked for, so that attempts which arrive together change nothing; and in
    PostgreSQL, for a limit that protects strangers must not fail open when Redis is away.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id FROM petitions_mail m CROSS JOIN LATERAL (
                SELECT count(*) AS n, max(o.created_at) AS newest FROM petitions_mail o
                WHERE o.mailbox_ix = m.mailbox_ix AND o.kind = m.kind AND o.state <> %s
                      AND o.created_at > m.created_at - interval '1 day'
                      AND (o.created_at, o.id) < (m.created_at, m.id)
            ) earlier
            WHERE m.id = ANY(%s) AND n >= %s AND newest > m.created_at - interval '1 hour'
            """,
            [Mail.State.WITHHELD, ids, settings.MAILS_PER_MAILBOX_AND_DAY],
        )
        return {row[0] for row in cursor.fetchall()}


def settle(mails: Iterable[Mail], state: Mail.State, code: str = "") -> None:
    """Write the outcome of claimed mails, unless another worker has taken them over."""
    for attempts, ids in _by_attempts(mails):
        mine = Mail.objects.filter(id__in=ids, attempts=attempts, state=Mail.State.QUEUED)
        mine.update(state=state, code=code)


def put_back(mails: Iterable[Mail], code: str) -> None:
    """Queue claimed mails again after a wait that doubles with every attempt, with jitter.

    A mail that the server has put off `MOST_ATTEMPTS` times is kept as failed.
    """
    for mail in mails:
        if mail.attempts >= MOST_ATTEMPTS:
            settle([mail], Mail.State.FAILED, code)
        else:
            _wait([mail], min(FIRST_WAIT * 2 ** (mail.attempts - 1), LONGEST_WAIT), code)


def wait_for_server(mails: Iterable[Mail], code: str) -> None:
    """Queue claimed mails again soon: the server takes nothing, and no mail is to blame.

    However long it lasts, none of them fails by it: it is not counted as an attempt.
    """
    _wait(mails, FIRST_WAIT, code, attempts=F("attempts") - 1)


def _wait(mails: Iterable[Mail], seconds: float, code: str, **changes: Any) -> None:
    for mail in mails:
        jitter = random.uniform(0.75, 1.25)
        mine = Mail.objects.filter(id=mail.pk, attempts=mail.attempts, state=Mail.State.QUEUED)
        mine.update(due_at=Now() + timedelta(seconds=seconds * jitter), code=code, **changes)


def _send_batch(ids: list[UUID]) -> int:
    """Deal with claimed mails; return how many were sent. Raises `ServerAway`, all put back."""
    mails = list(
        Mail.objects.filter(id__in=ids)
        .select_related("signature__signer", "signature__petition")
        .order_by("due_at", "id")
    )
    over = over_limit(ids)
    settle([mail for mail in mails if mail.pk in over], Mail.State.WITHHELD)
    allowed = [mail for mail in mails if mail.pk not in over]
    settle([mail for mail in allowed if not _still_wanted(mail)], Mail.State.CANCELLED)
    wanted = deque(mail for mail in allowed if _still_wanted(mail))
    server = get_connection(fail_silently=False)
    try:
        return _send_all(server, wanted)
    except ServerAway as away:
        wait_for_server(wanted, str(away))
        raise
    finally:
        server.close()


def _send_all(server: BaseEmailBackend, waiting: deque[Mail]) -> int:
    """Send what waits, in order; what was dealt with leaves the queue. Raises `ServerAway`."""
    _open(server)
    sent: list[Mail] = []
    total = 0
    try:
        while waiting:
            if _send(server, waiting[0]):
                sent.append(waiting[0])
                total += 1
            waiting.popleft()
            if len(sent) == SETTLE_EVERY:
                settle(sent, Mail.State.SENT)
                sent = []
    finally:
        settle(sent, Mail.State.SENT)
    return total


def _open(server: BaseEmailBackend) -> None:
    try:
        server.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerAway(code_of(error)) from None


def _send(server: BaseEmailBackend, mail: Mail) -> bool:
    """Send one mail, or settle what became of it. Raises `ServerAway` if none would go now.

    The exceptions' texts may hold the address, so only their codes are kept.
    """
    message = _composed(mail)
    if message is None:
        return False
    try:
        server.send_messages([message])
    except ValueError as error:
        # A header that cannot be written, such as one with a line break in it.
        settle([mail], Mail.State.FAILED, code_of(error))
        logger.warning("mail %s cannot be written (%s)", mail.pk, code_of(error))
        return False
    except smtplib.SMTPSenderRefused as error:
        # It is us that it refuses, by quota or by rule: every mail would meet the same.
        raise ServerAway(code_of(error)) from None
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
        _settle_refused(mail, code_of(error))
        return False
    except (OSError, smtplib.SMTPException) as error:
        put_back([mail], code_of(error))
        logger.warning("mail %s not sent (%s)", mail.pk, code_of(error))
        server.close()
        _open(server)
        return False
    return True


def _settle_refused(mail: Mail, code: str) -> None:
    """What the server says of this very message: 5xx is for good, 4xx for now."""
    logger.warning("mail %s refused (%s)", mail.pk, code)
    if code.isdecimal() and int(code) >= _PERMANENT:
        settle([mail], Mail.State.FAILED, code)
    else:
        put_back([mail], code)


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


def _by_attempts(mails: Iterable[Mail]) -> Iterator[tuple[int, list[UUID]]]:
    groups: defaultdict[int, list[UUID]] = defaultdict(list)
    for mail in mails:
        groups[mail.attempts].append(mail.pk)
    yield from groups.items()
