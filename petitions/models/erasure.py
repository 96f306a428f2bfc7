"""Erasures of a petition's people that are about to come, and who stopped one."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Questions about erasures to come."""

    def stopped(self) -> "ErasureQuerySet":
        """Those that an organiser has stopped and nobody has released."""
        return self.filter(_is_stopped())

    def standing(self) -> "ErasureQuerySet":
        """Those that nobody has stopped."""
        return self.filter(~_is_stopped())


def _is_stopped() -> Exists:
    return Exists(ErasureStop.objects.standing().filter(petition=OuterRef("petition")))


class Erasure(models.Model):
    """The schedule by which a closed petition's people are erased, until that is done.

    A row of its own, made and deleted by sweeps: a petition's form, which writes all its
    columns, cannot bring back an older schedule.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.OneToOneField(
        Petition, models.CASCADE, related_name="erasure", verbose_name=_("petition")
    )
    scheduled_at = models.DateTimeField(_("scheduled"))
    erasure_due_at = models.DateTimeField(_("due"))
    # On how many days sweeps have seen it: what a clock that jumps ahead cannot make up.
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
    """Questions about stops."""

    def standing(self) -> "ErasureStopQuerySet":
        """Those that nobody has taken back."""
        return self.filter(released_at=None)


class ErasureStop(models.Model):
    """The record that an organiser stopped an erasure, why, and who let it go on again."""

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
