"""The worker's part of news: queue each supporter once, send, watch the outcomes, end.

1. Start news that nobody else could approve; cancel news that waited, or was paused, for too long.
2. Queue the supporters in keyset batches. Each batch commits with its cursor, and a unique
   constraint allows each mailbox one mail. So a killed worker neither skips nor doubles anybody.
   This happens at once, even if the news is paused. Otherwise news could be started while it has
   few recipients, whom nobody has to approve, and resumed once they are many.
3. Send through the outbox, after all other mail (`outbox.deliver_news`). Withdrawals,
   unsubscriptions, objections and bounces are checked at that moment.
4. Pause above `MAX_COMPLAINTS` or `MAX_RETURNED`, or if neither who sent it nor who approved it may
   send news any more, and mail the team.
"""

import logging
from datetime import timedelta
from time import monotonic
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now

from petitions.crypto import vault
from petitions.mail import news, news_counts, outbox
from petitions.models import AuditRecord, Mail, News, Signature
from petitions.signers import sealing
from petitions.signers.sealing import Use

BATCH = 1_000
# Shares of mails. Gmail and Yahoo ask bulk senders to stay below 0.3 % of complaints.
MAX_COMPLAINTS, MAX_RETURNED = 0.003, 0.05
# With fewer than these, a share says nothing.
MIN_COMPLAINTS, MIN_RETURNED = 2, 5
MAX_PAUSE = timedelta(days=30)
# Seconds between two checks of pause and complaints.
CHECK_EVERY = 5.0

State = News.State
Action = AuditRecord.Action
logger = logging.getLogger(__name__)


def run_due(*, seconds: float = 20.0) -> None:
    """Send due news for up to `seconds`, in one process at a time. Call it again for the rest."""
    news.APPROVAL.settle()
    _end_paused()
    until = monotonic() + seconds
    for one in News.objects.sending():
        while monotonic() < until and _step(one, min(CHECK_EVERY, until - monotonic())):
            pass
    for one in News.objects.filter(state=State.CANCELLED, has_list=True):
        # Cancel what is still queued, one batch in each run.
        queued = Mail.objects.filter(news=one, kind=Mail.Kind.NEWS, state=Mail.State.QUEUED)
        queued.filter(pk__in=queued.values("pk")[:BATCH]).update(state=Mail.State.CANCELLED)
    for one in News.objects.filter(is_to_tell=True):
        # Tell everybody who may send news that it waits or has stopped. Failures are retried.
        if news.APPROVAL.mail_team(one, message_id=f"{one.pk}.{one.pause or one.state}"):
            told = News.objects.filter(pk=one.pk, pause=one.pause, state=one.state)
            told.update(is_to_tell=False)


def _step(one: News, seconds: float) -> bool:
    """Queue or send a part of the news. Return False if nothing is left to do now."""
    if not one.is_queued:
        return _queue_batch(one)
    _pause_without_sender(one)
    if one.pause:
        return False
    sent = outbox.deliver_news(news_id=one.pk, seconds=seconds)
    _pause_if_unwanted(one)
    one.refresh_from_db()
    if one.state != State.RUNNING or one.pause:
        return False
    if not Mail.objects.filter(news=one, kind=Mail.Kind.NEWS, state=Mail.State.QUEUED).exists():
        one.change_state(State.DONE, State.RUNNING)
        return False
    # If nothing was due, the rest waits for its provider or for the mail server.
    return bool(sent)


@transaction.atomic
def _queue_batch(one: News) -> bool:
    """Queue the next supporters in the outbox. Return False if the job no longer runs."""
    if not one.lock():
        return False
    rows = news.supporters(one).select_related("signer").order_by("id")
    left = rows.filter(pk__gt=one.cursor) if one.cursor else rows
    batch = list(left.only("id", "signer__sealed")[:BATCH])
    queued = _insert(one.pk, _without_queued(one.pk, _mailboxes(one.pk, batch)))
    one.done += queued
    one.skipped += len(batch) - queued
    # `matching` was counted up to a limit only.
    one.matching = max(one.matching, one.done + one.skipped)
    one.is_queued = len(batch) < BATCH
    if batch:
        one.cursor = batch[-1].pk
    one.save(update_fields=["cursor", "done", "skipped", "matching", "is_queued"])
    return True


def _mailboxes(news_id: UUID, batch: list[Signature]) -> dict[UUID, list[bytes]]:
    """Return for each signature its mailbox's blind indexes for this news, one per key, the current
    key first. Signers who cannot be unsealed are left out.
    """
    found = {}
    for signature in batch:
        try:
            person = sealing.unseal(signature.signer.sealed, signature.pk)
        except (vault.CannotOpen, Signature.signer.RelatedObjectDoesNotExist):
            continue
        inboxes = sealing.inboxes_of(person["email"])
        found[signature.pk] = [
            sealing.stored_index(Use.NEWS, inbox, of=news_id) for inbox in inboxes
        ]
    return found


def _without_queued(news_id: UUID, mailboxes: dict[UUID, list[bytes]]) -> dict[UUID, bytes]:
    """Return the current index of each mailbox that was not queued under an older key."""
    older = [ix for indexes in mailboxes.values() for ix in indexes[1:]]
    mails = Mail.objects.filter(news=news_id, kind=Mail.Kind.NEWS, global_mailbox_ix__in=older)
    queued = {bytes(ix) for ix in mails.values_list("global_mailbox_ix", flat=True) if older}
    return {pk: ixs[0] for pk, ixs in mailboxes.items() if queued.isdisjoint(ixs)}


def _insert(news_id: UUID, mailboxes: dict[UUID, bytes]) -> int:
    """Queue one mail to each mailbox that has no mail of this news yet; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_mail (id, news_id, signature_id, kind, global_mailbox_ix, state,
                                        due_at, attempts, code, created_at)
            SELECT gen_random_uuid(), %s, signature_id, 'news', ix, 'queued', now(), 0, '', now()
            FROM unnest(%s::uuid[], %s::bytea[]) AS chosen (signature_id, ix)
            ON CONFLICT (news_id, global_mailbox_ix) WHERE kind = 'news' DO NOTHING
            """,
            [news_id, list(mailboxes), list(mailboxes.values())],
        )
        return int(cursor.rowcount)


def _pause_without_sender(one: News) -> None:
    """Pause the news if neither who sent it nor who approved it may send news any more.

    An account is deactivated also because somebody else got into it.
    """
    people = User.objects.filter(pk__in=[one.actor_id, one.approver_id])
    if people and not any(person.has_perm(news.SEND) for person in people):
        _pause(one, News.Pause.RIGHTS)


def _pause_if_unwanted(one: News) -> None:
    """Pause the news if too many readers complain or too many mails are refused or bounce."""
    if not one.is_watched:
        return
    n = news_counts.totals(one)
    tried = n["sent"] + n["refused"]
    returned = n["returned"] + n["refused"]
    if n["complained"] >= MIN_COMPLAINTS and n["complained"] > MAX_COMPLAINTS * tried:
        _pause(one, News.Pause.COMPLAINTS)
    elif returned >= MIN_RETURNED and returned > MAX_RETURNED * tried:
        _pause(one, News.Pause.RETURNED)


def _pause(one: News, why: News.Pause) -> None:
    rows = News.objects.filter(pk=one.pk, state=State.RUNNING, pause="")
    if rows.update(pause=why, is_to_tell=True):
        logger.warning("news %s has stopped by itself (%s)", one.pk, why)
    one.refresh_from_db()


def _end_paused() -> None:
    paused = News.objects.filter(state=State.RUNNING).exclude(pause="")
    for one in paused.filter(started_at__lt=Now() - MAX_PAUSE):
        news.APPROVAL.cancel_by_clock(one, State.RUNNING, "nobody resumed it in 30 days")
