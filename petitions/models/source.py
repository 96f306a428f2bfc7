"""Where signatures come from: partners and channels, and how many each has brought."""

import re

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.models.organisation import one_line
from petitions.models.petition import Petition

CODE_LENGTH = 32
# The origin of a site as browsers write it, over https alone: it goes into a header as it stands.
_ORIGIN = r"https://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}(?::[1-9][0-9]{0,4})?"
MOST_ORIGINS = 10


def is_origin(site: str) -> bool:
    """Whether a site is written as browsers write one of which a frame may be part."""
    return re.fullmatch(_ORIGIN, site) is not None


class SourceQuerySet(models.QuerySet["Source"]):
    """Questions about sources."""

    def partners(self) -> "SourceQuerySet":
        """Partners whose code counts, and whose pages are shown."""
        return self.filter(is_active=True, is_channel=False)


class Source(models.Model):
    """A partner or a channel whose links carry its code. It names nobody who shared them.

    Channels are the buttons and papers of this site; they come with it. Partners are registered
    by organisers. A code never changes and is never deleted, for links with it are out there.
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
        """Each of their sites once."""
        if len(set(self.origins)) < len(self.origins):
            raise ValidationError({"origins": _("You have entered the same website twice.")})


class SourceTally(models.Model):
    """How many signatures of one petition were confirmed that came from one source.

    A trigger of the database counts, in the moment in which it makes the signature forget its
    source: see migration 0003. `before` is what `n` was when `day` began, so that what is shown
    moves at midnight alone, and nobody who watches it can tell whose signature moved it.
    """

    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    source = models.ForeignKey(Source, models.PROTECT, db_index=False)
    # Confirmations through one busy channel must not wait for each other. Unlike that of `Tally`
    # it is drawn by lot, so that no row can be tied to the signatures that it counts.
    shard = models.PositiveSmallIntegerField()
    n = models.IntegerField()
    before = models.IntegerField()
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "source", "shard"], name="source_tally_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.source_id} {self.shard}"
