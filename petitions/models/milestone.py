"""Milestones of a petition: dated public events such as handed in, replied to, debated."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

# Raw SQL, because every page of a petition asks for it: compiling it from querysets takes as
# long as all the rest of the petition’s query.
_PUBLIC = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', event.id, 'kind', event.kind, 'day', event.day, 'link', event.link,
        'texts', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'language', said.language, 'title', said.title, 'words', said.words
            ) ORDER BY said.language), '[]')
            FROM petitions_milestonetext said WHERE said.milestone_id = event.id
        )
    ) ORDER BY event.day, event.id), '[]')
    FROM petitions_milestone event
    WHERE event.is_public AND event.petition_id = %(expressions)s)
"""


def public_milestones(petition: str) -> models.Func:
    """Annotation: a petition's public milestones with their texts, as one JSON column.

    `petition` names the field that holds the petition's id. The value is a list of dicts ordered
    by day, each with `id`, `kind`, `day` in ISO form, `link`, and `texts`, a list of dicts with
    `language`, `title` and `words`.
    """
    return models.Func(models.F(petition), template=_PUBLIC, output_field=models.JSONField())


class Milestone(models.Model):
    """A dated public event of a petition. Its kind tells how far the petition has come."""

    class Kind(models.TextChoices):
        HANDED_IN = "handed_in", _("Handed in to the Government")
        REPLY = "reply", _("The Government’s reply")
        DEBATE = "debate", _("Debate in Parliament")
        OTHER = "other", _("News")

    # A string reference, to avoid a circular import: petitions query their milestones.
    petition = models.ForeignKey(
        "petitions.Petition", models.CASCADE, related_name="milestones", verbose_name=_("petition")
    )
    kind = models.CharField(_("what happened"), max_length=9, choices=Kind)
    day = models.DateField(_("day"), help_text=_("A future date is shown as “Announced”."))
    link = models.URLField(
        _("link"), max_length=300, blank=True, help_text=_("To a reply, a record or a report.")
    )
    is_public = models.BooleanField(
        _("shown to the public"),
        default=False,
        help_text=_("On the petition’s page and in the news feed. Nobody gets an email."),
    )

    class Meta:
        verbose_name = _("milestone")
        verbose_name_plural = _("milestones")

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.day}"


class MilestoneText(models.Model):
    """A milestone's text in one language; without one, the label of its kind is the title."""

    milestone = models.ForeignKey(Milestone, models.CASCADE, related_name="texts", db_index=False)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    title = models.CharField(_("title"), max_length=150)
    words = models.TextField(_("text"), max_length=1000, blank=True)

    class Meta:
        verbose_name = _("text of a milestone")
        verbose_name_plural = _("texts of milestones")
        constraints = [
            models.UniqueConstraint(fields=["milestone", "language"], name="milestone_text_once"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.language})"
