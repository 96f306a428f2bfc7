"""The transactional outbox, with one row for every message to send, and the suppression list.

A row is written in the same transaction as the change that it reports. A worker claims it by a
lease, sends it outside any transaction, and writes the outcome. The row holds only ids and a kind.
Address and text are read when it is sent, so that a correction or withdrawal in between takes
effect, and a stolen outbox reveals nothing. Delivery is at least once: if a worker dies, the lease
of its row expires, and the message is sent again with the same Message-ID.

Anybody can request a "find my signature" link for any address. The row of such a mail has no
signature, and holds address and language sealed. It exists whether or not the address has signed,
and is deleted a week after it was sent. When a signer is erased, the rows of their mails stay as
long, without personal data and in their state, because staff would see their counts drop. The
worker cancels a due mail that has no addressee.

    queued -> sent | failed (permanent error, or too many attempts) | cancelled
    withheld: over the mailbox's rate limit; the sender is not told
"""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Count, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.enquiries import Answer
from petitions.models.petition import Petition
from petitions.models.signature import Signature

# The code of mails that wait because of the rate limit of their domain.
THROTTLED = "domain"
# A mail that is overdue for longer is an incident.
LATE = timedelta(minutes=2)
# The sample of recent mails: of how many signatures per petition and state, and the mails' maximum
# age at the beginning of the hour.
SAMPLE_SIZE, SAMPLE_MAX_AGE = 100, timedelta(hours=1)
# How much older their signatures may be. A mail can be asked for again for an hour, and the worker
# may be late.
ASKED_AGAIN_FOR = timedelta(hours=2)


class MailQuerySet(models.QuerySet["Mail"]):
    """Queries about the outbox."""

    def late(self, unwanted: str) -> "MailQuerySet":
        """Return mails that are overdue by `LATE`: the worker is down or slow, the mail server
        takes nothing, or a provider blocks us. When blocked, mails are deferred without counting an
        attempt, except the one that probes the provider. Its code matches the regular expression
        `unwanted`. News is left out, because it may wait.
        """
        unclaimed = Q(due_at__lt=Now() - LATE)
        put_off = Q(attempts=0) & ~Q(code__in=["", THROTTLED])
        is_unwanted = Q(code__regex=unwanted)
        long_ago = Q(created_at__lt=Now() - LATE)
        queued = self.filter(state=Mail.State.QUEUED).exclude(kind=Mail.Kind.NEWS)
        return queued.filter(unclaimed | (long_ago & (put_off | is_unwanted)))

    def outcomes_lately(self) -> tuple[int, int, int]:
        """Return delivery figures of mails to the newest signers, without untried mails: how many
        failed or were deferred through no fault of the address, how many were sent, and the total.

        The total includes mails withheld by rate limits and the suppression list, those that an
        address refused, and those of people who were erased meanwhile. So the figures tell nothing
        to somebody who signs with another's address. The time of the mail decides, whether or not
        its signature is still known. Reads through the index of the newest signatures: mails have
        no B-tree index on time.
        """
        untried = Q(state=Mail.State.QUEUED, code__in=["", THROTTLED])
        put_off = Q(state=Mail.State.QUEUED) & ~Q(code__in=["", THROTTLED])
        # From a full hour on, because of erased people's mails only the hour is known.
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        since = hour - SAMPLE_MAX_AGE
        newest = _newest_signatures(since - ASKED_AGAIN_FOR)
        counts = (
            self.filter(Q(signature__in=newest) | Q(signature=None), created_at__gte=since)
            .filter(kind=Mail.Kind.CONFIRM)
            .exclude(untried)
            .aggregate(
                failing=Count("pk", filter=put_off | Q(state=Mail.State.FAILED)),
                sent=Count("pk", filter=Q(state=Mail.State.SENT)),
                asked=Count("pk"),
            )
        )
        return counts["failing"], counts["sent"], counts["asked"]


def _newest_signatures(since: datetime) -> list[uuid.UUID]:
    """Return the ids of the newest signatures of each petition, in every state: if one left the
    sample, `/health` would tell that a rule refused it, or that it was withdrawn.
    """
    signatures = Signature.objects.filter(petition=OuterRef("pk"), created_at__gte=since).order_by(
        "-created_at"
    )
    newest = [
        ArraySubquery(signatures.filter(state=state).values("pk")[:SAMPLE_SIZE])
        for state in Signature.State
    ]
    rows = Petition.objects.values_list(*newest)
    return [pk for row in rows for ids in row for pk in ids]


@with_checked_choices
class Mail(models.Model):
    """One message to send, its attempts and its outcome."""

    class Kind(models.TextChoices):
        CONFIRM = "confirm", _("confirmation")
        REMIND = "remind", _("reminder to confirm")
        FIND = "find", _("“Find my signature” link")
        # The same link for the mailbox's signature under another spelling, or a decoy that is not
        # sent. Never shown to staff.
        FIND_OTHER = "find-other", "the same, to another spelling"
        # For somebody who changes their address. Never shown to staff either.
        ADDRESS = "address", "code to a new address"
        NEWS = "news", "news"
        # A sample of any kind for the organiser who asks. The kind is sealed with the address.
        TRIAL = "trial", "trial of a message"
        ANSWER = "answer", "answer to a message"

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        # Apart from `FAILED` (no server or key), because anybody can cause it with an address that
        # bounces. Staff see no count of these.
        REFUSED = "refused", _("refused: the address takes no mail")
        CANCELLED = "cancelled", _("cancelled")
        WITHHELD = "withheld", _("not sent: this email address has reached its limit")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    signature = models.ForeignKey(Signature, models.CASCADE, null=True, related_name="mails")
    # A string reference, because news depends on batch jobs, which depend on signatures.
    news = models.ForeignKey(
        "petitions.News", models.PROTECT, null=True, related_name="mails", db_index=False
    )
    # An organiser's answer to an enquiry. The address is in `sealed`.
    answer = models.ForeignKey(
        Answer, models.CASCADE, null=True, related_name="mails", db_index=False
    )
    # Address and language if they are not the signer's ("find my signature", a new address).
    sealed = models.BinaryField(null=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # A global blind index, unlike the signer's: rate limits protect the mailbox on all petitions.
    global_mailbox_ix = models.BinaryField(max_length=16)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.QUEUED)
    due_at = models.DateTimeField(_("send at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    code = models.CharField(_("outcome"), max_length=20, blank=True)
    created_at = models.DateTimeField(_("created"))

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name = _("email")
        verbose_name_plural = _("outbox")
        indexes = [
            # News has an index of its own, so that no other mail ever waits for it.
            models.Index(
                fields=["due_at"], condition=Q(state="queued") & ~Q(kind="news"), name="mail_due"
            ),
            models.Index(
                fields=["news", "due_at"],
                condition=Q(state="queued", kind="news"),
                name="mail_news_due",
            ),
            models.Index(
                fields=["global_mailbox_ix", "kind", "created_at"], name="mail_of_mailbox"
            ),
            # For the figures on the staff page: failures, and recent requests.
            models.Index(fields=["created_at"], condition=Q(state="failed"), name="mail_failed"),
            BrinIndex(fields=["created_at"], name="mail_lately", autosummarize=True),
            # For retention, which anonymises these after an hour.
            models.Index(
                fields=["created_at"],
                condition=Q(kind="address", sealed__isnull=False),
                name="mail_to_new_address",
            ),
        ]
        constraints = [
            # Each mailbox gets a news item only once, even after a crash.
            models.UniqueConstraint(
                fields=["news", "global_mailbox_ix"],
                condition=Q(kind="news"),
                name="mail_news_once_a_mailbox",
            ),
            models.CheckConstraint(
                condition=Q(kind="news", news__isnull=False) | (~Q(kind="news") & Q(news=None)),
                name="mail_of_news",
            ),
            # An answer is mailed once. The index also serves to find the mail of an answer.
            models.UniqueConstraint(
                fields=["answer"], condition=Q(answer__isnull=False), name="mail_answer_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="answer", answer__isnull=False)
                | (~Q(kind="answer") & Q(answer=None)),
                name="mail_of_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_put_off(self) -> bool:
        """Whether it is queued and waits for its recipient's domain. Staff must not see that: only
        mails that are still wanted wait, which tells what their addresses have done.

        Untried mails may wait with another one to the domain. Codes of replies are numbers. In an
        outage of our own server every mail gets its code.
        """
        is_of_domain = self.code == THROTTLED or self.code[:1].isdigit()
        is_waiting = bool(self.code) and (self.attempts > 0 or is_of_domain)
        return self.state == self.State.QUEUED and is_waiting


@with_checked_choices
class Objection(models.Model):
    """A suppressed mailbox, for one petition or for all mail; for a bounce, one address.

    Of the mailbox or address only its global blind index `ix` is stored. `key_id` is the id of the
    index's key, so that suppressions survive a key rotation.
    """

    class Reason(models.TextChoices):
        NOT_ME = "not-me", _("said that it was not them")
        NO_MAIL = "no-mail", _("wants no mail")
        NO_NEWS = "no-news", "wants no news"
        UNDELIVERABLE = "bounced", _("takes no mail")

    ix = models.BinaryField(max_length=16)
    key_id = models.PositiveSmallIntegerField()
    petition = models.ForeignKey(Petition, models.CASCADE, null=True, db_index=False)
    reason = models.CharField(_("reason"), max_length=7, choices=Reason)
    # The mail that told the owner of another entry. No foreign key: that mail is deleted.
    notice_id = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("objection")
        verbose_name_plural = _("objections")
        constraints = [
            models.UniqueConstraint(
                fields=["ix", "key_id", "petition", "reason"],
                name="objection_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=~Q(reason__in=["not-me", "no-news"]) | Q(petition__isnull=False),
                name="objection_is_about_a_petition",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.pk}"
