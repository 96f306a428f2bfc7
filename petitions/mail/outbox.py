"""The transactional outbox's worker: claim a batch, apply the rules, send, record the outcomes.

1. Claim up to `BATCH` due mails with SKIP LOCKED and count an attempt for each. Commit. The claim
   is a lease, which is renewed while this process lives: see `claims`.
2. Apply the rules to each mail: the rate limit of its mailbox, whether it is still wanted, the
   suppression list, the rate limit of its domain. Compose all mails before the first is sent:
   composing between two sendings takes twice as long.
3. Open one SMTP connection, outside any transaction, and send the mails one after the other. A mail
   that nobody gets takes as long (`_pretend`).
4. Write each outcome by id and attempt (compare-and-set). `replies` classifies refusals. Only a
   refusal of the address is final. Other mails are retried with exponential backoff and jitter,
   and fail after five days; of a failure only codes are stored. An outage of the mail server never
   makes a mail fail, however long it lasts.
5. Repeat as long as batches are full.

Delivery is at least once: if a worker is killed between 3 and 4, its mails are sent again within
half a minute. Message-ID and Date are the same, so mail programs show the mail once.
"""

import logging
import random
import smtplib
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
# Seconds for which a batch of news is sent before other mail is checked for.
NEWS_TIME_SLICE = 2.0
MIN_BATCH = 10
# Seconds after which the server is sent a command. Some close a connection that is idle for ten.
MAX_IDLE = 5.0
# Seconds. After it, a domain that refuses us is probed with one mail at a time.
DOMAIN_WAIT = 300
# `petitions.admin.mail` has the text that organisers see for each code.
OVER_LIMIT, OBJECTED, UNDELIVERABLE = "limit", "objected", "undeliverable"

logger = logging.getLogger(__name__)
_throttle = Throttle()
_pace = Pace()
# How long the latest mails took to send: see `_pretend`.
_durations: deque[float] = deque(maxlen=20)

# The columns that sending reads (`only`). Loading all columns would take twice as long.
_COLUMNS = (
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
_CONFIRMED_STATES = frozenset({Signature.State.CONFIRMED, Signature.State.HELD})
_SENT = Mail.State.SENT, ""
_OBSOLETE = Mail.State.CANCELLED, ""
# The outcome of mail to a suppressed mailbox, by reason.
_SUPPRESSED = {
    Objection.Reason.NOT_ME: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.NO_MAIL: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.NO_NEWS: (Mail.State.WITHHELD, OBJECTED),
    Objection.Reason.UNDELIVERABLE: (Mail.State.CANCELLED, UNDELIVERABLE),
}
# Kinds that are requeued together with another, because staff see no figures of them: see
# `monitoring.SHOWN`.
_REQUEUED_WITH = {
    Mail.Kind.CONFIRM: [Mail.Kind.REMIND],
    Mail.Kind.FIND: [Mail.Kind.FIND_OTHER, Mail.Kind.ADDRESS],
}


class Ready(NamedTuple):
    """A claimed mail, its message, its recipient's domain, and its outcome once it is sent.

    A mail that nobody gets has no message: a decoy, which is recorded as sent, or one that is
    withheld or cancelled (`outcome`).
    """

    mail: Mail
    message: EmailMessage | None
    domain: str
    outcome: tuple[Mail.State, str] = _SENT


@dataclass(slots=True)
class SortedBatch:
    """The mails of a batch: ready to send or to settle, put aside because the server took none to
    their domain, throttled (with seconds), or broken by a bug of ours (retried).
    """

    ready: deque[Ready] = field(default_factory=deque)
    aside: list[Ready] = field(default_factory=list)
    throttled: list[tuple[Mail, float]] = field(default_factory=list)
    broken: list[tuple[Mail, str]] = field(default_factory=list)

    def settle(self, mail: Mail, outcome: tuple[Mail.State, str]) -> None:
        """Add a mail that is not sent."""
        self.ready.append(Ready(mail, None, "", outcome))


class ServerAway(Exception):
    """The mail server takes no mail at all now. The argument is a code, never the reply's text."""


class TakesNothing(ServerAway):
    """The server said so in reply to one mail. Some relays pass on a recipient's own server."""


class DomainAway(Exception):
    """A recipient's domain takes no mail from us now. The argument is a code, never the text."""


def deliver() -> int:
    """Send all due mail, until none is left or the mail server fails.

    Return how many mails were sent in the batches that completed.
    """
    sent = 0
    while (claim := Claim(BATCH)).ids:
        try:
            with claim:
                sent += _deliver_batch(claim)
        except ServerAway as away:
            # Leave the rest to the next sweep: each further batch would wait for the same time-out.
            logger.warning("the mail server takes nothing now (%s)", away)
            break
        if len(claim.ids) < BATCH:
            break
    return sent


def deliver_news(*, news_id: UUID, seconds: float) -> int:
    """Send the due mails of one news item for up to `seconds`; return how many were sent.

    Other mail is sent first, and again after each `NEWS_TIME_SLICE`: it never waits for news.
    """
    until, sent, limit = time.monotonic() + seconds, 0, BATCH
    while (begun := time.monotonic()) < until:
        deliver()
        if not (claim := Claim(limit, news_id=news_id)).ids:
            break
        try:
            with claim:
                sent += _deliver_batch(claim, seconds=NEWS_TIME_SLICE)
        except ServerAway as away:
            _pace.slow_all()
            logger.warning("the mail server takes no news now (%s)", away)
            break
        # Composing mails that the time slice leaves unsent is wasted work.
        is_slow = time.monotonic() - begun > NEWS_TIME_SLICE
        limit = max(MIN_BATCH, limit // 2) if is_slow else min(BATCH, limit * 2)
    return sent


def _deliver_batch(claim: Claim, *, seconds: float = float("inf")) -> int:
    """Send or settle the claimed mails; return how many were sent. Raises `ServerAway`.

    Mails that are not sent within `seconds` are queued again, without counting an attempt.

    Mails that nobody gets are settled in their turn, after the time that sending one takes, and in
    an outage go back to the queue with the others (constant work): see `_pretend`.
    """
    rows = Mail.objects.filter(id__in=claim.ids).select_related("signature__signer").only(*_COLUMNS)
    batch = _decide(list(rows.order_by("due_at", "id")))
    with closing(get_connection(fail_silently=False)) as server:
        try:
            sent = _send_all(server, batch, claim, time.monotonic() + seconds)
        except ServerAway as away:
            waiting = [one.mail for one in (*batch.ready, *batch.aside)]
            waiting += [mail for mail, _seconds in batch.throttled]
            claims.wait_for_server(waiting, str(away))
            raise
        finally:
            for mail, code in batch.broken:
                claims.put_back(mail, code)
    if claim.is_held():
        claims.defer([(one.mail, 0.0) for one in batch.ready], "")
    claims.defer(batch.throttled, THROTTLED)
    return sent


def _decide(mails: Sequence[Mail]) -> SortedBatch:
    """Apply the rules to each mail, in order. Each rule does its look-ups once for the batch.

    A row that cannot be unsealed or composed must not block those behind it.
    """
    batch = SortedBatch()
    over = over_limit([mail.pk for mail in mails])
    wanted, superfluous = _still_wanted(mails), reminders.superfluous(mails)
    people = {mail.pk: _person(mail) for mail in mails if mail.pk in wanted and mail.pk not in over}
    suppressed = suppression.reasons(
        {
            mail.pk: suppression.Addressee(
                _petition_of(mail),
                person["email"],
                # A decoy holds the address that was typed: see `signatures.find`.
                is_any_spelling=mail.kind == Mail.Kind.FIND_OTHER,
            )
            for mail in mails
            # Answers ignore the list: their recipient asked for them. Organisers see what became of
            # an answer, and could test any address by writing to themselves in its name.
            if (person := people.get(mail.pk)) and mail.kind != Mail.Kind.ANSWER
        },
        # A claim holds mails of one news item only, or none of news.
        are_news=any(mail.news_id for mail in mails),
    )
    for mail in mails:
        person = people.get(mail.pk)
        if mail.pk in over:
            batch.settle(mail, (Mail.State.WITHHELD, OVER_LIMIT))
        elif mail.pk not in wanted:
            batch.settle(mail, _OBSOLETE)
        elif person is None:
            batch.settle(mail, (Mail.State.FAILED, vault.CannotOpen.__name__))
        elif (reason := suppressed.get(mail.pk)) and not _claims_notice(mail, person, reason):
            batch.settle(mail, _SUPPRESSED[reason])
        else:
            is_decoy = sealing.DECOY in person or mail.pk in superfluous
            _throttle_or_compose(
                mail, person, batch, is_notice=reason is not None, is_decoy=is_decoy
            )
    return batch


def _claims_notice(mail: Mail, person: dict[str, str], reason: Objection.Reason) -> bool:
    """Return whether to send this suppressed mail as a notice: see `suppression.claim_notice`."""
    to = suppression.Addressee(_petition_of(mail), person["email"])
    return (
        reason is Objection.Reason.NOT_ME
        and mail.kind == Mail.Kind.CONFIRM
        and suppression.claim_notice(mail.pk, to)
    )


def _throttle_or_compose(
    mail: Mail, person: dict[str, str], batch: SortedBatch, *, is_notice: bool, is_decoy: bool
) -> None:
    try:
        domain = _domain_of(mail, person["email"])
        if seconds := _wait(mail, domain):
            batch.throttled.append((mail, seconds))
        elif is_decoy:
            batch.ready.append(Ready(mail, None, domain))
        else:
            batch.ready.append(
                Ready(mail, messages.compose(mail, person, is_notice=is_notice), domain)
            )
    except Exception as error:
        batch.broken.append((mail, replies.code_of(error)))
        logger.exception("mail %s cannot be composed", mail.pk)


def _domain_of(mail: Mail, address: str) -> str:
    """Return the domain whose rate limit applies. For a link to another spelling it is the
    mailbox's domain: anybody could make mails wait at a domain of their choice by typing it.
    """
    if mail.kind == Mail.Kind.FIND_OTHER:
        address = email_addresses.canonical(address)
    return email_addresses.domain_of(address)


def _wait(mail: Mail, domain: str) -> float:
    if mail.kind == Mail.Kind.NEWS:
        return _pace.wait(domain)
    return _throttle.wait(domain, is_shown=mail.kind in monitoring.SHOWN)


def over_limit(ids: Collection[UUID]) -> set[UUID]:
    """Return the ids of the mails that are over the rate limit of their mailbox and kind.

    The limit is `MAILS_PER_MAILBOX_AND_DAY`, then one an hour, over all petitions. It is checked
    here and not at signing (constant work). Mails count in the order in which they were asked for,
    so that concurrent attempts change nothing. PostgreSQL counts them, because a limit that
    protects strangers must not fail open when Redis is down.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id FROM petitions_mail m CROSS JOIN LATERAL (
                SELECT count(*) AS n, max(o.created_at) AS newest FROM petitions_mail o
                WHERE o.global_mailbox_ix = m.global_mailbox_ix AND o.kind = m.kind
                      AND o.state <> %s
                      -- Never sent: typing and correcting an address uses up nothing.
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
    """Return the ids of the mails that are still wanted. Not wanted are mails of erased signers, of
    corrected, disowned or retired attempts, and of signatures in a state that needs no such mail.

    A link to one's signatures is sent whether or not there are any (constant work).
    """
    signatures = [mail.signature for mail in mails if mail.signature]
    petitions = Petition.objects.in_bulk({signature.petition_id for signature in signatures})
    dead = Correction.objects.filter(attempt_id__in=[signature.pk for signature in signatures])
    ended = set(dead.values_list("attempt_id", flat=True))
    ended |= {signature.pk for signature in signatures if signature.disowned_at}
    mailed = _confirmed_after_a_mail(signatures)
    now = timezone.now()

    def is_wanted(mail: Mail) -> bool:
        signature = mail.signature
        if mail.sealed:
            return True
        if signature is None or not hasattr(signature, "signer") or signature.pk in ended:
            return False
        if mail.kind == Mail.Kind.REMIND:
            petition = petitions[signature.petition_id]
            is_open = petition.is_confirming(signature.created_at, now)
            return signature.state == Signature.State.PENDING and is_open
        if mail.kind == Mail.Kind.NEWS:
            return signature.state == Signature.State.CONFIRMED and signature.wants_updates
        if signature.state in _CONFIRMED_STATES:
            return signature.pk not in mailed
        return signature.state == Signature.State.PENDING

    return {mail.pk for mail in mails if is_wanted(mail)}


def _confirmed_after_a_mail(signatures: Iterable[Signature]) -> set[UUID]:
    """Return the ids of confirmed signatures that need no mail again: one was sent before."""
    confirmed = [one.pk for one in signatures if one.state in _CONFIRMED_STATES]
    if not confirmed:
        return set()
    mails = Mail.objects.filter(kind=Mail.Kind.CONFIRM, state=Mail.State.SENT)
    return set(mails.filter(signature__in=confirmed).values_list("signature_id", flat=True))


def _person(mail: Mail) -> dict[str, str] | None:
    """Unseal the addressee; return None if the key is missing."""
    try:
        return sealing.addressee(mail)
    except vault.CannotOpen:
        return None


def _petition_of(mail: Mail) -> int | None:
    """Return the id of the petition that a mail is about, or None if it is about no single one."""
    return mail.signature.petition_id if mail.signature else None


def _send_all(server: BaseEmailBackend, batch: SortedBatch, claim: Claim, until: float) -> int:
    """Send what is ready in order and remove what was sent or settled. Raises `ServerAway`.

    Stops at the moment `until`, or when the claim has expired: another worker may then be sending
    the rest.
    """
    _open(server)
    ready, dealt = batch.ready, list[Ready]()
    code, total, asked_at = "", 0, time.monotonic()
    try:
        while ready and claim.is_held() and time.monotonic() < until:
            one = ready[0]
            if time.monotonic() - asked_at > MAX_IDLE:
                _keep_open(server)
                asked_at = time.monotonic()
            try:
                is_dealt = _send(server, one, one.message) if one.message else _pretend(one)
            except DomainAway as away:
                _put_off_domain(ready, one.domain, str(away))
                continue
            except TakesNothing as away:
                _put_aside(batch, away, total)
                code = str(away)
                continue
            if is_dealt:
                dealt.append(one)
                total += one.message is not None
            ready.popleft()
            if len(dealt) == SETTLE_EVERY:
                _settle(dealt)
                dealt = []
    finally:
        _settle(dealt)
    claims.defer([(one.mail, DOMAIN_WAIT * claims.jitter()) for one in batch.aside], code)
    return total


def _put_aside(batch: SortedBatch, away: TakesNothing, sent: int) -> None:
    """Put all mails to the first mail's domain aside.

    So the server is tried with other mail first: otherwise anybody with a domain of their own, and
    any number of subdomains, could stop all mail. Raises `ServerAway` if by now a large provider
    and another domain are refused, or if no other mail was `sent` or waits.
    """
    ready = batch.ready
    same = [one for one in ready if one.domain == ready[0].domain]
    refused = {one.domain for one in (*batch.aside, *same)}
    is_away = len(refused) > 1 and not refused.isdisjoint(providers.LARGE)
    # Mails without a domain are not sent.
    others = [one for one in ready if one.domain not in {"", same[0].domain}]
    if is_away or not (others or sent):
        raise away
    for one in same:
        ready.remove(one)
    batch.aside += same


def _settle(dealt: Iterable[Ready]) -> None:
    """Record the outcome of mails that were dealt with; count news by provider."""
    by_outcome: defaultdict[tuple[Mail.State, str], list[Ready]] = defaultdict(list)
    for one in dealt:
        by_outcome[one.outcome].append(one)
    for outcome, same in by_outcome.items():
        news = [(one.mail, pace.provider_of(one.domain)) for one in same if one.mail.news_id]
        claims.settle_news(news, *outcome)
        others = [one.mail for one in same if not one.mail.news_id]
        claims.settle(others, *outcome, untried=outcome == _OBSOLETE)


def _open(server: BaseEmailBackend) -> None:
    """Open a new connection in place of the old one: smtplib closes it after any 421."""
    try:
        server.close()
        server.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ServerAway(replies.code_of(error)) from None


def _keep_open(server: BaseEmailBackend) -> None:
    """Send the server a NOOP, or open a new connection if it has closed this one.

    A server that closes an idle connection refuses the next mail. As that seems to say that it
    takes no mail, all mail to that domain would wait: after enough mails that nobody gets, for
    everybody.
    """
    smtp = getattr(server, "connection", None)
    if not isinstance(smtp, smtplib.SMTP):
        return
    try:
        is_open = smtp.noop()[0] == replies.OK
    except (OSError, smtplib.SMTPException):
        is_open = False
    if not is_open:
        _open(server)


def _pretend(ready: Ready) -> bool:
    """Take as long as sending took lately, for a mail that nobody gets (constant work).

    Otherwise somebody who has mails sent to themselves before and after would see by the time in
    between whether another address got one: whether it has signed, or wants no mail.
    """
    # Nobody outside can add mails to a batch of news.
    if _durations and not ready.mail.news_id:
        time.sleep(random.choice(_durations))
    return True


def _send(server: BaseEmailBackend, ready: Ready, message: EmailMessage) -> bool:
    """Send one mail, or record its refusal; return whether it was sent.

    Raises `TakesNothing` if the server takes no mail now, `DomainAway` if the domain takes none.
    The text of an error may hold the address, so only its code is kept.
    """
    mail, begun = ready.mail, time.monotonic()
    try:
        server.send_messages([message])
        _durations.append(time.monotonic() - begun)
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
        _settle([ready._replace(outcome=(Mail.State.REFUSED, code))])
    else:
        claims.put_back(mail, code)
    if verdict is Verdict.CONNECTION:
        _open(server)
    return False


def _put_off_domain(ready: deque[Ready], domain: str, code: str) -> None:
    """Defer all mail to a domain. Only the first mail was tried, so only it counts an attempt."""
    claims.put_back(ready.popleft().mail, code)
    others = [one for one in ready if one.domain == domain]
    claims.defer([(one.mail, DOMAIN_WAIT * claims.jitter()) for one in others], code)
    for one in others:
        ready.remove(one)


@transaction.atomic
def requeue(*, kind: Mail.Kind, hour: datetime, actor: User, screen: str) -> int:
    """Retry the failed mails of a kind that were asked for in one hour, with attempts reset.

    Return how many. Sending applies the usual rules to them. Kinds of which staff see no figures
    are requeued too, uncounted.
    """
    roles.require(actor, "petitions.change_mail")
    failed = Mail.objects.filter(
        state=Mail.State.FAILED, created_at__gte=hour, created_at__lt=hour + timedelta(hours=1)
    )
    anew = {"state": Mail.State.QUEUED, "attempts": 0, "code": "", "due_at": Now()}
    failed.filter(kind__in=_REQUEUED_WITH.get(kind, [])).update(**anew)
    queued = failed.filter(kind=kind).update(**anew)
    # Recorded even if nothing had failed: otherwise a record would give away uncounted mails.
    audit.record(action=AuditRecord.Action.MAIL_REQUEUED, screen=screen, actor=actor)
    return queued
