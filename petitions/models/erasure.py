"""Scheduled erasures of closed petitions' signers, and the stops that put one on hold."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Queries about scheduled erasures."""

    def stopped(self) -> "ErasureQuerySet":
        """Those that an organiser has stopped and nobody has released."""
        return self.filter(_is_stopped())

    def standing(self) -> "ErasureQuerySet":
        """Those that nobody has stopped."""
        return self.filter(~_is_stopped())


def _is_stopped() -> Exists:
    return Exists(ErasureStop.objects.standing().filter(petition=OuterRef("petition")))


class Erasure(models.Model):
    """The pending erasure of a closed petition's signers; the row is deleted with them.

    A table of its own, written by sweeps: the admin form of a petition, which saves all its
    columns, cannot overwrite the schedule with an older one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.OneToOneField(
        Petition, models.CASCADE, related_name="erasure", verbose_name=_("petition")
    )
    scheduled_at = models.DateTimeField(_("scheduled"))
    erasure_due_at = models.DateTimeField(_("due"))
    # On how many days a sweep has seen it: a clock that jumps ahead cannot fake this.
    days_seen = models.PositiveSmallIntegerField(default=1)
    seen_on = models.DateField()
    mailed_at = models.DateTimeField(_("organisation mailed"), null=True)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        verbose_name = _("erasure to come")
        verbose_name_plural = _("erasures to come")
        ordering = ("erasure_due_at", "id")

    def __str__(self) -> str:
        return str(self.petition)


class ErasureStopQuerySet(models.QuerySet["ErasureStop"]):
    """Queries about stops."""

    def standing(self) -> "ErasureStopQuerySet":
        """Those that nobody has released."""
        return self.filter(released_at=None)


class ErasureStop(models.Model):
    """The record of a stop: who put an erasure on hold, why, and who released it."""

    petition = models.ForeignKey(Petition, models.PROTECT, related_name="erasure_stops")
    reason = models.CharField(_("why it was stopped"), max_length=300)
    stopped_at = models.DateTimeField(_("stopped"), auto_now_add=True)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("stopped by")
    )
    release_reason = models.CharField(_("why it goes on"), max_length=300, blank=True)
    released_at = models.DateTimeField(_("goes on since"), null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("let go on by"),
    )

    objects = ErasureStopQuerySet.as_manager()

    class Meta:
        verbose_name = _("stop of an erasure")
        verbose_name_plural = _("stops of erasures")
        ordering = ("-stopped_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["petition"],
                condition=Q(released_at__isnull=True),
                name="erasure_stop_once_a_petition",
            ),
            models.CheckConstraint(
                condition=Q(released_at=None, released_by=None)
                | Q(released_at__isnull=False, released_by__isnull=False),
                name="erasure_stop_released_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return str(self.petition)
