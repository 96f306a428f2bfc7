"""Statements: the campaign's public texts, each in any of the languages."""

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from petitions.models.ranks import rank_of


class StatementQuerySet(models.QuerySet["Statement"]):
    """Questions about statements."""

    def by_petition(self) -> "dict[int, Statement]":
        """By petition, the published statement that leads to it: the featured one, else the first.

        One query. There are few statements.
        """
        published = self.filter(petition__isnull=False, texts__published_at__isnull=False)
        ranked = published.order_by("petition_id", "-is_featured", "pk").distinct("petition_id")
        return {statement.petition_id: statement for statement in ranked if statement.petition_id}


class Statement(models.Model):
    """A public text of the campaign, apart from its words. It leads to a petition."""

    slug = models.SlugField(_("address on the site"), max_length=80, unique=True)
    petition = models.ForeignKey(
        "petitions.Petition",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="statements",
        verbose_name=_("petition it leads to"),
    )
    is_featured = models.BooleanField(
        _("on the front page"), default=False, help_text=_("One statement at a time.")
    )

    objects = StatementQuerySet.as_manager()

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        constraints = [
            models.UniqueConstraint(
                fields=["is_featured"],
                condition=Q(is_featured=True),
                name="statement_one_featured",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:statement", args=[self.slug])


class StatementTextQuerySet(models.QuerySet["StatementText"]):
    """Questions about the words of statements."""

    def to_show(self, language: str) -> "StatementTextQuerySet":
        """Published texts, the wanted language first, then English, then any."""
        published = self.filter(published_at__isnull=False).with_surroundings()
        return published.order_by(rank_of(language), "id")

    def with_surroundings(self) -> "StatementTextQuerySet":
        """With statement and petition, and the `languages` that the statement is published in."""
        published = self.model.objects.filter(
            statement=OuterRef("statement"), published_at__isnull=False
        )
        said = {"languages": ArraySubquery(published.order_by("language").values("language"))}
        return self.select_related("statement__petition").annotate(**said)


class StatementText(models.Model):
    """One language's words of a statement, in Markdown. A draft until it is published."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="texts")
    language = models.CharField(
        _("language"),
        max_length=2,
        choices=settings.LANGUAGES,
    )
    title = models.CharField(_("title"), max_length=200)
    summary = models.CharField(
        _("summary"),
        max_length=400,
        blank=True,
        help_text=_("One or two sentences, for the top."),
    )
    body = models.TextField(_("body"), help_text=_("Markdown"))
    dated = models.DateField(
        _("date of the text"),
        null=True,
        blank=True,
        help_text=_(
            "For an older text: the first day of its month. The page then says that its figures "
            "are of that time."
        ),
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True)

    # What `with_surroundings` says of its statement besides.
    languages: list[str]

    objects = StatementTextQuerySet.as_manager()

    class Meta:
        verbose_name = _("text of a statement")
        verbose_name_plural = _("texts of statements")
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "language"], name="statement_text_once_a_language"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.language})"
