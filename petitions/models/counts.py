"""Counts: the tally, daily snapshots, sources (attribution) and their counts, activity by minute,
and the hourly figures for organisers.
"""

import re
import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.geography import Place
from petitions.models.organisation import one_line
from petitions.models.petition import Petition

# A group of fewer people may point at one of them.
ANONYMITY_THRESHOLD = 25


def round_down(number: int, step: int = ANONYMITY_THRESHOLD) -> int:
    """Round a number of people down to a multiple of `step` (disclosure control)."""
    return number // step * step


def in_steps(number: int, step: int = ANONYMITY_THRESHOLD, *, about: str = "") -> str:
    """Return a number rounded down in words: "fewer than 25" or, after `about`, "at least 1,275".

    Exact numbers would show, to somebody who looks twice, what one person did in between.
    """
    rounded = round_down(number, step)
    return f"{about} {rounded:,}".lstrip() if rounded else f"fewer than {step}"


@with_checked_choices
class Tally(models.Model):
    """The counter of signatures for one petition, place, kind and shard.

    A busy place has several rows (shards). Otherwise each confirmation would hold the row lock
    until its commit is on disk, and the next would wait for it.
    """

    # No signatures on paper exist yet, and no count includes any: they will be a separate figure.
    # `kind` is in the key already: every confirmation writes this table, so adding it is costly.
    class Kind(models.TextChoices):
        ONLINE = "online", _("online")
        PAPER = "paper", _("on paper")

    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    place = models.ForeignKey(Place, models.PROTECT, db_index=False)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.ONLINE)
    shard = models.PositiveSmallIntegerField(default=0)
    n = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "place", "kind", "shard"], name="tally_once"
            ),
            models.CheckConstraint(condition=Q(n__gte=0), name="tally_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.place_id} {self.kind} {self.shard}: {self.n}"


class Snapshot(models.Model):
    """The total at the end of one day in London. Written once."""

    petition = models.ForeignKey(Petition, models.CASCADE, related_name="snapshots", db_index=False)
    day = models.DateField(_("after the day"))
    total = models.PositiveIntegerField(_("signatures"))
    # {table: {key: n}} of `counting.breakdowns`, safe to publish like `SnapshotPart.shown`.
    states = models.JSONField(default=dict, db_default={}, editable=False)

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")
        constraints = [
            models.UniqueConstraint(fields=["petition", "day"], name="snapshot_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.day}: {self.total}"


class SnapshotPart(models.Model):
    """The exact count of one region, of "UK, not known" or of abroad in a day's snapshot.

    Only `counting.breakdowns` publishes it, rounded and with a delay (disclosure control).
    """

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="parts", db_index=False)
    # A code of `Region`, `unknown` or `abroad`.
    group = models.CharField(max_length=9)
    n = models.PositiveIntegerField()
    # The rounded `n` to publish if this day is released: an earlier day's until the region has
    # changed enough, 0 if the region is suppressed.
    shown = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "group"], name="snapshot_part_once"),
            models.CheckConstraint(condition=~Q(group=""), name="snapshot_part_has_a_group"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.group}: {self.n}"


CODE_LENGTH = 32
# A web origin as browsers serialise it. Only https: it goes into a CSP header unescaped.
_ORIGIN = r"https://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}(?::[1-9][0-9]{0,4})?"
MAX_ORIGINS = 10


def is_origin(site: str) -> bool:
    """Return whether `site` is an https origin as browsers serialise it (`frame-ancestors`)."""
    return re.fullmatch(_ORIGIN, site) is not None


class SourceQuerySet(models.QuerySet["Source"]):
    """Queries about sources."""

    def partners(self) -> "SourceQuerySet":
        """Return active partners, whose codes count and whose pages are shown."""
        return self.filter(is_active=True, is_channel=False)


class Source(models.Model):
    """A partner or channel whose links carry its code. The code identifies no person.

    Channels are the site's own share buttons and printed papers; a migration adds them. Organisers
    register partners. Codes never change and are never deleted, because links with them are public.
    """

    code = models.CharField(
        _("code"),
        max_length=CODE_LENGTH,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z",
                _("Small letters a to z, digits, and single hyphens between them."),
            )
        ],
        help_text=_(
            "This goes into the partner’s links, where anyone can read it. You cannot change it "
            "later. Use one code per organisation, never one per person: it must not show who "
            "recruited whom."
        ),
    )
    name = models.CharField(_("name"), max_length=100, validators=[one_line])
    note = models.CharField(
        _("note"), max_length=300, blank=True, help_text=_("For organisers only.")
    )
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("If you untick this, the code is ignored and the frame no longer shows."),
    )
    is_channel = models.BooleanField(_("built in"), default=False, editable=False)
    origins = ArrayField(
        models.CharField(
            max_length=300,
            validators=[
                RegexValidator(
                    rf"\A{_ORIGIN}\Z",
                    _("Write https:// and the name of the site, such as https://www.example.org"),
                )
            ],
        ),
        verbose_name=_("websites that may show the frame"),
        blank=True,
        default=list,
        size=MAX_ORIGINS,
        help_text=_(
            "One website per line, such as https://www.example.org. These websites may show the "
            "petition in a frame. If empty, none may; links and the badge still work."
        ),
    )

    objects = SourceQuerySet.as_manager()

    class Meta:
        verbose_name = _("partner or channel")
        verbose_name_plural = _("partners and channels")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Reject a site that is listed twice."""
        if len(set(self.origins)) < len(self.origins):
            raise ValidationError({"origins": _("You have entered the same website twice.")})


class SourceTally(models.Model):
    """A sharded counter of a petition's confirmed signatures from one source.

    A database trigger increments it in the statement that clears the signature's source: see
    migration 0003. `before` is the value of `n` at the start of `day`. Pages show a change only
    after midnight, so that nobody can link it to a signature.
    """

    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    source = models.ForeignKey(Source, models.PROTECT, db_index=False)
    # Shards avoid lock contention on a busy channel. They are random, unlike those of `Tally`, so
    # that no row can be linked to the signatures that it counts.
    shard = models.PositiveSmallIntegerField()
    n = models.PositiveIntegerField()
    before = models.PositiveIntegerField()
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "source", "shard"], name="source_tally_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.source_id} {self.shard}"


class ActivityMinute(models.Model):
    """Counts of the events of one petition in one minute: a rollup for the cockpit.

    Written once, after the minute has ended, and deleted after a day. `counts` maps each event of
    `moderation.activity` that occurred to its number. A minute without events has no row.
    """

    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    minute = models.DateTimeField()
    counts = models.JSONField()

    class Meta:
        verbose_name = "minute of activity"
        verbose_name_plural = "cockpit"
        constraints = [
            models.UniqueConstraint(fields=["petition", "minute"], name="activity_minute_once"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.minute:%H:%M}"


class Figures(models.Model):
    """The newest rollup of one petition: counts by place, day, text version, name use and state.

    Each petition has one row, which is overwritten. Two hours are never stored together, so that
    no difference between them reveals a signing.
    """

    # Sealed counts are bound to this id.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.OneToOneField(Petition, models.CASCADE, related_name="figures")
    counted_at = models.DateTimeField(_("counted"))
    # {table: {key: n}}. `counting.figures` defines the tables and their keys.
    counts = models.JSONField(default=dict)
    # Counts by country and language, sealed like the signers' own data.
    sealed = models.BinaryField(null=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("figures")
        verbose_name_plural = _("figures")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.petition_id} {self.counted_at}"
