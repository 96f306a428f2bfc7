"""The transactional outbox's worker: claim a batch, send it over one connection, settle it.

1. Claim up to `BATCH` due mails with SKIP LOCKED, and count the attempt. Commit. The claim is a
   lease, renewed for as long as this process lives: see `claims`.
2. Read and unseal what the batch needs, once; withhold what is over its mailbox's rate limit or
   suppressed, cancel what is obsolete, and defer what is over its domain's throttle. Compose the
   others, all at once: between two sendings each took twice as long.
3. Open one SMTP connection, outside any transaction, and send one mail after the other.
4. Settle by id and attempt (compare-and-set), so that a worker whose claim has expired cannot
   overwrite the outcome of the one that took over. It sends no more of them, either. What a refusal
   means stands in `replies`: only one of the address itself is final; others are retried with
   exponential backoff and jitter, and kept as failed after five days, with codes and nothing else.
   A server that takes nothing at all is no mail's failure, however long it lasts.
5. Repeat while there was a full batch.

Delivery is at least once: mails of a worker killed between 3 and 4 are sent again within half a
minute, with the same Message-ID and Date, so that mail programs show one.
"""

import logging
import random
import smtplib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.mail import messages, replies, suppression
from petitions.mail.claims import Claim
from petitions.mail.replies import Verdict
from petitions.mail.throttle import Throttle
from petitions.models import AuditRecord, Correction, Mail, Objection, Petition, Signature
from petitions.models.mail import FINDS, THROTTLED
from petitions.signers import sealing
from petitions.staff import audit

if TYPE_CHECKING:
    from anymail.exceptions import AnymailError

BATCH = 100
SETTLE_EVERY = 20
FIRST_WAIT = 20
LONGEST_WAIT = 4 * 3600
# Five days with this backoff, after which a mail server gives up (RFC 5321, 4.5.4.1).
MOST_ATTEMPTS = 40
# Seconds. A domain that refuses us is then probed with one mail at a time.
DOMAIN_WAIT = 300
# What organisers are told of each code stands in `admin.outcomes`.
OVER_LIMIT, OBJECTED, UNDELIVERABLE = "limit", "objected", "undeliverable"
# A provider's HTTP status for a wrong key, a closed account, or its rate limit.
_OUR_FAULT = frozenset({401, 402, 403, 429})

logger = logging.getLogger(__name__)
_throttle = Throttle()


# The columns that sending reads (`only`): all of them would take twice as long.
_NEEDED = (
    "kind",
    "attempts",
    "created_at",
    "sealed",
    "signature__petition_id",
    "signature__state",
    "signature__link_epoch",
    "signature__created_at",
    "signature__signer__sealed",
)
_MAILED = frozenset({Signature.State.PENDING, Signature.State.CONFIRMED, Signature.State.HELD})
# Outcome of mail to a suppressed mailbox, by reason.
_OBJECTIONS = {
    Objection.Reason.NOT_ME: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.NO_MAIL: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.UNDELIVERABLE: (Mail.State.CANCELLED, UNDELIVERABLE),
}


# Requeued along with a kind, because staff see no numbers of them: see `numbers`.
_ALONG_WITH = {
    Mail.Kind.CONFIRM: [Mail.Kind.REMIND],
    Mail.Kind.FIND: [Mail.Kind.FIND_OTHER],
}


class Outgoing(NamedTuple):
    """A claimed mail, its unsealed signer, and the domain of their mailbox."""

    mail: Mail
    person: dict[str, str]
    domain: str


class Composed(NamedTuple):
    """A claimed mail, its message, and the domain of its recipient."""

    mail: Mail
    message: EmailMessage
    domain: str


class ServerAway(Exception):
    """The mail server takes no mail at all now; the argument is a code, never its reply."""


class DomainAway(Exception):
    """A recipient's domain takes no mail from us now; the argument is a code, never its reply."""


def deliver() -> int:
    """Send everything that is due, or all up to an outage of the mail server.

    Returns how many mails were sent in the batches that went through.
    """
    sent = 0
    while (claim := Claim(BATCH)).ids:
        try:
            with claim:
                sent += _send_batch(claim)
        except ServerAway as away:
            # The next sweep retries: now each batch would wait for the same time-out.
            logger.warning("the mail server takes nothing now (%s)", away)
            break
        if len(claim.ids) < BATCH:
            break
    return sent


def over_limit(ids: Sequence[UUID]) -> set[UUID]:
    """Which of these mails are over the rate limit of their mailbox and kind.

    Up to `MAILS_PER_MAILBOX_AND_DAY`, then one an hour, over all petitions. Judged here and not at
    signing (constant work); by the order in which the mails were asked for, so that concurrent
    attempts change nothing; and in PostgreSQL, for a limit that protects strangers must not fail
    open when Redis is away.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id FROM petitions_mail m CROSS JOIN LATERAL (
                SELECT count(*) AS n, max(o.created_at) AS newest FROM petitions_mail o
                WHERE o.global_mailbox_ix = m.global_mailbox_ix AND o.kind = m.kind
                      AND o.state <> %s
                      -- Never sent: whoever types and corrects an address uses up nothing.
                      AND NOT (o.state = 'cancelled' AND o.attempts = 0)
                      AND o.created_at > m.created_at - interval '1 day'
                      AND (o.created_at, o.id) < (m.created_at, m.id)
            ) earlier
            WHERE m.id = ANY(%s) AND n >= %s AND newest > m.created_at - interval '1 hour'
            """,
            [Mail.State.WITHHELD, list(ids), settings.MAILS_PER_MAILBOX_AND_DAY],
        )
        return {row[0] for row in cursor.fetchall()}


def settle(
    mails: Iterable[Mail], state: Mail.State, code: str = "", *, untried: bool = False
) -> None:
    """Write the outcome of claimed mails by compare-and-set: not if another worker has taken over.

    `untried` takes back the attempt that claiming counted, for mails that were never sent. With
    `synchronous_commit` off: what a crash of the database loses is done again after its claim, as
    if the worker had crashed.
    """
    for attempts, ids in _by_attempts(mails):
        mine = Mail.objects.filter(id__in=ids, attempts=attempts, state=Mail.State.QUEUED)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")
            if untried:
                mine.update(state=state, code=code, attempts=F("attempts") - 1)
            else:
                mine.update(state=state, code=code)


def put_back(mails: Iterable[Mail], code: str) -> None:
    """Queue claimed mails again with exponential backoff and jitter.

    A mail that has been put off `MOST_ATTEMPTS` times is kept as failed.
    """
    for mail in mails:
        if mail.attempts >= MOST_ATTEMPTS:
            settle([mail], Mail.State.FAILED, code)
        else:
            wait = min(FIRST_WAIT * 2 ** (mail.attempts - 1), LONGEST_WAIT)
            _wait([(mail, wait * _jitter())], code, tried=1)


def wait_for_server(mails: Iterable[Mail], code: str) -> None:
    """Queue claimed mails again soon, in an outage of the mail server: no mail is to blame.

    It is not counted as an attempt, so that none fails by it, however long it lasts.
    """
    _wait([(mail, FIRST_WAIT * _jitter()) for mail in mails], code, tried=0)


@transaction.atomic
def requeue(*, kind: Mail.Kind, hour: datetime, actor: User, screen: str) -> int:
    """Retry failed mails of a kind, and of the hour in which they were asked for, with attempts
    reset; return how many. Whether each is still wanted is judged as ever.

    Kinds that staff see no numbers of go along uncounted.
    """
    failed = Mail.objects.filter(
        state=Mail.State.FAILED, created_at__gte=hour, created_at__lt=hour + timedelta(hours=1)
    )
    anew = {"state": Mail.State.QUEUED, "attempts": 0, "code": "", "due_at": Now()}
    failed.filter(kind__in=_ALONG_WITH[kind]).update(**anew)
    queued = failed.filter(kind=kind).update(**anew)
    # Also where nothing had failed: otherwise a record would tell of uncounted ones.
    audit.record(action=AuditRecord.Action.MAIL_REQUEUED, screen=screen, actor_id=actor.pk)
    return queued


def _wait(waits: Iterable[tuple[Mail, float]], code: str, *, tried: int) -> None:
    """Defer mails by so many seconds (compare-and-set); `tried` is 1 if it counts as an attempt."""
    rows = [(mail.pk, mail.attempts, seconds) for mail, seconds in waits]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_mail m
            SET due_at = now() + w.seconds * interval '1 second', code = %s,
                attempts = m.attempts - 1 + %s
            FROM unnest(%s::uuid[], %s::int[], %s::float[]) AS w (id, attempts, seconds)
            WHERE m.id = w.id AND m.attempts = w.attempts AND m.state = %s
            """,
            [code, tried, *(list(column) for column in zip(*rows, strict=True)), Mail.State.QUEUED],
        )


def _jitter() -> float:
    return random.uniform(0.75, 1.25)


def _send_batch(claim: Claim) -> int:
    """Process claimed mails; return how many were sent. Raises `ServerAway`, all put back."""
    # Nested, so that unsealed data is freed before the first mail is sent.
    waiting = deque(
        _composed(_unhurried(_unobjected(_unsealed(_still_wanted(_within_limit(claim.ids))))))
    )
    if not waiting:
        return 0
    server = get_connection(fail_silently=False)
    try:
        return _send_all(server, waiting, claim)
    except ServerAway as away:
        wait_for_server([composed.mail for composed in waiting], str(away))
        raise
    finally:
        server.close()


def _within_limit(ids: Sequence[UUID]) -> list[Mail]:
    rows = Mail.objects.filter(id__in=ids).select_related("signature__signer").only(*_NEEDED)
    mails = list(rows.order_by("due_at", "id"))
    over = over_limit(ids)
    settle([mail for mail in mails if mail.pk in over], Mail.State.WITHHELD, OVER_LIMIT)
    return [mail for mail in mails if mail.pk not in over]


def _still_wanted(mails: list[Mail]) -> list[Mail]:
    """Cancel obsolete mails: those whose signer was erased, or that have no use any more.

    A link to one's signatures is sent whether or not there are any (constant work).
    """
    signatures = [mail.signature for mail in mails if mail.signature]
    petitions = Petition.objects.in_bulk({signature.petition_id for signature in signatures})
    dead = Correction.objects.filter(attempt_id__in=[signature.pk for signature in signatures])
    corrected = set(dead.values_list("attempt_id", flat=True))
    now = timezone.now()

    def is_wanted(mail: Mail) -> bool:
        signature = mail.signature
        if mail.sealed:
            return True
        if signature is None or not hasattr(signature, "signer"):
            return False
        if mail.kind in FINDS:
            # Queued by an older release, in which these belonged to a signature.
            return True
        if signature.pk in corrected:
            return False
        if mail.kind == Mail.Kind.REMIND:
            petition = petitions[signature.petition_id]
            is_open = petition.is_confirming(signature.created_at, now)
            return signature.state == Signature.State.PENDING and is_open
        return signature.state in _MAILED

    wanted = [mail for mail in mails if is_wanted(mail)]
    kept = {mail.pk for mail in wanted}
    settle([mail for mail in mails if mail.pk not in kept], Mail.State.CANCELLED, untried=True)
    return wanted


def _unsealed(mails: list[Mail]) -> list[Outgoing]:
    """Unseal the addressees. A row that cannot be read must not block those behind it."""
    return [out for mail in mails if (out := _opened(mail))]


def _opened(mail: Mail) -> Outgoing | None:
    try:
        person = sealing.addressee(mail)
        assert person
        return Outgoing(mail, person, email_addresses.domain_of(person["email"]))
    except vault.CannotOpen:
        settle([mail], Mail.State.FAILED, "CannotOpen")
    except Exception as error:
        put_back([mail], code_of(error))
        logger.exception("mail %s cannot be read", mail.pk)
    return None


def _unobjected(outgoing: list[Outgoing]) -> list[Outgoing]:
    """Drop mails to suppressed mailboxes: "not me", "no mail" or undeliverable."""
    against = suppression.against(
        {
            out.mail.pk: suppression.Addressee(_about(out.mail), out.person["email"])
            for out in outgoing
        }
    )
    for reason, (state, code) in _OBJECTIONS.items():
        settle([out.mail for out in outgoing if against.get(out.mail.pk) == reason], state, code)
    return [out for out in outgoing if out.mail.pk not in against]


def _about(mail: Mail) -> int | None:
    """The petition that a mail is about; None if about all that a mailbox has signed."""
    return mail.signature.petition_id if mail.signature and mail.kind not in FINDS else None


def _unhurried(outgoing: list[Outgoing]) -> list[Outgoing]:
    """Throttle: defer mails over their domain's rate limit, which counts as no attempt."""
    waits = [(out, _throttle.wait(out.domain)) for out in outgoing]
    _wait([(out.mail, seconds) for out, seconds in waits if seconds], THROTTLED, tried=0)
    return [out for out, seconds in waits if not seconds]


def _composed(outgoing: list[Outgoing]) -> list[Composed]:
    """Compose the messages. A row that cannot be composed must not block those behind it."""
    return [composed for out in outgoing if (composed := _composed_one(out))]


def _composed_one(out: Outgoing) -> Composed | None:
    try:
        return Composed(out.mail, messages.compose(out.mail, out.person), out.domain)
    except Exception as error:
        put_back([out.mail], code_of(error))
        logger.exception("mail %s cannot be composed", out.mail.pk)
    return None


def _send_all(server: BaseEmailBackend, waiting: deque[Composed], claim: Claim) -> int:
    """Send the queue in order, and remove what was dealt with. Raises `ServerAway`.

    Stops when the claim has expired: another worker may be sending the rest.
    """
    _open(server)
    sent: list[Mail] = []
    total = 0
    try:
        while waiting and claim.is_held():
            try:
                is_sent = _send(server, waiting[0])
            except DomainAway as away:
                _put_off_domain(waiting, waiting[0].domain, str(away))
                continue
            if is_sent:
                sent.append(waiting[0].mail)
                total += 1
            waiting.popleft()
            if len(sent) == SETTLE_EVERY:
                settle(sent, Mail.State.SENT)
                sent = []
    finally:
        settle(sent, Mail.State.SENT)
    return total


def _put_off_domain(waiting: deque[Composed], domain: str, code: str) -> None:
    """Defer all mail to a domain: the first, which was tried, and the others untried."""
    put_back([waiting.popleft().mail], code)
    others = [composed for composed in waiting if composed.domain == domain]
    _wait([(other.mail, DOMAIN_WAIT * _jitter()) for other in others], code, tried=0)
    for other in others:
        waiting.remove(other)


def _open(server: BaseEmailBackend) -> None:
    try:
        server.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerAway(code_of(error)) from None


def _send(server: BaseEmailBackend, composed: Composed) -> bool:
    """Send one mail, or settle its refusal; return whether it was sent.

    Raises `ServerAway` if none would go now, `DomainAway` if none to its domain would. The
    exceptions' texts may hold the address, so only their codes are kept.
    """
    mail = composed.mail
    try:
        server.send_messages([composed.message])
    except ValueError as error:
        # A header that cannot be serialised, such as one with a line break in it.
        settle([mail], Mail.State.REFUSED, code_of(error))
        logger.warning("mail %s cannot be written (%s)", mail.pk, code_of(error))
        return False
    except (
        smtplib.SMTPSenderRefused,
        smtplib.SMTPRecipientsRefused,
        smtplib.SMTPDataError,
        smtplib.SMTPConnectError,
        smtplib.SMTPHeloError,
        smtplib.SMTPAuthenticationError,
    ) as error:
        _settle_refused(mail, replies.verdict_of(error), code_of(error))
        return False
    # Before OSError, of which some are subclasses.
    except _provider().AnymailError as error:
        _settle_refused(mail, _verdict_of_provider(error), code_of(error))
        return False
    except (OSError, smtplib.SMTPException) as error:
        put_back([mail], code_of(error))
        logger.warning("mail %s not sent (%s)", mail.pk, code_of(error))
        server.close()
        _open(server)
        return False
    return True


def _provider() -> ModuleType:
    """`anymail.exceptions`, imported lazily at the first error that may be one of them: the HTTP
    library that comes with it takes 5 MB, and most sites send by SMTP.
    """
    return import_module("anymail.exceptions")


def _verdict_of_provider(error: "AnymailError") -> Verdict:
    """Classify an error of a provider's API: only its word about the recipient is final."""
    if isinstance(error, _provider().AnymailRecipientsRefused):
        return Verdict.ADDRESS
    is_ours = error.status_code is None or error.status_code in _OUR_FAULT
    return Verdict.SERVER if is_ours else Verdict.MAIL


def _settle_refused(mail: Mail, verdict: Verdict, code: str) -> None:
    """Settle or defer a refused mail. Raises `DomainAway`, `ServerAway`: others wait with it."""
    if verdict is Verdict.SERVER:
        raise ServerAway(code) from None
    logger.warning("mail %s refused (%s)", mail.pk, code)
    if verdict is Verdict.DOMAIN:
        raise DomainAway(code) from None
    if verdict is Verdict.ADDRESS:
        settle([mail], Mail.State.REFUSED, code)
    else:
        put_back([mail], code)


def code_of(error: Exception) -> str:
    """What may be stored of a failure: SMTP or HTTP codes, or the exception's class name."""
    if isinstance(error, smtplib.SMTPException) and (reply := replies.reply_of(error)):
        return str(reply)
    if isinstance(error, _provider().AnymailRecipientsRefused):
        return "refused"
    if isinstance(error, _provider().AnymailError) and error.status_code:
        return f"http-{error.status_code}"
    return type(error).__name__[:20]


def _by_attempts(mails: Iterable[Mail]) -> Iterator[tuple[int, list[UUID]]]:
    groups: defaultdict[int, list[UUID]] = defaultdict(list)
    for mail in mails:
        groups[mail.attempts].append(mail.pk)
    yield from groups.items()
