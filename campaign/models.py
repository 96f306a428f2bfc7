"""Models of statements (the campaign's public texts), their translations and links to drafts."""

import uuid
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models, transaction
from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from petitions.formatting.sanitising import need_few_marks
from petitions.infra import locks
from petitions.models import (
    LONGEST_BODY,
    AbstractCorrection,
    Publication,
    PublicationQuerySet,
    rank_of,
    with_checked_choices,
)

FRONT_PAGE = "front-page"


class StatementQuerySet(models.QuerySet["Statement"]):
    """Queries about statements."""

    def titled(self) -> "StatementQuerySet":
        """Annotate `title` for `__str__`: that of the English text, or else of another."""
        texts = StatementText.objects.filter(statement=OuterRef("pk"))
        titles = texts.order_by(rank_of("en"), "id").values("title")
        columns = {"title": Subquery(titles[:1])}
        return self.annotate(**columns)

    def by_petition(self) -> "dict[int, Statement]":
        """Return one published statement for each petition id: the featured one, or the first.

        One query. There are few statements.
        """
        texts = StatementText.objects.published()
        published = self.filter(petition__isnull=False, pk__in=texts.values("statement"))
        ranked = published.order_by("petition_id", "-is_featured", "pk").distinct("petition_id")
        return {statement.petition_id: statement for statement in ranked if statement.petition_id}

    def on_front_page(self) -> "StatementQuerySet":
        """Return the statement on the front page, or none while nothing is published.

        It is the featured one, if it is published. Otherwise it is the one published last, so that
        the page is never empty between two statements, or before an embargo ends.
        """
        texts = StatementText.objects.published().filter(statement=OuterRef("pk"))
        appeared = Subquery(texts.order_by("published_at").values("published_at")[:1])
        published = self.annotate(appeared_at=appeared).filter(appeared_at__isnull=False)
        return published.order_by("-is_featured", "-appeared_at", "-pk")[:1]


class Statement(models.Model):
    """A public text of the campaign, linked to a petition. `StatementText` has its translations."""

    slug = models.SlugField(_("end of the web address"), max_length=80, unique=True)
    petition = models.ForeignKey(
        "petitions.Petition",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="statements",
        verbose_name=_("linked petition"),
    )
    is_featured = models.BooleanField(
        _("on the front page"),
        default=False,
        help_text=_("Only one statement can be on the front page."),
    )

    # Annotated by `titled`.
    title: str | None = None

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
        return self.title or self.slug

    def get_absolute_url(self) -> str:
        return reverse("campaign:statement", args=[self.slug])

    @property
    def path(self) -> str:
        """Return the path in the active language. The featured statement has the front page's."""
        return reverse("campaign:front_page") if self.is_featured else self.get_absolute_url()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save. A featured statement replaces the other featured one, in the same transaction."""
        written = kwargs.get("update_fields")
        is_written = written is None or "is_featured" in written
        with transaction.atomic():
            if self.is_featured and is_written:
                locks.lock_named(FRONT_PAGE)
                others = Statement.objects.filter(is_featured=True).exclude(pk=self.pk)
                others.update(is_featured=False)
            super().save(*args, **kwargs)

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Skip the unique constraint on `is_featured`, because `save` satisfies it."""
        super().validate_constraints({*(exclude or ()), "is_featured"})


class FormerStatementAddress(models.Model):
    """A former slug of a statement. It redirects for ever, because people have shared it."""

    slug = models.SlugField(max_length=80, unique=True)
    statement = models.ForeignKey(Statement, models.CASCADE, related_name="former_addresses")
    until = models.DateField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class DraftLinkQuerySet(models.QuerySet["DraftLink"]):
    """Queries about links to drafts."""

    def working(self) -> "DraftLinkQuerySet":
        """Return links that have not expired, the newest first."""
        return self.filter(expires_at__gt=timezone.now()).order_by("-created_at")


class DraftLink(models.Model):
    """A secret link to drafts, for people without an account. It expires.

    It shows a statement and its petition, or only a petition. The token in the link is the
    encrypted id, so a copy of the database opens no draft. Ending a link deletes its row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    statement = models.ForeignKey(Statement, models.CASCADE, null=True, related_name="draft_links")
    petition = models.ForeignKey(
        "petitions.Petition", models.CASCADE, null=True, related_name="draft_links"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects = DraftLinkQuerySet.as_manager()

    class Meta:
        verbose_name = "link to a draft"
        verbose_name_plural = "links to drafts"
        constraints = [
            models.CheckConstraint(
                condition=Q(statement=None, petition__isnull=False)
                | Q(statement__isnull=False, petition=None),
                name="draft_link_of_one",
            ),
        ]

    def __str__(self) -> str:
        # Without the id, which the token encrypts.
        return f"link to a draft, until {self.expires_at:%Y-%m-%d}"


class StatementTextQuerySet(PublicationQuerySet["StatementText"]):
    """Queries about the texts of statements."""

    def to_show(self, language: str) -> "StatementTextQuerySet":
        """Return published texts: those in `language` first, then English, then any."""
        return self.published().with_related().order_by(rank_of(language), "id")

    def to_preview(self, statement: Statement, language: str) -> "StatementText | None":
        """Return a statement's text, even a draft or an embargoed one: never for the public."""
        texts = self.filter(statement=statement).with_related()
        return texts.order_by(rank_of(language), "id").first()

    def on_front_page(
        self, language: str, *, without: Statement | None = None
    ) -> "StatementText | None":
        """Return the text on the front page for readers of a language, or None.

        With `without`, return what it would be if that statement were deleted.
        """
        statements = Statement.objects.exclude(pk=without.pk) if without else Statement.objects
        return self.to_show(language).filter(statement__in=statements.on_front_page()).first()

    def with_related(self) -> "StatementTextQuerySet":
        """Join statement and petition, and annotate the `languages` of the published texts."""
        published = self.model.objects.published().filter(statement=OuterRef("statement"))
        columns = {"languages": ArraySubquery(published.order_by("language").values("language"))}
        return self.select_related("statement__petition").annotate(**columns)


@with_checked_choices
class StatementText(Publication, models.Model):
    """One translation of a statement in Markdown: a draft until it is published."""

    WORDS = ("title", "summary", "body", "dated")

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="texts")
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    title = models.CharField(_("title"), max_length=200)
    summary = models.CharField(
        _("summary"),
        max_length=400,
        blank=True,
        help_text=_("One or two sentences, shown at the top."),
    )
    body = models.TextField(
        _("body"),
        max_length=LONGEST_BODY,
        help_text=_("Markdown"),
        validators=[need_few_marks],
    )
    dated = models.DateField(
        _("month it was written"),
        null=True,
        blank=True,
        help_text=_(
            "For an older text: the first day of its month. The page then says that its figures "
            "are of that time."
        ),
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True)

    # Annotated by `with_related`.
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
        return f"{self.title} ({self.get_language_display()})"


class StatementCorrection(AbstractCorrection):
    """A change of a statement's text while it was public."""

    WORDS = StatementText.WORDS

    text = models.ForeignKey(StatementText, models.CASCADE, related_name="corrections")

    class Meta(AbstractCorrection.Meta):
        verbose_name = "correction of a statement"
        verbose_name_plural = "corrections of statements"

    def __str__(self) -> str:
        return f"{self.text_id}, {self.made_at:%Y-%m-%d}"
