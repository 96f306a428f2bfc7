"""Counts: the tally, daily snapshots, sources (attribution) with theirs, activity by minute, and
the figures for organisers, counted anew every hour.
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


@with_checked_choices
class Tally(models.Model):
    """The counter of signatures for one petition, place, kind and shard.

    Shards spread a hot place over several rows, because confirmations would otherwise wait on one
    row lock for each other's flush to disk.
    """

    # On paper there is nothing yet, and no count has it: it is to be a line of its own. `kind` is
    # part of the key already, for each confirmation writes here, and it would be dear to add.
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
    """The total at the end of one day in London. Write-once."""

    petition = models.ForeignKey(Petition, models.CASCADE, related_name="snapshots", db_index=False)
    day = models.DateField(_("after the day"))
    total = models.PositiveIntegerField(_("signatures"))
    # {table: {key: n}} of `counting.breakdowns`: fit to publish, as `SnapshotPart.shown` is.
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
    """The exact count of one region, of "UK, not known", or of abroad, in a day's snapshot.

    Published only through `counting.breakdowns`, which rounds and delays it (disclosure control).
    """

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="parts", db_index=False)
    # A code of `Region`, `unknown` or `abroad`.
    group = models.CharField(max_length=9)
    n = models.PositiveIntegerField()
    # The `n` to publish (rounded) if this day is released: an earlier one until the region has
    # moved enough. 0 if the region is suppressed.
    shown = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "group"], name="snapshot_part_once"),
            models.CheckConstraint(condition=~Q(group=""), name="snapshot_part_has_a_group"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.group}: {self.n}"


CODE_LENGTH = 32
# A web origin as browsers serialise it, https only: it goes into a CSP header unescaped.
_ORIGIN = r"https://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}(?::[1-9][0-9]{0,4})?"
MOST_ORIGINS = 10


def is_origin(site: str) -> bool:
    """Whether `site` is an https origin as browsers serialise it, fit for `frame-ancestors`."""
    return re.fullmatch(_ORIGIN, site) is not None


class SourceQuerySet(models.QuerySet["Source"]):
    """Queries about sources."""

    def partners(self) -> "SourceQuerySet":
        """Active partners: their code counts, and their pages are shown."""
        return self.filter(is_active=True, is_channel=False)


class Source(models.Model):
    """A partner or channel whose links carry its code, which identifies no person.

    Channels are this site's share buttons and printed papers; a migration adds them. Organisers
    register partners. Codes are immutable and never deleted: links with them are published.
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
        size=MOST_ORIGINS,
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
        """Refuse a site that is listed twice."""
        if len(set(self.origins)) < len(self.origins):
            raise ValidationError({"origins": _("You have entered the same website twice.")})


class SourceTally(models.Model):
    """A sharded counter of the confirmed signatures of one petition from one source.

    A database trigger increments it in the statement that clears the signature's source: see
    migration 0003. `before` is `n` at the start of `day`: what is shown changes only at midnight,
    so that watching it does not tell whose signature moved it.
    """

    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    source = models.ForeignKey(Source, models.PROTECT, db_index=False)
    # Against lock contention on one busy channel. Random, unlike that of `Tally`, so that no row
    # can be tied to the signatures that it counts.
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
    """What happened to one petition in one minute, as counts: a rollup for the cockpit.

    Written once, after the minute has ended, and deleted after a day. `counts` is {event: number}
    of `moderation.activity`, without events that did not occur; without any there is no row.
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

    One row a petition, overwritten: two hours are never both stored, so that no stored difference
    tells of one signing.
    """

    # Binds the sealed counts to their row.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.OneToOneField(Petition, models.CASCADE, related_name="figures")
    counted_at = models.DateTimeField(_("counted"))
    # {table: {key: n}}; the tables and their keys are in `counting.figures`.
    counts = models.JSONField(default=dict)
    # Counts by country and language, which are sealed as the signers are whom they count.
    sealed = models.BinaryField(null=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("figures")
        verbose_name_plural = _("figures")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.petition_id} {self.counted_at}"
