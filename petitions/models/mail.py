"""The outbox: one row for every message the site means to send.

A row is written in the same commit as what it tells of; a worker claims it, sends outside
any transaction, and settles it. It holds ids and a kind: the address and the words are
read when it is sent, so a correction or a withdrawal in between is heeded, and a stolen
outbox tells nothing. A worker that dies leaves a claimed row whose lease runs out: the
message is sent again under the same Message-ID, rather than never.

    queued -> sent | failed (the server said never, or too many tries) | cancelled
    withheld: more than its mailbox may get; nobody is told
"""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from petitions.models.signature import Signature

# The code of mails that wait because many go to one domain.
THROTTLED = "domain"
# How long a mail may be due before somebody should look.
LATE = timedelta(minutes=2)


class MailQuerySet(models.QuerySet["Mail"]):
    """Questions about the outbox."""

    def late(self) -> "MailQuerySet":
        """Those that should have gone out a while ago: no worker runs, it cannot keep up, or the
        mail server takes nothing. Then they are put off, again and again, without an attempt.
        """
        unclaimed = Q(due_at__lt=Now() - LATE)
        put_off = Q(attempts=0, created_at__lt=Now() - LATE) & ~Q(code__in=["", THROTTLED])
        return self.filter(unclaimed | put_off, state=Mail.State.QUEUED)


class Mail(models.Model):
    """One message to send, its attempts and its outcome."""

    class Kind(models.TextChoices):
        CONFIRM = "confirm", _("confirmation")
        REMIND = "remind", _("reminder to confirm")
        FIND = "find", _("link to the signatures of a mailbox")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        WITHHELD = "withheld", _("withheld: over the mailbox's limit")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    signature = models.ForeignKey(Signature, models.CASCADE, related_name="mails")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # Over all petitions, unlike the signer's: limits protect the mailbox, not the petition.
    mailbox_ix = models.BinaryField(max_length=16)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.QUEUED)
    due_at = models.DateTimeField(_("due"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    code = models.CharField(_("outcome"), max_length=20, blank=True)
    created_at = models.DateTimeField(_("created"))

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("outbox")
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="queued"), name="mail_due"),
            models.Index(fields=["mailbox_ix", "kind", "created_at"], name="mail_of_mailbox"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
