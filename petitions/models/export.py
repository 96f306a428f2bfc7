"""The log of data exports: who took what, when and why."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Export(models.Model):
    """One export. `finished_at` is null while it runs, and stays null if it was interrupted."""

    class Purpose(models.TextChoices):
        HAND_IN = "hand-in", _("hand the petition in")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.ForeignKey(Petition, models.PROTECT)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    why = models.CharField(_("why"), max_length=300)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True)
    actor_name = models.CharField(_("who"), max_length=150)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    rows = models.PositiveIntegerField(_("signatures"), default=0)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    delete_by = models.DateField(_("delete copies by"))

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.purpose} {self.started_at:%Y-%m-%d %H:%M}"
