"""Approval of large batch jobs by a second person, for bulk decisions and news.

1. `submit` gives a draft to the worker, or makes it wait if it is large.
2. `approve` gives a waiting job to the worker, by somebody other than its actor.
3. `settle`, which the worker calls, cancels jobs that nobody approved in a day. If nobody else may
   approve, it starts the job after `alone_waits`, during which the job can be stopped. But if its
   actor has lost the permission, it cancels the job: then nobody who may send it has read it.
4. `mail_team` mails the team that a job waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from petitions.mail import team
from petitions.models import AuditRecord, BatchJob
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

MAX_WAIT = timedelta(days=1)
State = BatchJob.State
Action = AuditRecord.Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """How the jobs of one model are approved, by staff with the model's permission `APPROVAL`.

    `since` is the column with the time since which a job waits. `begun` has the columns that
    change, besides `started_at`, when the worker gets it; `ended` those that change when it is
    cancelled. `needs` is the permission of its actor. `screen` is recorded for acts that no person
    caused. Staff with the permission `team` are mailed the `template` about the `job`.
    """

    model: type[BatchJob]
    since: str
    alone_waits: timedelta
    started: Action
    approved: Action
    cancelled: Action
    needs: str
    screen: str
    team: str
    template: str
    begun: Mapping[str, object] = field(default_factory=dict)
    ended: Mapping[str, object] = field(default_factory=dict)

    @property
    def minutes_alone(self) -> int:
        """How many minutes a job waits that nobody else may approve."""
        return self.alone_waits // timedelta(minutes=1)

    def submit(
        self, job: BatchJob, *, is_large: bool, actor: User, screen: str, **columns: object
    ) -> None:
        """Give a draft to the worker, or make it wait if it `is_large`. Raises `Refused`."""
        target, changes = State.RUNNING, {"started_at": Now(), **self.begun}
        if is_large:
            target, changes = State.AWAITING, {self.since: Now()}
        if not job.change_state(target, State.DRAFT, actor=actor, **{**columns, **changes}):
            raise Refused("This has already been started or stopped. Load the page again.")
        audit.record(action=self.started, screen=screen, actor=actor, about=job)

    def approve(self, job: BatchJob, *, actor: User, screen: str) -> None:
        """Give a waiting job to the worker, as a second person. Raises `Refused`.

        The job is read again under a lock: until it is submitted, the actor of news is who wrote
        it. Somebody who submits it while they ask to approve it would be taken for the second.
        """
        roles.require(actor, self.model.APPROVAL)
        job.refresh_from_db(from_queryset=self.model._default_manager.select_for_update())
        if actor.pk == job.actor_id:
            name = self.model._meta.verbose_name
            raise Refused(f"Somebody else has to approve your own {name}.")
        is_late = self._waiting_for(MAX_WAIT).filter(pk=job.pk).exists()
        if is_late or not self._begin(job, approver=actor):
            raise Refused("This no longer waits for approval. Load the page again.")
        audit.record(action=self.approved, screen=screen, actor=actor, about=job)

    def settle(self) -> None:
        """Cancel jobs that waited for a day; start jobs that nobody else may approve."""
        for job in self._waiting_for(MAX_WAIT):
            self.cancel_by_clock(job, State.AWAITING, "nobody approved it in a day")
        for job in self._waiting_for(self.alone_waits):
            if roles.others_who_approve(job):
                continue
            if job.actor and job.actor.has_perm(self.needs):
                self._begin_by_clock(job)
            else:
                why = "the person who started it may no longer do this"
                self.cancel_by_clock(job, State.AWAITING, why)

    @transaction.atomic
    def cancel_by_clock(self, job: BatchJob, source: State, why: str) -> None:
        """Cancel a job if it is in this state, and record why, without an actor."""
        if job.change_state(State.CANCELLED, source, **self.ended):
            audit.record(action=self.cancelled, screen=self.screen, about=job, why=why)

    def mail_team(self, job: BatchJob, *, message_id: str) -> bool:
        """Mail the team that a job waits. Return False if that failed and must be retried."""
        is_alone = not roles.others_who_approve(job)
        context = {"job": job, "is_alone": is_alone, "minutes": self.minutes_alone}
        to = {"permission": self.team, "message_id": message_id}
        return team.send_to_all(self.template, context, date=job.created_at, **to)

    @transaction.atomic
    def _begin_by_clock(self, job: BatchJob) -> None:
        why = f"nobody else may approve, and nobody stopped it in {self.minutes_alone} minutes"
        if self._begin(job):
            audit.record(action=self.approved, screen=self.screen, about=job, why=why)

    def _begin(self, job: BatchJob, approver: User | None = None) -> bool:
        return job.change_state(
            State.RUNNING, State.AWAITING, approver=approver, started_at=Now(), **self.begun
        )

    def _waiting_for(self, period: timedelta) -> QuerySet[BatchJob]:
        """Return the jobs that have waited for this period, oldest first."""
        long_ago = {f"{self.since}__lt": Now() - period}
        rows = self.model._default_manager.filter(state=State.AWAITING, **long_ago)
        return rows.order_by("created_at", "id")
