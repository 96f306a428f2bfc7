"""Batch jobs: long-running work whose row stores its subject, its progress and its people."""

import uuid
from collections.abc import Callable
from datetime import datetime
from time import monotonic, sleep
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import InterfaceError, OperationalError, models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.moderation import Decision
from petitions.models.petition import Petition


class BatchJob(models.Model):
    """Abstract base of batch jobs: state, conditions, keyset cursor, counts, people, times.

        draft -> (awaiting ->) running -> done | failed
        draft, awaiting, running -> cancelled

    Every batch commits with its cursor, so that a killed worker loses at most one batch and the
    next worker continues from there. Workers take a lease (`infra.locks`). If a worker has stalled
    and a second one runs too, `lock` makes them take turns, so that no batch is done twice. Both
    work behind a transaction pooler.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("previewed, not started")
        AWAITING = "awaiting", _("waiting for approval")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("stopped by an error")

    ENDED = (State.DONE, State.CANCELLED, State.FAILED)
    # The permission that a second person needs to approve it: `staff.roles.others_who_approve`.
    APPROVAL: ClassVar[str] = ""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.DRAFT)
    conditions = models.JSONField(_("conditions"), default=dict, blank=True)
    matching = models.PositiveIntegerField(_("matching"), default=0)
    # The id of the last row read. Ids are random, so it also gives the fraction done.
    cursor = models.UUIDField(null=True, editable=False)
    done = models.PositiveIntegerField(_("done"), default=0)
    skipped = models.PositiveIntegerField(_("left alone"), default=0)
    # Null for a command or a rule of the site.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    error = models.CharField(_("error"), max_length=40, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled", "failed"], finished_at__isnull=False)
                | (~Q(state__in=["done", "cancelled", "failed"]) & Q(finished_at=None)),
                name="%(class)s_ended_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1, estimated from the cursor."""
        if self.state == self.State.DONE:
            return 1.0
        return self.cursor.int / 2**128 if self.cursor else 0.0

    def change_state(self, target: State, *sources: State, **columns: Any) -> bool:
        """Change the state by compare-and-set. Return False if it was none of `sources`."""
        if target in self.ENDED:
            columns["finished_at"] = Now()
        rows = type(self)._default_manager.filter(pk=self.pk, state__in=sources)
        is_changed = bool(rows.update(state=target, **columns))
        self.refresh_from_db()
        return is_changed

    def lock(self) -> bool:
        """Lock the row until commit and reload it. Return whether the job is still running.

        Call it first in the transaction of each batch: a cancellation then stops the next batch.
        """
        self.refresh_from_db(from_queryset=type(self)._default_manager.select_for_update())
        return self.state == self.State.RUNNING

    def run(
        self,
        batch: Callable[[], bool],
        *,
        seconds: float = float("inf"),
        rest: Callable[[float], float] = lambda _took: 0.0,
    ) -> None:
        """Call `batch` until it returns False (nothing is left), the job ends, or time is over.

        After each batch it sleeps for `rest(duration)`, both in seconds. Errors of the database
        and its locks are raised, and the next call tries again. Any other error is raised too and
        ends the job as failed, with the name of the exception's class as code.
        """
        deadline = monotonic() + seconds
        while self.state == self.State.RUNNING and monotonic() < deadline:
            started = monotonic()
            try:
                is_more_left = batch()
            except (InterfaceError, OperationalError):
                raise
            except Exception as error:
                code = type(error).__name__[:40]
                self.change_state(self.State.FAILED, self.State.RUNNING, error=code)
                raise
            if not is_more_left:
                self.change_state(self.State.DONE, self.State.RUNNING)
            else:
                sleep(rest(monotonic() - started))


class ReindexingQuerySet(models.QuerySet["Reindexing"]):
    """Queries about runs of the reindexing job."""

    def unfinished(self) -> "ReindexingQuerySet":
        """Return runs that were interrupted, by an error or otherwise."""
        return self.exclude(state=BatchJob.State.DONE)


@with_checked_choices
class Reindexing(BatchJob):
    """One run over all signers, with one set of alias rules and one index key.

    `done` counts the signers read.
    """

    # `identity.providers.FINGERPRINT` and the id of the first index key when the run started.
    rules = models.CharField(max_length=16)
    key_id = models.PositiveSmallIntegerField()
    moved = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)

    objects = ReindexingQuerySet.as_manager()


class BulkDecisionQuerySet(models.QuerySet["BulkDecision"]):
    """Queries about bulk decisions."""

    def waiting(self) -> "BulkDecisionQuerySet":
        """Return jobs that wait for a second moderator, the oldest first."""
        return self.filter(state=BatchJob.State.AWAITING).order_by("created_at", "id")

    def drop_times(self, before: datetime) -> int:
        """Remove conditions on the time of day, and the marks of networks and domains, from ended
        jobs that were previewed before `before`.

        Retention: together with the decision's items they could reveal the minute of a signing.
        """
        keys = ["created_from", "created_to", "meant"]
        exact = Q(conditions__has_any_keys=keys)
        names = Value(keys, ArrayField(models.TextField()))
        dropped = Func(
            F("conditions"),
            names,
            template="(%(expressions)s)",
            arg_joiner=" - ",
            output_field=models.JSONField(),
        )
        rows = self.filter(exact, created_at__lt=before, state__in=BatchJob.ENDED)
        return rows.update(conditions=dropped)

    def running(self) -> "BulkDecisionQuerySet":
        """Return jobs for the worker, in the order in which they were started."""
        return self.filter(state=BatchJob.State.RUNNING).order_by("started_at", "id")


@with_checked_choices
class BulkDecision(BatchJob):
    """A decision about all signatures that a selection matches: previewed, approved, then run.

    `conditions` is a `moderation.selection.Selection` of ids and dates, without personal data.
    Signatures that changed after the preview (`created_at`) are left alone and counted as skipped.
    """

    petition = models.ForeignKey(Petition, models.PROTECT)
    kind = models.CharField(_("decision"), max_length=8, choices=Decision.Kind)
    reason = models.CharField(_("reason"), max_length=12, choices=Decision.Reason)
    note = models.CharField(_("note"), max_length=300, blank=True)
    # The decision that it undoes, and the one that its first batch makes.
    undoes = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="+")
    decision = models.OneToOneField(Decision, models.PROTECT, null=True, related_name="bulk")
    # False if more than `matching` were found. They are then counted when the job runs.
    is_exact = models.BooleanField(default=True)
    count_change = models.IntegerField(_("change of the count"), default=0)
    # The newest decision item at the preview. Later items mark signatures that changed since.
    seen_item = models.BigIntegerField(default=0)
    # When it began to wait for a second moderator, which may be hours after the preview.
    awaiting_since = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    APPROVAL = "petitions.approve_bulkdecision"

    objects = BulkDecisionQuerySet.as_manager()

    class Meta(BatchJob.Meta):
        verbose_name = _("bulk decision")
        verbose_name_plural = _("bulk decisions")
        permissions = [("approve_bulkdecision", "Can approve the bulk decisions of others")]
        indexes = [
            models.Index(
                fields=["state", "created_at"],
                condition=Q(state__in=["draft", "awaiting", "running"]),
                name="bulk_decision_open",
            ),
        ]

    @property
    def title(self) -> str:
        """What it will do, in words, like `Decision.title`."""
        return Decision(kind=self.kind, undoes=self.undoes).title
