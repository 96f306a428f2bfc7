"""Where a signature counts: a UK constituency, "UK, not known", or abroad."""

from django.db import models
from django.utils.translation import gettext_lazy as _

UNKNOWN = "unknown"
ABROAD = "abroad"


class Place(models.Model):
    """A line of the count. Its code is the constituency's GSS code, `unknown` or `abroad`."""

    class Kind(models.TextChoices):
        CONSTITUENCY = "constituency", _("constituency")
        UNKNOWN = "unknown", _("UK, constituency not known")
        ABROAD = "abroad", _("outside the UK")

    code = models.CharField(primary_key=True, max_length=9)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.CONSTITUENCY)
    name = models.CharField(max_length=100)

    class Meta:
        verbose_name = _("place")
        verbose_name_plural = _("places")

    def __str__(self) -> str:
        if self.kind == self.Kind.CONSTITUENCY:
            return self.name
        return str(self.Kind(self.kind).label)


class Postcode(models.Model):
    """One UK postcode without its space, and the constituency in which it lies."""

    postcode = models.CharField(primary_key=True, max_length=7)
    place = models.ForeignKey(Place, models.PROTECT)

    def __str__(self) -> str:
        return self.postcode
