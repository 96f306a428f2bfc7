"""The outbox: one row for every message the site means to send.

A row is written in the same commit as what it tells of; a worker claims it, sends outside
any transaction, and settles it. It holds ids and a kind: the address and the words are
read when it is sent, so a correction or a withdrawal in between is heeded, and a stolen
outbox tells nothing. A worker that dies leaves a claimed row whose lease runs out: the
message is sent again under the same Message-ID, rather than never.

The link that "find my signature" mails is asked for by anybody, for any address: its row hangs on
no signature and holds the address and language sealed. It is there whether or not somebody has
signed, and is deleted a week after it went out. Of a mail whose person is erased the row stays as
long, without anything of them: that it vanished would tell staff, who see numbers.

    queued -> sent | failed (the server said never, or too many tries) | cancelled
    withheld: more than its mailbox may get; nobody is told
"""

import uuid
from datetime import timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Count, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition
from petitions.models.signature import Signature

# The code of mails that wait because many go to one domain.
THROTTLED = "domain"
# How long a mail may be due before somebody should look.
LATE = timedelta(minutes=2)
# Who signed lately: so many of each petition and state, within so long.
NEWEST, NEWEST_WITHIN = 100, timedelta(hours=1)


class MailQuerySet(models.QuerySet["Mail"]):
    """Questions about the outbox."""

    def late(self, unwanted: str) -> "MailQuerySet":
        """Those that should have gone out a while ago: no worker runs, it cannot keep up, or the
        mail server takes nothing, or a provider none from us. Then they are put off, again and
        again, without an attempt but for the one that is tried, whose code matches `unwanted`.
        """
        unclaimed = Q(due_at__lt=Now() - LATE)
        put_off = Q(attempts=0) & ~Q(code__in=["", THROTTLED])
        is_unwanted = Q(code__regex=unwanted)
        long_ago = Q(created_at__lt=Now() - LATE)
        return self.filter(
            unclaimed | (long_ago & (put_off | is_unwanted)), state=Mail.State.QUEUED
        )

    def outcomes_lately(self) -> tuple[int, int, int]:
        """Of the mails to the newest signers that no longer wait for their first attempt: how many
        failed or were put off by no fault of an address, how many were sent, and how many of all.

        What limits and objections withheld, and what an address refused, is among them: whoever
        signs with somebody's address must not see by the numbers which of these it was. By the
        index of the newest signatures: mails have none by time, and need none to be sent.
        """
        untried = Q(state=Mail.State.QUEUED, code__in=["", THROTTLED])
        put_off = Q(state=Mail.State.QUEUED) & ~Q(code__in=["", THROTTLED])
        counts = (
            self.filter(signature__in=_newest_signatures())
            .exclude(untried)
            .aggregate(
                failing=Count("pk", filter=put_off | Q(state=Mail.State.FAILED)),
                sent=Count("pk", filter=Q(state=Mail.State.SENT)),
                asked=Count("pk"),
            )
        )
        return counts["failing"], counts["sent"], counts["asked"]


def _newest_signatures() -> list[uuid.UUID]:
    """Ids of who signed last of each open petition, whether confirmed or not."""
    signatures = Signature.objects.filter(
        petition=OuterRef("pk"), created_at__gt=Now() - NEWEST_WITHIN
    ).order_by("-created_at")
    states = (Signature.State.PENDING, Signature.State.CONFIRMED, Signature.State.HELD)
    newest = [ArraySubquery(signatures.filter(state=s).values("pk")[:NEWEST]) for s in states]
    rows = Petition.objects.filter(state=Petition.State.OPEN).values_list(*newest)
    return [pk for row in rows for ids in row for pk in ids]


class Mail(models.Model):
    """One message to send, its attempts and its outcome."""

    class Kind(models.TextChoices):
        CONFIRM = "confirm", _("confirmation")
        REMIND = "remind", _("reminder to confirm")
        FIND = "find", _("“Find my signature” link")
        # Sent beside it to another spelling of the mailbox that has signed: staff never see these.
        FIND_OTHER = "find-other", "the same, to another spelling"

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        # Apart from what failed for want of a server or a key, for anybody can provoke it with an
        # address that takes no mail: staff see no number of these.
        REFUSED = "refused", _("refused: the address takes no mail")
        CANCELLED = "cancelled", _("cancelled")
        WITHHELD = "withheld", _("not sent: this email address has reached its limit")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    signature = models.ForeignKey(Signature, models.CASCADE, null=True, related_name="mails")
    # Address and language, where it goes to nobody who is known to have signed.
    sealed = models.BinaryField(null=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # Over all petitions, unlike the signer's: limits protect the mailbox, not the petition.
    mailbox_ix = models.BinaryField(max_length=16)
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
            models.Index(fields=["due_at"], condition=Q(state="queued"), name="mail_due"),
            models.Index(fields=["mailbox_ix", "kind", "created_at"], name="mail_of_mailbox"),
            # For the numbers that staff see: what failed, and what was asked for lately.
            models.Index(fields=["created_at"], condition=Q(state="failed"), name="mail_failed"),
            BrinIndex(fields=["created_at"], name="mail_lately", autosummarize=True),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(signature__isnull=False)
                | Q(sealed__isnull=False)
                | ~Q(state__in=["queued", "failed"]),
                name="mail_goes_to_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


# What "find my signature" sends: see `petitions.signatures.find`.
FINDS = (Mail.Kind.FIND, Mail.Kind.FIND_OTHER)
