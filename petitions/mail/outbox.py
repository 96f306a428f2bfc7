"""The transactional outbox's worker: claim a batch, decide about each mail, send, settle.

1. Claim up to `BATCH` due mails with SKIP LOCKED, and count the attempt. Commit. The claim is a
   lease, renewed for as long as this process lives: see `claims`.
2. Decide about each mail: the rate limit of its mailbox, whether it is still of use, the
   suppression list, the rate limit of its domain. Compose those that go, all at once: between two
   sendings each took twice as long.
3. Open one SMTP connection, outside any transaction, and send one mail after the other.
4. Settle by id and attempt (compare-and-set). What a refusal means stands in `replies`: only one of
   the address itself is final; others are retried with exponential backoff and jitter, and kept as
   failed after five days, with codes and nothing else. A server that takes nothing at all is no
   mail's failure, however long it lasts.
5. Repeat while there was a full batch.

Delivery is at least once: mails of a worker killed between 3 and 4 are sent again within half a
minute, with the same Message-ID and Date, so that mail programs show one.
"""

import logging
import smtplib
import time
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from petitions.crypto import vault
from petitions.identity import email_addresses, providers
from petitions.mail import (
    claims,
    messages,
    monitoring,
    pace,
    reminders,
    replies,
    suppression,
)
from petitions.mail.claims import Claim
from petitions.mail.pace import Pace, Throttle
from petitions.mail.replies import Verdict
from petitions.models import AuditRecord, Correction, Mail, Objection, Petition, Signature
from petitions.models.mail import THROTTLED
from petitions.signers import sealing
from petitions.staff import audit, roles

BATCH = 100
SETTLE_EVERY = 20
# Seconds for which a batch of news is sent before other mail is looked for.
NEWS_TURN = 2.0
FEWEST_AT_ONCE = 10
# Seconds. A domain that refuses us is then probed with one mail at a time.
DOMAIN_WAIT = 300
# What organisers are told of each code stands in `petitions.admin.mail`.
OVER_LIMIT, OBJECTED, UNDELIVERABLE = "limit", "objected", "undeliverable"

logger = logging.getLogger(__name__)
_throttle = Throttle()
_pace = Pace()

# The columns that sending reads (`only`): all of them would take twice as long.
_NEEDED = (
    "kind",
    "attempts",
    "created_at",
    "sealed",
    "news_id",
    "answer_id",
    "signature__petition_id",
    "signature__state",
    "signature__name_use",
    "signature__wants_updates",
    "signature__news_may_name",
    "signature__link_epoch",
    "signature__disowned_at",
    "signature__created_at",
    "signature__signer__sealed",
)
_MAILED = frozenset({Signature.State.PENDING, Signature.State.CONFIRMED, Signature.State.HELD})
_OBSOLETE = Mail.State.CANCELLED, ""
# The outcome of mail to a suppressed mailbox, by reason.
_SUPPRESSED = {
    Objection.Reason.NOT_ME: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.NO_MAIL: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.NO_NEWS: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.UNDELIVERABLE: (Mail.State.CANCELLED, UNDELIVERABLE),
}
# Requeued along with a kind, because staff see no numbers of them: see `monitoring.SHOWN`.
_ALONG_WITH = {
    Mail.Kind.CONFIRM: [Mail.Kind.REMIND],
    Mail.Kind.FIND: [Mail.Kind.FIND_OTHER, Mail.Kind.ADDRESS],
}


class Ready(NamedTuple):
    """A claimed mail, its message, and the domain of its recipient. A decoy has no message, and is
    settled as if it were sent.
    """

    mail: Mail
    message: EmailMessage | None
    domain: str


@dataclass(slots=True)
class Decided:
    """A batch by what becomes of each mail: to be sent, throttled for so many seconds, to be tried
    again after a bug of ours, or settled without being sent, by state and code.
    """

    ready: deque[Ready] = field(default_factory=deque)
    throttled: list[tuple[Mail, float]] = field(default_factory=list)
    broken: list[tuple[Mail, str]] = field(default_factory=list)
    settled: defaultdict[tuple[Mail.State, str], list[Mail]] = field(
        default_factory=lambda: defaultdict(list)
    )


class ServerAway(Exception):
    """The mail server takes no mail at all now; the argument is a code, never its reply."""


class TakesNothing(ServerAway):
    """The server says so in reply to one mail; behind some relays a recipient's own server does."""


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
                sent += _deliver_batch(claim)
        except ServerAway as away:
            # The next sweep retries: now each batch would wait for the same time-out.
            logger.warning("the mail server takes nothing now (%s)", away)
            break
        if len(claim.ids) < BATCH:
            break
    return sent


def deliver_news(*, news_id: UUID, seconds: float) -> int:
    """Send what is due of one news for so many seconds; return how many mails were sent.

    All other mail first, and again every `NEWS_TURN`: it never waits for news.
    """
    until, sent, limit = time.monotonic() + seconds, 0, BATCH
    while (begun := time.monotonic()) < until:
        deliver()
        if not (claim := Claim(limit, news_id=news_id)).ids:
            break
        try:
            with claim:
                sent += _deliver_batch(claim, seconds=NEWS_TURN)
        except ServerAway as away:
            _pace.slow_all()
            logger.warning("the mail server takes no news now (%s)", away)
            break
        # A batch that its turn cuts short was composed in vain.
        is_slow = time.monotonic() - begun > NEWS_TURN
        limit = max(FEWEST_AT_ONCE, limit // 2) if is_slow else min(BATCH, limit * 2)
    return sent


def _deliver_batch(claim: Claim, *, seconds: float = float("inf")) -> int:
    """Send or settle the claimed mails; return how many were sent. Raises `ServerAway`.

    What is not sent after so many seconds is queued again, untried.

    What is not to be sent is settled last, and put back with the others in an outage: while the
    server is away, a mail to a suppressed mailbox waits like any other (constant work).
    """
    rows = Mail.objects.filter(id__in=claim.ids).select_related("signature__signer").only(*_NEEDED)
    decided = _decide(list(rows.order_by("due_at", "id")))
    with closing(get_connection(fail_silently=False)) as server:
        try:
            sent = _send_all(server, decided.ready, claim, time.monotonic() + seconds)
        except ServerAway as away:
            waiting = [one.mail for one in decided.ready]
            waiting += [mail for mail, _seconds in decided.throttled]
            waiting += chain.from_iterable(decided.settled.values())
            claims.wait_for_server(waiting, str(away))
            raise
        finally:
            for mail, code in decided.broken:
                claims.put_back(mail, code)
    if claim.is_held():
        claims.defer([(one.mail, 0.0) for one in decided.ready], "")
    claims.defer(decided.throttled, THROTTLED)
    for outcome, mails in decided.settled.items():
        news = [(mail, pace.OTHER) for mail in mails if mail.news_id]
        claims.settle_news(news, *outcome)
        others = [mail for mail in mails if not mail.news_id]
        claims.settle(others, *outcome, untried=outcome == _OBSOLETE)
    return sent


def _decide(mails: Sequence[Mail]) -> Decided:
    """Apply the rules to each mail, in this order; what they need is looked up once for all.

    A row that cannot be read or composed must not block those behind it.
    """
    decided = Decided()
    over = over_limit([mail.pk for mail in mails])
    wanted, superfluous = _still_wanted(mails), reminders.superfluous(mails)
    people = {mail.pk: _person(mail) for mail in mails if mail.pk in wanted and mail.pk not in over}
    suppressed = suppression.reasons(
        {
            mail.pk: suppression.Addressee(
                _petition_of(mail),
                person["email"],
                # Of a decoy it is the address that was typed: see `signatures.find`.
                is_any_spelling=mail.kind == Mail.Kind.FIND_OTHER,
            )
            for mail in mails
            # An answer was asked for. Its organiser sees what became of it, and could else learn of
            # any address, by writing to themselves in its name, whether its owner has objected.
            if (person := people.get(mail.pk)) and mail.kind != Mail.Kind.ANSWER
        },
        # A claim is of one news, or of none.
        are_news=any(mail.news_id for mail in mails),
    )
    for mail in mails:
        person = people.get(mail.pk)
        if mail.pk in over:
            decided.settled[Mail.State.WITHHELD, OVER_LIMIT].append(mail)
        elif mail.pk not in wanted:
            decided.settled[_OBSOLETE].append(mail)
        elif person is None:
            decided.settled[Mail.State.FAILED, vault.CannotOpen.__name__].append(mail)
        elif (reason := suppressed.get(mail.pk)) and not _is_notice(mail, person, reason):
            decided.settled[_SUPPRESSED[reason]].append(mail)
        else:
            is_decoy = sealing.DECOY in person or mail.pk in superfluous
            _throttle_or_compose(
                mail, person, decided, is_notice=reason is not None, is_decoy=is_decoy
            )
    return decided


def _is_notice(mail: Mail, person: dict[str, str], reason: Objection.Reason) -> bool:
    """Whether the mail is sent all the same, once, to say that the address was entered again."""
    to = suppression.Addressee(_petition_of(mail), person["email"])
    return (
        reason is Objection.Reason.NOT_ME
        and mail.kind == Mail.Kind.CONFIRM
        and suppression.is_notice(mail.pk, to)
    )


def _throttle_or_compose(
    mail: Mail, person: dict[str, str], decided: Decided, *, is_notice: bool, is_decoy: bool
) -> None:
    try:
        domain = _domain_of(mail, person["email"])
        if seconds := _wait(mail, domain):
            decided.throttled.append((mail, seconds))
        elif is_decoy:
            decided.ready.append(Ready(mail, None, domain))
        else:
            decided.ready.append(
                Ready(mail, messages.compose(mail, person, is_notice=is_notice), domain)
            )
    except Exception as error:
        decided.broken.append((mail, replies.code_of(error)))
        logger.exception("mail %s cannot be composed", mail.pk)


def _domain_of(mail: Mail, address: str) -> str:
    """The domain by which a mail waits. Of a link to another spelling it is the mailbox's: its
    decoy has the address that was typed, at whose domain anybody can make mails wait.
    """
    if mail.kind == Mail.Kind.FIND_OTHER:
        address = email_addresses.canonical(address)
    return email_addresses.domain_of(address)


def _wait(mail: Mail, domain: str) -> float:
    if mail.kind == Mail.Kind.NEWS:
        return _pace.wait(domain)
    return _throttle.wait(domain, is_shown=mail.kind in monitoring.SHOWN)


def over_limit(ids: Collection[UUID]) -> set[UUID]:
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


def _still_wanted(mails: Sequence[Mail]) -> set[UUID]:
    """Ids of the mails that are still of use: not those of erased signers, of corrected, disowned
    or retired attempts, or about a signature that needs no confirmation any more.

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
        if signature is None or not hasattr(signature, "signer") or signature.pk in corrected:
            return False
        if signature.disowned_at:
            return False
        if mail.kind == Mail.Kind.REMIND:
            petition = petitions[signature.petition_id]
            is_open = petition.is_confirming(signature.created_at, now)
            return signature.state == Signature.State.PENDING and is_open
        if mail.kind == Mail.Kind.NEWS:
            return signature.state == Signature.State.CONFIRMED and signature.wants_updates
        return signature.state in _MAILED

    return {mail.pk for mail in mails if is_wanted(mail)}


def _person(mail: Mail) -> dict[str, str] | None:
    """Unseal the addressee; None if the key is missing."""
    try:
        return sealing.addressee(mail)
    except vault.CannotOpen:
        return None


def _petition_of(mail: Mail) -> int | None:
    """The petition that a mail is about; None if about all that a mailbox has signed."""
    return mail.signature.petition_id if mail.signature else None


def _send_all(server: BaseEmailBackend, ready: deque[Ready], claim: Claim, until: float) -> int:
    """Send the queue in order, and remove what was dealt with. Raises `ServerAway`.

    Stops at the moment `until`, or when the claim has expired: another worker may be sending the
    rest.
    """
    _open(server)
    sent: list[Ready] = []
    aside: list[Ready] = []
    code, total = "", 0
    try:
        while ready and claim.is_held() and time.monotonic() < until:
            message = ready[0].message
            try:
                is_sent = message is None or _send(server, ready[0], message)
            except DomainAway as away:
                _put_off_domain(ready, ready[0].domain, str(away))
                continue
            except TakesNothing as away:
                aside, code = _put_aside(ready, aside, away, total), str(away)
                continue
            if is_sent:
                sent.append(ready[0])
                total += message is not None
            ready.popleft()
            if len(sent) == SETTLE_EVERY:
                _settle(sent, Mail.State.SENT)
                sent = []
    finally:
        _settle(sent, Mail.State.SENT)
    if aside:
        claims.defer([(one.mail, DOMAIN_WAIT * claims.jitter()) for one in aside], code)
    return total


def _put_aside(
    ready: deque[Ready], aside: list[Ready], away: TakesNothing, sent: int
) -> list[Ready]:
    """Take what goes to the domain of the first mail out of the queue, to see whether the server
    takes other mail: else whoever has a domain of their own, and as many below it as they like,
    could stop all. Returns all that is `aside` by then. Raises `ServerAway` where it says so of a
    large provider and of another domain, and where no other mail was `sent` or waits.
    """
    same = [one for one in ready if one.domain == ready[0].domain]
    refused = {one.domain for one in (*aside, *same)}
    is_away = len(refused) > 1 and not refused.isdisjoint(providers.LARGE)
    if is_away or (len(same) == len(ready) and not sent):
        ready.extend(aside)
        raise away
    for one in same:
        ready.remove(one)
    return [*aside, *same]


def _settle(dealt: Sequence[Ready], state: Mail.State, code: str = "") -> None:
    """Settle mails that the server has answered; of news, count them by provider."""
    news = [(one.mail, pace.provider_of(one.domain)) for one in dealt if one.mail.news_id]
    claims.settle_news(news, state, code)
    claims.settle([one.mail for one in dealt if not one.mail.news_id], state, code)


def _open(server: BaseEmailBackend) -> None:
    """Open a connection, instead of the one that is there: smtplib hangs up after any 421."""
    try:
        server.close()
        server.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerAway(replies.code_of(error)) from None


def _send(server: BaseEmailBackend, ready: Ready, message: EmailMessage) -> bool:
    """Send one mail, or settle its refusal; return whether it was sent.

    Raises `TakesNothing` if none would go now, `DomainAway` if none to its domain would. The
    exceptions' texts may hold the address, so only their codes are kept.
    """
    mail = ready.mail
    try:
        server.send_messages([message])
        return True
    except ValueError as error:
        # A header that cannot be serialised, such as one with a line break in it.
        verdict, code = Verdict.ADDRESS, replies.code_of(error)
    except (OSError, smtplib.SMTPException, replies.provider().AnymailError) as error:
        verdict, code = replies.verdict_of(error), replies.code_of(error)
    if verdict is Verdict.SERVER:
        _open(server)
        raise TakesNothing(code)
    logger.warning("mail %s not sent (%s)", mail.pk, code)
    if mail.kind == Mail.Kind.NEWS and code.startswith(pace.BUSY):
        _pace.slow(ready.domain)
    if verdict is Verdict.DOMAIN:
        _open(server)
        raise DomainAway(code)
    if verdict is Verdict.ADDRESS:
        _settle([ready], Mail.State.REFUSED, code)
    else:
        claims.put_back(mail, code)
    if verdict is Verdict.CONNECTION:
        _open(server)
    return False


def _put_off_domain(ready: deque[Ready], domain: str, code: str) -> None:
    """Defer all mail to a domain: the first, which was tried, and the others untried."""
    claims.put_back(ready.popleft().mail, code)
    others = [one for one in ready if one.domain == domain]
    claims.defer([(one.mail, DOMAIN_WAIT * claims.jitter()) for one in others], code)
    for one in others:
        ready.remove(one)


@transaction.atomic
def requeue(*, kind: Mail.Kind, hour: datetime, actor: User, screen: str) -> int:
    """Retry failed mails of a kind, and of the hour in which they were asked for, with attempts
    reset; return how many. Whether each is still wanted is decided as ever.

    Kinds that staff see no numbers of go along uncounted.
    """
    roles.require(actor, "petitions.change_mail")
    failed = Mail.objects.filter(
        state=Mail.State.FAILED, created_at__gte=hour, created_at__lt=hour + timedelta(hours=1)
    )
    anew = {"state": Mail.State.QUEUED, "attempts": 0, "code": "", "due_at": Now()}
    failed.filter(kind__in=_ALONG_WITH.get(kind, [])).update(**anew)
    queued = failed.filter(kind=kind).update(**anew)
    # Also where nothing had failed: otherwise a record would tell of uncounted ones.
    audit.record(action=AuditRecord.Action.MAIL_REQUEUED, screen=screen, actor=actor)
    return queued
