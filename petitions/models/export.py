"""The log of data exports: who exported what, when and why, and when copies must be deleted."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from petitions.formatting.languages import moment_of_staff
from petitions.models.base import with_checked_choices
from petitions.models.geography import Place
from petitions.models.petition import Petition

# A running export writes its progress every second. After this silence it counts as killed.
STALLED_AFTER = timedelta(minutes=1)


class ExportQuerySet(models.QuerySet["Export"]):
    """Queries about exports."""

    def with_signatures_of(self, petition_id: int, since: datetime) -> "ExportQuerySet":
        """Return exports that may hold signatures confirmed at `since`, the oldest first."""
        of_it = Q(petition=petition_id) | Q(petition=None)
        return self.filter(of_it, has_people=True, started_at__gte=since).order_by("started_at")

    def to_remind_of(self) -> "ExportQuerySet":
        """Return exports that have rows, are due for deletion, and had no reminder yet."""
        return self.filter(delete_by__lte=timezone.localdate(), reminded_at=None, rows__gt=0)


@with_checked_choices
class Export(models.Model):
    """One export: what was chosen, by whom and why, and how much left the server.

    `rows` grows while it runs. An export that broke off keeps its `rows` and has no `finished_at`
    or SHA-256. `petition` is null for an export of all petitions.
    """

    class Format(models.TextChoices):
        CSV = "csv", "CSV, for programs"
        XLSX = "xlsx", "XLSX, for Excel and LibreOffice"

    class State(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "complete"
        BROKEN = "broken", "broke off"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.ForeignKey(Petition, models.PROTECT, null=True, blank=True)
    # The name of a class in `petitions.handover.purposes`. A later release may not have it.
    purpose = models.CharField(_("purpose"), max_length=30)
    # Whether its rows are about single people, as its purpose says.
    has_people = models.BooleanField(default=True, db_default=True)
    petition_state = models.CharField(
        "petitions that are",
        max_length=7,
        choices=Petition.State,
        blank=True,
        default="",
        db_default="",
    )
    place = models.ForeignKey(Place, models.PROTECT, null=True, blank=True, verbose_name="place")
    first_day = models.DateField("first day", null=True, blank=True)
    last_day = models.DateField("last day", null=True, blank=True)
    file_format = models.CharField(
        "kind of file", max_length=4, choices=Format, default=Format.CSV, db_default=Format.CSV
    )
    # A public key, which decrypts nothing.
    recipient = models.CharField(
        "encrypt for", max_length=1000, blank=True, default="", db_default=""
    )
    why = models.CharField(_("why"), max_length=300)
    proof = models.CharField(
        "how they proved who they are", max_length=300, blank=True, default="", db_default=""
    )
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True)
    actor_name = models.CharField(_("who"), max_length=150)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    moved_at = models.DateTimeField(null=True, editable=False)
    broken_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    expected = models.PositiveIntegerField("rows expected", default=0, db_default=0)
    rows = models.PositiveIntegerField("rows", default=0)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    delete_by = models.DateField(_("delete copies by"))
    reminded_at = models.DateTimeField("reminder mailed", null=True, editable=False)

    objects = ExportQuerySet.as_manager()

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-started_at"]
        permissions = [
            ("export_supporters", "Can export the addresses of supporters who asked for news"),
            ("export_person", "Can export one person's data"),
        ]
        indexes = [
            models.Index(
                fields=["delete_by"], condition=Q(reminded_at=None), name="export_to_remind_of"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(first_day=None) | Q(last_day=None) | Q(last_day__gte=F("first_day")),
                name="export_days_in_order",
                violation_error_message="The last day comes before the first.",
            ),
        ]

    def __str__(self) -> str:
        return f"export of {moment_of_staff(self.started_at)}"

    @property
    def state(self) -> "Export.State":
        """Whether it runs, is complete or broke off. A killed process is known by its silence."""
        if self.finished_at:
            return self.State.DONE
        is_silent = timezone.now() - (self.moved_at or self.started_at) > STALLED_AFTER
        return self.State.BROKEN if self.broken_at or is_silent else self.State.RUNNING
