"""Places where a signature counts (a UK constituency, "UK, not known", or abroad), and postcodes.

The constituencies of 2024 are included. Management commands import newer ones and postcodes from
published files.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices

UNKNOWN = "unknown"
ABROAD = "abroad"


class Region(models.TextChoices):
    """The regions of England and the three other nations, by ONS GSS code."""

    NORTH_EAST = "E12000001", _("North East")
    NORTH_WEST = "E12000002", _("North West")
    YORKSHIRE = "E12000003", _("Yorkshire and the Humber")
    EAST_MIDLANDS = "E12000004", _("East Midlands")
    WEST_MIDLANDS = "E12000005", _("West Midlands")
    EAST = "E12000006", _("East of England")
    LONDON = "E12000007", _("London")
    SOUTH_EAST = "E12000008", _("South East")
    SOUTH_WEST = "E12000009", _("South West")
    WALES = "W92000004", _("Wales")
    SCOTLAND = "S92000003", _("Scotland")
    NORTHERN_IRELAND = "N92000002", _("Northern Ireland")


class PlaceQuerySet(models.QuerySet["Place"]):
    """Queries about places."""

    def constituencies(self) -> "PlaceQuerySet":
        """Return the constituencies, without "UK, not known" and abroad."""
        return self.filter(kind=Place.Kind.CONSTITUENCY)


@with_checked_choices
class Place(models.Model):
    """A place of the tally. Its code is the constituency's GSS code, `unknown` or `abroad`."""

    class Kind(models.TextChoices):
        CONSTITUENCY = "constituency", _("constituency")
        UNKNOWN = "unknown", _("UK, constituency not known")
        ABROAD = "abroad", _("outside the UK")

    code = models.CharField(primary_key=True, max_length=9)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.CONSTITUENCY)
    name = models.CharField(max_length=100)
    # Some Welsh constituencies have a Welsh name too. All others have one name in all languages.
    name_cy = models.CharField(max_length=100, blank=True, db_default="")
    region = models.CharField(max_length=9, choices=Region, blank=True, db_default="")

    objects = PlaceQuerySet.as_manager()

    class Meta:
        verbose_name = _("place")
        verbose_name_plural = _("places")

    def __str__(self) -> str:
        if self.kind == self.Kind.CONSTITUENCY:
            return self.name
        return str(self.Kind(self.kind).label)

    def name_in(self, language: str) -> str:
        """Return the place's name in a language code such as "cy"."""
        return self.name_cy if language == "cy" and self.name_cy else str(self)


class Postcode(models.Model):
    """The constituency of a UK postcode, which is stored without its space."""

    postcode = models.CharField(primary_key=True, max_length=7)
    place = models.ForeignKey(Place, models.PROTECT, db_index=False, db_constraint=False)

    def __str__(self) -> str:
        return self.postcode


class PlaceFileQuerySet(models.QuerySet["PlaceFile"]):
    """Queries about imported files."""

    def newest(self, kind: "PlaceFile.Kind") -> "PlaceFile | None":
        """Return the latest import of a kind, which is in use."""
        return self.filter(kind=kind).order_by("-pk").first()


@with_checked_choices
class PlaceFile(models.Model):
    """The log of one import of a published file, with its edition and contents."""

    class Kind(models.TextChoices):
        CONSTITUENCIES = "constituencies", _("constituencies")
        POSTCODES = "postcodes", _("postcodes")

    kind = models.CharField(max_length=14, choices=Kind)
    # The month of the edition; null for files of constituencies.
    edition = models.DateField(null=True, blank=True)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    imported_at = models.DateTimeField(auto_now_add=True)
    # When `place_signatures` had looked up every signature in this edition.
    placed_at = models.DateTimeField(null=True, blank=True)

    objects = PlaceFileQuerySet.as_manager()

    class Meta:
        verbose_name = _("imported file")
        verbose_name_plural = _("imported files")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="constituencies") | Q(edition__isnull=False),
                name="place_file_postcodes_have_an_edition",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.file_name}"
