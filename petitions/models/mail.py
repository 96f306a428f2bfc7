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

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from petitions.models.signature import Signature

# The code of mails that wait because many go to one domain.
THROTTLED = "domain"
# The codes by which a provider says that it wants no mail from us: see `mail.replies`.
_UNWANTED = r" [45]\.7\."
# How long a mail may be due before somebody should look.
LATE = timedelta(minutes=2)


class MailQuerySet(models.QuerySet["Mail"]):
    """Questions about the outbox."""

    def late(self) -> "MailQuerySet":
        """Those that should have gone out a while ago: no worker runs, it cannot keep up, or the
        mail server takes nothing, or a provider none from us. Then they are put off, again and
        again, without an attempt but for the one that is tried.
        """
        unclaimed = Q(due_at__lt=Now() - LATE)
        put_off = Q(attempts=0) & ~Q(code__in=["", THROTTLED])
        unwanted = Q(code__regex=_UNWANTED)
        long_ago = Q(created_at__lt=Now() - LATE)
        return self.filter(unclaimed | (long_ago & (put_off | unwanted)), state=Mail.State.QUEUED)


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
